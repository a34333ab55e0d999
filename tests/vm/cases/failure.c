// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of a leased file fails. madvise(MADV_HWPOISON) tells the kernel so, as the machine check handler would;
 * who has the page mapped is killed. On an NVDIMM of its own, since the mark stays until the namespace is made anew.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "nvdimm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000
#define BAD		(2 * MIB + 5 * PAGE)	/* in the middle of a 2 MiB page */

static int fail_page(void *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	volatile char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, BAD);

	if (fd < 0 || p == MAP_FAILED)
		return -errno;
	(void)*p;
	return madvise((void *)p, PAGE, MADV_HWPOISON) ? -errno : 0;
}

/* On a fresh filesystem at nvdimm_path(1) */
static void check_failure(void)
{
	struct daxlease_acquire a;
	struct daxlease_event ev;
	uint64_t generation;
	struct breaker b;
	struct held h;
	int ctx, fd;

	held_open(&h, nvdimm_path(1), 6 * MIB, LONG_GRACE);
	held_forget(&h);
	breaker_start_fn(&b, fail_page, h.path, -1);
	CHECK(breaker_join(&b, SOON_MS).killed, "madvise(MADV_HWPOISON) killed nobody");

	CHECK(lease_wait(h.ctx, h.lease, DAXLEASE_EVENT_FENCED, &ev, SOON_MS), "the holder was not told");
	CHECK_EQ(ev.reason, DAXLEASE_REASON_FAILURE);
	CHECK_EQ(ev.flags, DAXLEASE_FLAG_NO_GRACE);
	CHECK_EQ(ev.hit_offset, BAD);
	CHECK_EQ(ev.hit_length, PAGE);
	CHECK_EQ(ev.lost_offset, 2 * MIB);
	CHECK_EQ(ev.lost_length, 2 * MIB);
	CHECK_EQ(lease_lost(h.ctx, h.lease), 1);
	fd = CHECK_SYS(open(h.path, O_RDWR | O_CLOEXEC));
	held_check_fenced(&h, BAD);
	held_check_live(&h, fd, 0);
	held_check_live(&h, fd, 4 * MIB);
	story("a page of a leased file fails: its granule is fenced at once, the holder told, the rest is live");

	CHECK_RET(lease_rearm(h.ctx, h.lease, 2 * MIB, 2 * MIB, &generation), -EHWPOISON);
	held_check_fenced(&h, BAD);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 2 * MIB, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), -EHWPOISON);
	CHECK_RET(lease_acquire(ctx, fd, 2 * MIB, 2 * MIB, DAXLEASE_READ, LONG_GRACE, &a), -EHWPOISON);
	CHECK_RET(lease_acquire(ctx, fd, 4 * MIB, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_RET(lease_release(ctx, a.id), 0);
	story("neither REARM nor ACQUIRE gives it to a device again: EHWPOISON");

	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, 6 * MIB), (int64_t)(6 * MIB));
	close(ctx);
	close(h.ctx);
	close(fd);
	edu_close(&h.edu);
	nvdimm_unmount(1);
}

static void memory_fails(const struct test *t)
{
	nvdimm_filesystem(1, t->fs);
	check_failure();
	if (*t->fs != 'x')
		return;
	/* With a reverse map XFS finds the file by itself, and marks and kills on its own */
	nvdimm_make(1);
	CHECK_EQ(shell("mkfs.xfs -q -f -m rmapbt=1 -d su=2m,sw=1,agcount=2 -l size=64m /dev/pmem1"), 0);
	nvdimm_mount(1, t->fs, "dax=always");
	check_failure();
}

const struct testcase failure_cases[] = {
	{ "memory-failure-is-fenced",
	  "a page that fails is taken from the device at once, its holder hears of it, and it is not leased again",
	  memory_fails, ON_ANY | NEEDS_VFIO, 60 },
	{ 0 }
};
