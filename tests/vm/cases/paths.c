// SPDX-License-Identifier: GPL-2.0
/*
 * Every way into the filesystem that frees, moves or shares blocks and asks before it does: each waits for
 * the holder, and tells what it will change. paths_moved.c has those that do not ask.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xfs/xfs.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000
#define SIZE		(4 * MIB)
#define HIT		(1 * MIB)	/* where the operations begin */

#ifndef IORING_OP_FTRUNCATE
#define IORING_OP_FTRUNCATE	55	/* newer than liburing's header */
#endif

static int do_path(const char *path, enum op_kind kind, uint64_t length)
{
	struct op op = { .kind = kind, .path = path, .offset = kind == OP_OPEN_TRUNC ? 0 : HIT, .length = length };

	return op_do(&op);
}

static int by_truncate(const char *path)
{
	return do_path(path, OP_TRUNCATE, 0);
}

static int by_open(const char *path)
{
	return do_path(path, OP_OPEN_TRUNC, 0);
}

static int by_punch(const char *path)
{
	return do_path(path, OP_PUNCH, PAGE);
}

static int by_zero(const char *path)
{
	return do_path(path, OP_ZERO, PAGE);
}

static int by_unshare(const char *path)
{
	return do_path(path, OP_UNSHARE, PAGE);
}

static int by_collapse(const char *path)
{
	return do_path(path, OP_COLLAPSE, MIB);
}

static int by_insert(const char *path)
{
	return do_path(path, OP_INSERT, MIB);
}

/* Of XFS once, of every filesystem since Linux 5.7 */
static int by_ioctl(const char *path, unsigned long cmd)
{
	xfs_flock64_t range = { .l_whence = SEEK_SET, .l_start = HIT, .l_len = PAGE };
	int fd = CHECK_SYS(open(path, O_RDWR));

	return ioctl(fd, cmd, &range) ? -errno : 0;
}

static int by_unresvsp(const char *path)
{
	return by_ioctl(path, XFS_IOC_UNRESVSP64);
}

static int by_zero_ioctl(const char *path)
{
	return by_ioctl(path, XFS_IOC_ZERO_RANGE);
}

static int by_madvise(const char *path)
{
	int fd = CHECK_SYS(open(path, O_RDWR));

	return madvise(file_map(fd, HIT, PAGE), PAGE, MADV_REMOVE) ? -errno : 0;
}

static int by_uring(const char *path, bool truncate)
{
	int fd = CHECK_SYS(open(path, O_RDWR));
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	CHECK_EQ(io_uring_queue_init(1, &ring, 0), 0);
	sqe = io_uring_get_sqe(&ring);
	if (truncate)
		io_uring_prep_rw(IORING_OP_FTRUNCATE, sqe, fd, NULL, 0, HIT);
	else
		io_uring_prep_fallocate(sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, HIT, PAGE);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), 0);
	return cqe->res;
}

static int by_uring_fallocate(const char *path)
{
	return by_uring(path, false);
}

static int by_uring_ftruncate(const char *path)
{
	return by_uring(path, true);
}

/**
 * struct way - one of them
 * @name: for messages
 * @fn: the operation on a path: 0 or -errno
 * @reason: what the event must say
 * @offset: where what it changes begins
 * @length: how much of the lease it changes, clipped to it
 * @xfs: XFS only
 */
struct way {
	const char *name;
	int (*fn)(const char *path);
	enum daxlease_reason reason;
	uint64_t offset;
	uint64_t length;
	bool xfs;
};

static const struct way ways[] = {
	{ "truncate", by_truncate, DAXLEASE_REASON_TRUNCATE, HIT, SIZE - HIT, false },
	{ "O_TRUNC", by_open, DAXLEASE_REASON_TRUNCATE, 0, SIZE, false },
	{ "io_uring ftruncate", by_uring_ftruncate, DAXLEASE_REASON_TRUNCATE, HIT, SIZE - HIT, false },
	{ "punch", by_punch, DAXLEASE_REASON_FALLOCATE, HIT, PAGE, false },
	{ "zero", by_zero, DAXLEASE_REASON_FALLOCATE, HIT, PAGE, false },
	{ "unshare", by_unshare, DAXLEASE_REASON_FALLOCATE, HIT, PAGE, true },
	{ "collapse", by_collapse, DAXLEASE_REASON_FALLOCATE, HIT, SIZE - HIT, false },
	{ "insert", by_insert, DAXLEASE_REASON_FALLOCATE, HIT, SIZE - HIT, false },
	{ "UNRESVSP", by_unresvsp, DAXLEASE_REASON_FALLOCATE, HIT, PAGE, false },
	{ "ZERO_RANGE by ioctl", by_zero_ioctl, DAXLEASE_REASON_FALLOCATE, HIT, PAGE, false },
	{ "MADV_REMOVE", by_madvise, DAXLEASE_REASON_FALLOCATE, HIT, PAGE, false },
	{ "io_uring fallocate", by_uring_fallocate, DAXLEASE_REASON_FALLOCATE, HIT, PAGE, false },
};

