// SPDX-License-Identifier: GPL-2.0
/*
 * The filesystem is shut down, frozen, remounted or unmounted under a lease and a device that writes. None of
 * that moves a block, so none of it takes the lease; operations on the file afterwards are heard as ever. On an
 * NVDIMM of their own.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "nvdimm.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000
#define SIZE		(4 * MIB)

/**
 * struct scene - a held file, and another behind it on the medium
 * @h: the held file, watched
 * @w: writes at its beginning
 * @neighbour: 2 MiB of pattern 9
 */
struct scene {
	struct held h;
	struct writer w;
	char neighbour[256];
};

static void scene_open(struct scene *s, const char *fs)
{
	int fd;

	nvdimm_filesystem(1, fs);
	held_open(&s->h, nvdimm_path(1), SIZE, LONG_GRACE);
	snprintf(s->neighbour, sizeof(s->neighbour), "%s/neighbour", nvdimm_path(1));
	fd = file_create(s->neighbour, 2 * MIB, 9);
	CHECK_SYS(syncfs(fd));
	close(fd);
	writer_start(&s->w, &s->h, 0);
}

/* The device goes on, its holder has heard of nothing */
static void check_undisturbed(struct scene *s, const char *when)
{
	struct daxlease_event ev;

	writer_wait(&s->w);
	CHECK_EQ(lease_event(s->h.ctx, &ev, 0), 0, "%s: the holder was told of a break", when);
	CHECK_EQ(lease_state(s->h.ctx, s->h.lease), DAXLEASE_ACTIVE, "%s", when);
	story("%s: the device writes on, no lease is broken", when);
}

