// SPDX-License-Identifier: GPL-2.0
/*
 * Operations that move blocks and ask nobody, or only look as if they could. The last resort must meet the
 * first kind, with the device off the block before it goes; the second kind must not disturb anybody.
 */
#include "breaker.h"
#include "edu.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "nvdimm.h"
#include "stall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xfs/xfs.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000

/*
 * XFS: a file with a preallocation for copies on write over its first 32 blocks, of which only the first is
 * shared; a write to any other moves it, too.
 */
static int file_with_preallocation(const struct test *t, const char *path)
{
	struct op clone = { .kind = OP_CLONE, .path = path, .other = path_in(t->dir, "copy"),
			    .offset = 0, .length = PAGE };
	struct op write = { .kind = OP_WRITE, .path = path, .offset = 0, .length = PAGE };
	int fd = file_create(path, 4 * MIB, 1);

	close(file_create_empty(clone.other));
	CHECK_RET(op_do(&clone), 0);
	CHECK_RET(op_do(&write), 0);
	return fd;
}

static void write_moves_block(const struct test *t)
{
	struct op write = { .kind = OP_WRITE, .path = path_in(t->dir, "file"), .offset = 10 * PAGE, .length = PAGE };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	uint64_t before;
	int ctx, fd;

	fd = file_with_preallocation(t, write.path);
	before = file_physical(fd, 10 * PAGE);
	ctx = lease_open();
	/* For reading: a lease for writing would move the block itself */
	CHECK_RET(lease_acquire(ctx, fd, 8 * PAGE, 8 * PAGE, DAXLEASE_READ, LONG_GRACE, &a), 0);
	CHECK_RET(breaker_run(&write, SOON_MS).ret, 0);
	CHECK(file_physical(fd, 10 * PAGE) != before, "this XFS did not move the block: nothing was shown");
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS), "a leased block moved unnoticed");
	CHECK(ev.flags & DAXLEASE_FLAG_EMERGENCY);
	CHECK_EQ(ev.reason, DAXLEASE_REASON_INVALIDATE);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_REVOKED);
}

/* A system call of another thread; @done when it has returned */
struct call {
	pthread_t thread;
	pid_t tid;
	struct edu *edu;
	void *addr;
	int fd;
	int ret;
	atomic_int done;
};

static void *write_page(void *arg)
{
	struct call *c = arg;

	c->ret = pwrite(c->fd, c->addr, PAGE, 10 * PAGE) == (ssize_t)PAGE ? 0 : -errno;
	c->done = 1;
	return NULL;
}

static void *map_for_device(void *arg)
{
	struct call *c = arg;

	c->tid = gettid();
	c->ret = vfio_map(&c->edu->vfio, c->addr, HELD_IOVA, MIB, VFIO_DMA_MAP_FLAG_READ);
	c->done = 1;
	return NULL;
}

/* Until the thread waits for the inode lock to publish a lease, or its call has returned */
static void wait_asleep(struct call *c)
{
	int64_t end = now_ns() + SOON_MS * (int64_t)MS;
	char path[64], stack[4096] = "";

	while (!c->done) {
		CHECK(now_ns() < end, "the call neither waits nor returns: %s", stack);
		snprintf(path, sizeof(path), "/proc/self/task/%d/stack", c->tid);
		if (c->tid && read_text(path, stack, sizeof(stack)) > 0 &&
		    strstr(stack, "dl_acquire_lock_inode"))
			return;
		usleep(1000);
	}
}

/*
 * A write(2) stands still in the middle of a copy on write, since the page that it copies from is not there.
 * It has invalidated the page and not yet moved the block. Whoever leases the block now must get the new one.
 */