struct attempt {
	const struct way *way;
	const char *path;
};

static int make_attempt(void *arg)
{
	const struct attempt *at = arg;

	return at->way->fn(at->path);
}

static void each_way_waits(const struct test *t)
{
	struct op read = { .kind = OP_READ, .path = path_in(t->dir, "file"), .offset = 0, .length = PAGE };
	struct attempt at = { .path = read.path };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	int ctx, fd;

	ctx = lease_open();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const struct way *w = at.way = &ways[i];

		if (w->xfs && strcmp(t->fs, "xfs"))
			continue;
		fd = file_create(at.path, SIZE, 1);
		CHECK_RET(lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
		breaker_start_fn(&b, make_attempt, &at, -1);
		CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "%s asked nobody", w->name);
		CHECK_EQ(ev.reason, w->reason, "%s", w->name);
		CHECK_EQ(ev.flags, 0, "%s", w->name);
		CHECK_EQ(ev.hit_offset, w->offset, "%s", w->name);
		CHECK_EQ(ev.hit_length, w->length, "%s", w->name);
		CHECK_RET(breaker_run(&read, SOON_MS).ret, 0, "%s: read waits for the inode lock", w->name);
		CHECK(!breaker_done(&b), "%s did not wait", w->name);
		CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
		CHECK_RET(breaker_join(&b, SOON_MS).ret, 0, "%s", w->name);
		CHECK_RET(lease_release(ctx, a.id), 0);
		close(fd);
		CHECK_SYS(unlink(at.path));
	}
}

struct remap {
	const char *from;
	const char *to;
	bool dedupe;
};

static int run_remap(void *arg)
{
	struct remap *r = arg;
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} d = { .range = { .src_length = 2 * MIB, .dest_count = 1 } };
	struct file_clone_range c = { .src_length = 2 * MIB };
	int from = CHECK_SYS(open(r->from, O_RDWR)), to = CHECK_SYS(open(r->to, O_RDWR));

	if (r->dedupe) {
		d.info.dest_fd = to;
		return ioctl(from, FIDEDUPERANGE, &d) ? -errno : d.info.status;
	}
	c.src_fd = from;
	return ioctl(to, FICLONERANGE, &c) ? -errno : 0;
}

/*
 * XFS locks the inode with the lower number first, and treats the second one differently. Here either is
 * the source, and either has the lease.
 */
static void both_inode_orders(const struct test *t)
{
	const char *path[2] = { path_in(t->dir, "a"), path_in(t->dir, "b") };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	int ctx, fd[2];

	ctx = lease_open();
	for (int n = 0; n < 8; n++) {
		struct remap r = { .from = path[n & 1], .to = path[!(n & 1)], .dedupe = n & 4 };
		int leased = !!(n & 2);

		for (int i = 0; i < 2; i++)
			fd[i] = file_create(path[i], SIZE, 1);
		CHECK_RET(lease_acquire(ctx, fd[leased], 0, SIZE, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
		breaker_start_fn(&b, run_remap, &r, -1);
		CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "round %d", n);
		CHECK_EQ(ev.reason, DAXLEASE_REASON_REMAP, "round %d", n);
		CHECK_EQ(ev.hit_length, 2 * MIB, "round %d", n);
		CHECK(!breaker_done(&b), "round %d", n);
		CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
		CHECK_RET(breaker_join(&b, SOON_MS).ret, 0, "round %d", n);
		CHECK(file_shared(fd[0], 0, 2 * MIB) && !file_shared(fd[0], 2 * MIB, 2 * MIB), "round %d", n);
		CHECK_EQ(lease_lost(ctx, a.id), 1, "round %d", n);
		CHECK_RET(lease_release(ctx, a.id), 0);
		for (int i = 0; i < 2; i++) {
			close(fd[i]);
			CHECK_SYS(unlink(path[i]));
		}
	}
}

/* The kernel interrupts io_uring's workers and tasks for reasons of its own; only death ends the wait */
static void uring_dies_waiting(const struct test *t)
{
	struct way way = { .fn = by_uring_fallocate };
	struct attempt at = { &way, path_in(t->dir, "file") };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	int ctx, fd;

	fd = file_create(at.path, SIZE, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start_fn(&b, make_attempt, &at, -1);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	breaker_kill(&b, SIGKILL);
	CHECK(breaker_join(&b, SOON_MS).killed);
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
	CHECK_PATTERN(fd, 0, SIZE, 1);
}

const struct testcase paths_cases[] = {
	{ "each-way-in-waits",
	  "each system call that frees or moves blocks tells the holder what it will change, and waits unlocked",
	  each_way_waits, ON_BOTH | NEEDS_CORE, 60 },
	{ "remaps-wait-in-both-inode-orders",
	  "clone and dedupe wait for source and destination, whichever inode XFS locks first",
	  both_inode_orders, ON_XFS | NEEDS_CORE, 60 },
	{ "io-uring-dies-waiting",
	  "a process that waits for a lease through io_uring can be killed, and changes nothing",
	  uring_dies_waiting, ON_ANY | NEEDS_CORE, 0 },
	{ 0 }
};