/* A truncate by name waits for the holder, who gives way; it returns @ret. The device is shut out */
static void check_broken_by_truncate(struct scene *s, struct breaker *b, int ret)
{
	struct daxlease_event ev;

	CHECK(lease_wait(s->h.ctx, s->h.lease, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "a truncate was not heard");
	CHECK_EQ(ev.reason, DAXLEASE_REASON_TRUNCATE);
	CHECK_EQ(ev.flags, 0);
	CHECK(!breaker_done(b), "the truncate did not wait");
	CHECK_RET(lease_ack(s->h.ctx, s->h.lease, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(b, SOON_MS).ret, ret);
	writer_stop(&s->w);
	held_check_fenced(&s->h, 0);
	story("a truncate afterwards is heard, waits, returns %s; then the device is shut out", ret_name(ret));
}

static void start_truncate(struct scene *s, struct breaker *b)
{
	struct op op = { .kind = OP_TRUNCATE, .path = s->h.path, .offset = MIB };

	breaker_start(b, &op);
}

/* Nothing of the case holds the filesystem any more */
static void scene_close(struct scene *s)
{
	if (s->h.map)
		held_forget(&s->h);
	CHECK_EQ(vfio_unmap(&s->h.edu.vfio, HELD_IOVA, SIZE), (int64_t)SIZE);
	CHECK_EQ(lease_count(), 0);
}

/* What the medium has in the end: @size bytes of the file, the neighbour, a consistent filesystem */
static void check_medium(struct scene *s, const char *fs, uint64_t size)
{
	int fd;

	nvdimm_mount(1, fs, "dax=always");
	fd = CHECK_SYS(open(s->h.path, O_RDONLY | O_CLOEXEC));
	CHECK_EQ(file_differs_from_byte(fd, 0, WRITER_LENGTH, WRITER_BYTE), -1, "a device write is lost");
	CHECK_PATTERN(fd, WRITER_LENGTH, size - WRITER_LENGTH, HELD_SEED);
	close(fd);
	fd = CHECK_SYS(open(s->neighbour, O_RDONLY | O_CLOEXEC));
	CHECK_PATTERN(fd, 0, 2 * MIB, 9);
	close(fd);
	nvdimm_unmount(1);
	CHECK_EQ(shell(*fs == 'x' ? "xfs_repair -n /dev/pmem1 2>/dev/null" : "e2fsck -fn /dev/pmem1"), 0);
}

static void shutdown_under_lease(const struct test *t)
{
	struct scene s;
	struct breaker b;

	scene_open(&s, t->fs);
	CHECK_EQ(shell("xfs_io -x -c shutdown %s", nvdimm_path(1)), 0);
	check_undisturbed(&s, "the filesystem is shut down");
	start_truncate(&s, &b);
	check_broken_by_truncate(&s, &b, -EIO);
	scene_close(&s);
	nvdimm_unmount(1);
	check_medium(&s, t->fs, SIZE);
}

static int remount(unsigned long flags)
{
	return mount(NULL, nvdimm_path(1), NULL, MS_REMOUNT | flags, NULL) ? -errno : 0;
}

static void freeze_under_lease(const struct test *t)
{
	struct scene s;
	struct breaker b;
	int fs;

	scene_open(&s, t->fs);
	fs = CHECK_SYS(open(nvdimm_path(1), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	CHECK_SYS(ioctl(fs, FIFREEZE, 0));
	start_truncate(&s, &b);
	CHECK(wait_asleep_in(b.pid, "percpu_rwsem_wait", NULL, SOON_MS), "the truncate did not stop at the freeze");
	check_undisturbed(&s, "the filesystem is frozen, with a truncate waiting for the thaw");
	CHECK_SYS(ioctl(fs, FITHAW, 0));
	check_broken_by_truncate(&s, &b, 0);
	close(fs);
	scene_close(&s);
	nvdimm_unmount(1);
	check_medium(&s, t->fs, MIB);
}

static void remount_under_lease(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct scene s;
	int fd;

	scene_open(&s, t->fs);
	held_forget(&s.h);
	CHECK_RET(remount(MS_RDONLY), -EBUSY, "a lease for writing keeps a file open for writing");
	check_undisturbed(&s, "remount read-only: refused");
	writer_stop(&s.w);
	scene_close(&s);

	/* Of a lease for reading nobody takes notice */
	fd = CHECK_SYS(open(s.h.path, O_RDONLY | O_CLOEXEC));
	CHECK_RET(lease_acquire(s.h.ctx, fd, 0, SIZE, DAXLEASE_READ, LONG_GRACE, &a), 0);
	CHECK_RET(remount(MS_RDONLY), 0);
	op.path = s.h.path;
	CHECK_RET(breaker_run(&op, SOON_MS).ret, -EROFS);
	CHECK_EQ(lease_event(s.h.ctx, &ev, 0), 0, "an operation that cannot be broke a lease");
	CHECK_EQ(lease_state(s.h.ctx, a.id), DAXLEASE_ACTIVE);
	CHECK_RET(lease_release(s.h.ctx, a.id), 0);
	close(fd);
	nvdimm_unmount(1);
	check_medium(&s, t->fs, SIZE);
}

static bool namespace_disabled(void)
{
	return !shell("ndctl disable-namespace namespace1.0 >/dev/null 2>&1");
}

static void detach_under_lease(const struct test *t)
{
	int64_t end = now_ns() + SOON_MS * (int64_t)MS;
	struct scene s;
	struct breaker b;

	scene_open(&s, t->fs);
	CHECK(!namespace_disabled(), "under a mounted filesystem");
	check_undisturbed(&s, "ndctl disable-namespace: refused");
	held_forget(&s.h);
	CHECK_SYS(umount2(nvdimm_path(1), MNT_DETACH));
	CHECK(!namespace_disabled(), "under a lease");
	check_undisturbed(&s, "umount --lazy; ndctl still refuses");

	/* The same filesystem, since the lease has kept it */
	nvdimm_mount(1, t->fs, "dax=always");
	start_truncate(&s, &b);
	check_broken_by_truncate(&s, &b, 0);
	scene_close(&s);
	nvdimm_unmount(1);
	check_medium(&s, t->fs, MIB);
	/* The detached mount goes with the last put of the file, which may be deferred */
	while (!namespace_disabled())
		CHECK(now_ns() < end, "something still uses the namespace");
	CHECK_EQ(shell("ndctl enable-namespace namespace1.0 >/dev/null"), 0);
}

const struct testcase removal_fs_cases[] = {
	{ "shutdown-takes-no-lease",
	  "after a shutdown of the filesystem the device writes on into blocks that are still the file's",
	  shutdown_under_lease, ON_BOTH | NEEDS_VFIO | STOCK_ONLY, 60 },
	{ "freeze-takes-no-lease",
	  "a frozen filesystem breaks nothing until it is thawed, and stops no device",
	  freeze_under_lease, ON_BOTH | NEEDS_VFIO | STOCK_ONLY, 60 },
	{ "remount-takes-no-lease",
	  "remounting read-only is refused under a lease for writing, and does nothing to one for reading",
	  remount_under_lease, ON_BOTH | NEEDS_VFIO | STOCK_ONLY, 60 },
	{ "lazy-umount-takes-no-lease",
	  "a lease keeps an unmounted filesystem and its namespace, and its file can still be truncated",
	  detach_under_lease, ON_BOTH | NEEDS_VFIO | STOCK_ONLY, 60 },
	{ 0 }
};