static void stalled_write(const struct test *t)
{
	char *path = (char *)path_in(t->dir, "file");
	struct call map = { 0 }, write = { 0 };
	static unsigned char want[PAGE], got[512];
	uint64_t before;
	struct edu e;
	int fd, uffd;

	fd = file_with_preallocation(t, path);
	before = file_physical(fd, 10 * PAGE);
	edu_open(&e);
	write.fd = fd;
	write.addr = stall_page(&uffd);
	CHECK_EQ(pthread_create(&write.thread, NULL, write_page, &write), 0);
	stall_wait(uffd, SOON_MS);

	map.edu = &e;
	map.addr = file_map(fd, 0, MIB);
	CHECK_EQ(pthread_create(&map.thread, NULL, map_for_device, &map), 0);
	wait_asleep(&map);
	CHECK(!map.done, "leased in the middle of a copy on write: %s", ret_name(map.ret));

	pattern_fill(want, PAGE, 2, 0);
	stall_end(uffd, write.addr, want);
	pthread_join(write.thread, NULL);
	CHECK_RET(write.ret, 0);
	pthread_join(map.thread, NULL);
	CHECK_RET(map.ret, 0);
	CHECK(file_physical(fd, 10 * PAGE) != before, "this XFS did not move the block: nothing was shown");
	device_read(&e, HELD_IOVA + 10 * PAGE, got, sizeof(got));
	CHECK(!memcmp(got, want, sizeof(got)), "the device reads the block that the file had before");
}

#define SWAP_BOOT	_IO('f', 17)	/* EXT4_IOC_SWAP_BOOT */

static int run_swap_boot(void *arg)
{
	int fd = CHECK_SYS(open(arg, O_RDWR));

	return ioctl(fd, SWAP_BOOT) ? -errno : 0;
}

static void swap_boot(const struct test *t)
{
	char *path = (char *)path_in(t->dir, "file");
	struct daxlease_acquire a;
	struct daxlease_event ev;
	uint64_t generation;
	struct breaker b;
	struct stat st;
	int ctx, fd;

	fd = file_create(path, 4 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start_fn(&b, run_swap_boot, path, -1);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_SYS(fstat(fd, &st));
	CHECK_EQ(st.st_size, 0, "nothing was swapped");
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS), "leased blocks were swapped unnoticed");
	CHECK(ev.flags & DAXLEASE_FLAG_EMERGENCY);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_REVOKED);
	CHECK(lease_rearm(ctx, a.id, 0, 4 * MIB, &generation) < 0, "re-armed past the end of the file");
	/* Back, so that the filesystem's own inode does not keep the blocks */
	breaker_start_fn(&b, run_swap_boot, path, -1);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);
}

struct exchange_range {		/* XFS_IOC_EXCHANGE_RANGE, ioctl_xfs_exchange_range(2); since Linux 6.10 */
	int32_t file1_fd;
	uint32_t pad;
	uint64_t file1_offset, file2_offset, length, flags;
};

#define EXCHANGE_RANGE	_IOW('X', 129, struct exchange_range)

struct exchange {
	const char *one;
	const char *two;
};

static int run_exchange(void *arg)
{
	struct exchange *x = arg;
	struct exchange_range r = { .length = 2 * MIB };
	int two = CHECK_SYS(open(x->two, O_RDWR));

	r.file1_fd = CHECK_SYS(open(x->one, O_RDWR));
	return ioctl(two, EXCHANGE_RANGE, &r) ? -errno : 0;
}

/* mkfs.xfs of Debian 12 does not know the feature yet: its bit is set afterwards. Not DAX but in one directory */
static void mount_with_exchange(void)
{
	nvdimm_make(1);
	CHECK_EQ(shell("mkfs.xfs -q -f -d su=2m,sw=1,agcount=2 -l size=64m /dev/pmem1 && xfs_db -x -c 'sb 0' -c 'write -d features_incompat 0x4b' "
		       "/dev/pmem1 >/dev/null"), 0);
	nvdimm_mount(1, "xfs", "dax=inode");
	CHECK_EQ(shell("mkdir %s/dax && xfs_io -c 'chattr +x' %s/dax", nvdimm_path(1), nvdimm_path(1)), 0);
}

static int create_in(char *path, size_t size, const char *name, unsigned int seed)
{
	snprintf(path, size, "%s/%s", nvdimm_path(1), name);
	return file_create(path, 4 * MIB, seed);
}

