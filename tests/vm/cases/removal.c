// SPDX-License-Identifier: GPL-2.0
/* The memory goes away under a lease. On NVDIMMs of their own, so that the other cases keep theirs. */
#include "breaker.h"
#include "edu.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "nvdimm.h"
#include "program.h"
#include "stall.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000

static void unbind_revokes(const struct test *t)
{
	struct daxlease_acquire a;
	struct daxlease_event ev;
	unsigned char buf[512];
	struct fault_log log;
	struct edu e;
	int ctx, fd;
	void *map;

	nvdimm_filesystem(1, t->fs);
	fd = CHECK_SYS(open(path_in(nvdimm_path(1), "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	CHECK_SYS(fallocate(fd, 0, 0, 4 * MIB));
	map = file_map(fd, 0, 4 * MIB);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	edu_open(&e);
	CHECK_RET(vfio_map(&e.vfio, map, HELD_IOVA, 4 * MIB, VFIO_RW), 0);
	device_read(&e, HELD_IOVA, buf, sizeof(buf));
	CHECK_SYS(munmap(map, 4 * MIB));

	CHECK_EQ(shell("basename $(readlink /sys/block/pmem1/device) >/sys/bus/nd/drivers/nd_pmem/unbind"), 0);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS), "the holder was not told");
	CHECK_EQ(ev.reason, DAXLEASE_REASON_REMOVE);
	CHECK(ev.flags & DAXLEASE_FLAG_NO_GRACE);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_REVOKED);
	fault_mark(&log);
	device_fill(&e, HELD_IOVA + MIB, 0xee, sizeof(buf));
	CHECK(fault_wait(&log, HELD_IOVA + MIB, PAGE, true), "the device still reaches memory that is gone");
	fault_close(&log);
	CHECK(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, 0, NULL) < 0, "leased what is gone");
	CHECK_EQ(vfio_unmap(&e.vfio, HELD_IOVA, 4 * MIB), (int64_t)(4 * MIB));
	CHECK_RET(lease_release(ctx, a.id), 0);
	/* Stays mounted: ext4's umount looks at the struct pages of the file, which are gone with the device */
}

/* The whole region goes, and with it the device that the disk hangs on, under a mounted filesystem */
static void region_leaves(const struct test *t)
{
	struct daxlease_acquire a;
	struct daxlease_event ev;
	uint64_t generation;
	int ctx, fd;

	nvdimm_filesystem(2, t->fs);
	fd = CHECK_SYS(open(path_in(nvdimm_path(2), "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	CHECK_SYS(fallocate(fd, 0, 0, 4 * MIB));
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_RET(write_text("/sys/bus/nd/drivers/nd_region/unbind", "region2"), 0);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS), "the holder was not told");
	CHECK_EQ(ev.reason, DAXLEASE_REASON_REMOVE);
	CHECK(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, 0, NULL) < 0, "leased what is gone");
	CHECK(lease_rearm(ctx, a.id, 0, 4 * MIB, &generation) < 0, "re-armed what is gone");
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_REVOKED);
	CHECK_RET(lease_release(ctx, a.id), 0);
	CHECK_RET(write_text("/sys/bus/nd/drivers/nd_region/bind", "region2"), 0);
}

struct stalled {
	int fd;
	void *page;
};

static void *write_stalled(void *arg)
{
	struct stalled *s = arg;

	CHECK_EQ(pwrite(s->fd, s->page, PAGE, 0), (ssize_t)PAGE);
	return NULL;
}

/* Another NVDIMM is being unbound, which lasts, for a write to a file on it stands still: ours stays */
static void other_leaves(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .length = GRANULE };
	static unsigned char content[PAGE];
	struct program unbinding;
	struct daxlease_acquire a, b;
	struct daxlease_event ev;
	struct stalled other;
	uint64_t generation;
	pthread_t writer;
	int ctx, fd, uffd;

	fd = file_create(punch.path, 2 * GRANULE, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, GRANULE, DAXLEASE_WRITE, 0, &a), 0);
	CHECK_RET(breaker_run(&punch, SOON_MS).ret, 0);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS));
	CHECK_SYS(fallocate(fd, 0, 0, GRANULE));

	nvdimm_filesystem(1, "xfs");	/* unlike ext4 it can be unmounted then */
	other.fd = file_create(path_in(nvdimm_path(1), "file"), GRANULE, 1);
	other.page = stall_page(&uffd);
	CHECK_EQ(pthread_create(&writer, NULL, write_stalled, &other), 0);
	stall_wait(uffd, SOON_MS);
	program_start(&unbinding, "unbinding", "sh -c 'cd /sys/bus/nd/drivers/nd_pmem && "
		      "echo $(basename $(readlink /sys/block/pmem1/device)) >unbind'");
	/* Its announcement is over then, and its end waits for the write */
	CHECK(wait_asleep_in(unbinding.pid, "pmem_release_disk", NULL, SOON_MS), "the unbinding does not wait");

	CHECK_RET(lease_acquire(ctx, fd, GRANULE, GRANULE, DAXLEASE_WRITE, 0, &b), 0, "another NVDIMM is leaving");
	CHECK_RET(lease_rearm(ctx, a.id, 0, GRANULE, &generation), 0, "another NVDIMM is leaving");
	CHECK(lease_acquire(ctx, other.fd, 0, PAGE, DAXLEASE_WRITE, 0, NULL) < 0, "leased what is leaving");
	stall_end(uffd, other.page, content);
	CHECK_EQ(pthread_join(writer, NULL), 0);
	CHECK_EQ(program_join(&unbinding, SOON_MS), 0);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_ACTIVE);
	CHECK_EQ(lease_state(ctx, b.id), DAXLEASE_ACTIVE);
	close(other.fd);
	nvdimm_unmount(1);
}

const struct testcase removal_cases[] = {
	{ "leases-of-other-memory-go-on",
	  "while one NVDIMM is being unbound leases are given and re-armed on another, and none on that one",
	  other_leaves, ON_ANY | NEEDS_CORE, 40 },
	{ "unbind-revokes-at-once",
	  "a lease does not keep persistent memory from being removed, and no device reaches it afterwards",
	  unbind_revokes, ON_ANY | NEEDS_VFIO | DEMO, 40 },
	{ "region-leaves-under-lease",
	  "nor from going with its whole region, after which the disk's parent is no more",
	  region_leaves, ON_ANY | NEEDS_CORE, 40 },
	{ 0 }
};
