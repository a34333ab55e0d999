// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring carries operations out in workers that nobody may be left to wait for: what becomes of one that waits for a
 * holder when it is cancelled, when its ring is closed, when its submitter goes.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"
#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000
#define SIZE		(4 * MIB)
#define PUNCH		1	/* user data */
#define CANCEL		2

struct submitter {
	const char *path;
	int (*then)(struct io_uring *ring);	/* once the punch waits */
	int go[2];
};

static int submit(void *arg)
{
	struct submitter *s = arg;
	int fd = CHECK_SYS(open(s->path, O_RDWR | O_CLOEXEC));
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char c;

	CHECK_EQ(io_uring_queue_init(4, &ring, 0), 0);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_fallocate(sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE);
	sqe->user_data = PUNCH;
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(read(s->go[0], &c, 1), 1);
	return s->then(&ring);
}

static int result_of(struct io_uring *ring, uint64_t what)
{
	struct io_uring_cqe *cqe;
	int res;

	CHECK_EQ(io_uring_wait_cqe(ring, &cqe), 0);
	CHECK_EQ(cqe->user_data, what);
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

/* An operation that runs is not interrupted, so nothing of it is half done; the holder gives way, and it goes on */
static int cancel(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_cancel64(sqe, PUNCH, 0);
	sqe->user_data = CANCEL;
	CHECK_EQ(io_uring_submit(ring), 1);
	CHECK_RET(result_of(ring, CANCEL), -EALREADY);
	return 0;
}

static int cancel_and_wait(struct io_uring *ring)
{
	CHECK_RET(cancel(ring), 0);
	return result_of(ring, PUNCH);
}

static int close_ring(struct io_uring *ring)
{
	io_uring_queue_exit(ring);
	return 0;
}

static int just_exit(struct io_uring *ring)
{
	(void)ring;
	return 0;
}

/* Starts the submitter, and lets it go on when its punch waits */
static void start(struct breaker *b, struct submitter *s, int ctx, struct daxlease_event *ev)
{
	CHECK_SYS(pipe(s->go));
	breaker_start_fn(b, submit, s, s->go[0]);
	CHECK(lease_wait(ctx, 0, DAXLEASE_EVENT_BREAK, ev, SOON_MS), "no break event");
	CHECK_EQ(write(s->go[1], "x", 1), 1);
	close(s->go[0]);
	close(s->go[1]);
}

static void ring_goes(const struct test *t)
{
	struct submitter s = { .path = path_in(t->dir, "file") };
	int fd = file_create(s.path, SIZE, 1), ctx = lease_open();
	struct daxlease_event ev;
	struct breaker b;

	/* cancelled: it cannot be, and comes to its end */
	CHECK_RET(lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_WRITE, LONG_GRACE, NULL), 0);
	s.then = cancel_and_wait;
	start(&b, &s, ctx, &ev);
	CHECK(!breaker_done(&b));
	CHECK_PATTERN(fd, 0, SIZE, 1);
	CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_EQ(file_differs_from_byte(fd, 0, SIZE, 0), -1);
	CHECK(lease_wait(ctx, ev.id, DAXLEASE_EVENT_CLEARED, &ev, SOON_MS));
	CHECK_RET(lease_release(ctx, ev.id), 0);

	/* the ring is closed, or the submitter exits: its workers die with it, and the file is as it was */
	for (int i = 0; i < 2; i++) {
		CHECK_SYS(close(fd));
		CHECK_SYS(unlink(s.path));
		fd = file_create(s.path, SIZE, 1);
		CHECK_RET(lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_WRITE, LONG_GRACE, NULL), 0);
		s.then = i ? just_exit : close_ring;
		start(&b, &s, ctx, &ev);
		CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
		CHECK(now_ns() < (int64_t)ev.deadline_ns, "the submitter could not go before the deadline");
		CHECK_PATTERN(fd, 0, SIZE, 1);
		CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
		CHECK(lease_wait(ctx, ev.id, DAXLEASE_EVENT_CLEARED, &ev, SOON_MS), "something bars the range for ever");
		CHECK_RET(lease_release(ctx, ev.id), 0);
		CHECK_RET(lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_WRITE, 0, NULL), 0);
		close(ctx);
		ctx = lease_open();
	}
	close(ctx);
	CHECK(!modules_unload(), "the module cannot be unloaded: %s", modules_unload());
}

const struct testcase uring_cases[] = {
	{ "io-uring-ring-goes-while-waiting",
	  "an operation of io_uring that waits outlives its cancellation, not its submitter, and leaves nothing behind",
	  ring_goes, ON_ANY | NEEDS_CORE, 60 },
	{ 0 }
};