static void exchange_range(const struct test *t)
{
	char leased[256], other[256], plain[256];
	struct exchange x = { other, leased };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	int ctx, fd;

	(void)t;
	mount_with_exchange();
	close(create_in(plain, sizeof(plain), "plain", 3));
	close(create_in(other, sizeof(other), "dax/other", 2));
	fd = create_in(leased, sizeof(leased), "dax/leased", 1);
	ctx = lease_open();

	/* Both on DAX: XFS asks, under the locks of both, about whole files */
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start_fn(&b, run_exchange, &x, -1);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "exchanged unasked");
	CHECK_EQ(ev.reason, DAXLEASE_REASON_LAYOUT);
	CHECK_EQ(ev.hit_length, 4 * MIB);
	CHECK(!breaker_done(&b));
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_PATTERN(fd, 0, 2 * MIB, 2);
	CHECK_PATTERN(fd, 2 * MIB, 2 * MIB, 1);
	CHECK_RET(lease_release(ctx, a.id), 0);

	/* One of them not on DAX: XFS asks nobody */
	x.one = plain;
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start_fn(&b, run_exchange, &x, -1);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_PATTERN(fd, 0, 2 * MIB, 3);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS), "leased blocks were exchanged unnoticed");
	CHECK(ev.flags & DAXLEASE_FLAG_EMERGENCY);
	CHECK_EQ(lease_lost(ctx, a.id), 1, "more was lost than was exchanged");
	CHECK_RET(lease_release(ctx, a.id), 0);
	close(fd);
	close(ctx);
	nvdimm_unmount(1);
}

struct scrub {			/* XFS_IOC_SCRUB_METADATA, ioctl_xfs_scrub_metadata(2) */
	uint32_t type, flags;
	uint64_t ino;
	uint32_t gen, agno;
	uint64_t reserved[5];
};

#define SCRUB		_IOWR('X', 60, struct scrub)
#define SCRUB_BMBTD	12
#define SCRUB_REPAIR	(1U << 0)
#define SCRUB_REBUILD	(1U << 8)

/* The block map of a file is checked, which hurts nobody, and rebuilt */
static void online_repair(const struct test *t)
{
	struct scrub s = { .type = SCRUB_BMBTD };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	int ctx, fd;

	nvdimm_make(1);
	CHECK_EQ(shell("mkfs.xfs -q -f -m rmapbt=1 -d su=2m,sw=1,agcount=2 -l size=64m /dev/pmem1"), 0);
	nvdimm_mount(1, t->fs, "dax=always");
	fd = file_create(path_in(nvdimm_path(1), "file"), 4 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_SYS(ioctl(fd, SCRUB, &s));
	CHECK_EQ(lease_event(ctx, &ev, 0), 0, "a check of the metadata broke a lease");
	s.flags = SCRUB_REPAIR | SCRUB_REBUILD;
	CHECK_SYS(ioctl(fd, SCRUB, &s));
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS), "a leased block map was rebuilt unnoticed");
	CHECK(ev.flags & DAXLEASE_FLAG_EMERGENCY);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_REVOKED);
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);
	CHECK_RET(lease_release(ctx, a.id), 0);
	close(fd);
	close(ctx);
	nvdimm_unmount(1);
}

const struct testcase paths_moved_cases[] = {
	{ "write-behind-preallocation-is-fenced",
	  "a write(2) that moves an unshared leased block is met by the last resort",
	  write_moves_block, ON_XFS | NEEDS_CORE, 60 },
	{ "write-stalled-in-copy-on-write",
	  "who leases a block while a write(2) stands still in moving it gets the block it moves to",
	  stalled_write, ON_XFS | NEEDS_VFIO, 60 },
	{ "swap-boot-is-fenced-at-once",
	  "EXT4_IOC_SWAP_BOOT of a leased file is met by the last resort",
	  swap_boot, ON_EXT4 | NEEDS_CORE, 60 },
	{ "exchange-range-waits-or-is-fenced",
	  "XFS_IOC_EXCHANGE_RANGE waits if both files are on DAX, and is met by the last resort if one is",
	  exchange_range, ON_XFS | NEEDS_CORE, 40 },
	{ "online-repair-is-fenced-at-once",
	  "rebuilding the block map of a leased file by online repair is met by the last resort",
	  online_repair, ON_XFS | NEEDS_CORE | DEBUG_ONLY, 40 },
	{ 0 }
};
