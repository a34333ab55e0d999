// SPDX-License-Identifier: GPL-2.0
/* What was lost comes back under a new generation; what listens to everybody; what writes caches back. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SHORT_GRACE	(100 * MS)
#define SOON_MS		10000

static void rearm_lost(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .offset = 2 * MIB, .length = PAGE };
	struct daxlease_event ev, old;
	struct daxlease_acquire a;
	uint64_t generation;
	struct breaker b;
	int ctx, fd;

	fd = file_create(punch.path, 8 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 8 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start(&b, &punch);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &old, SOON_MS));
	CHECK_RET(lease_rearm(ctx, a.id, 0, 8 * MIB, &generation), 0, "nothing is lost yet");
	CHECK_EQ(generation, 1);
	CHECK_RET(lease_ack(ctx, a.id, 1, old.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_CLEARED, &ev, SOON_MS));
	CHECK_EQ(lease_lost(ctx, a.id), 1);

	CHECK_RET(lease_rearm(ctx, a.id, 0, 2 * MIB, &generation), 0, "a range without losses");
	CHECK_EQ(generation, 1);
	CHECK_RET(lease_rearm(ctx, a.id, 3 * MIB, PAGE, &generation), 0, "any page names its granule");
	CHECK_EQ(generation, 2);
	CHECK_EQ(lease_lost(ctx, a.id), 0);
	CHECK_RET(lease_ack(ctx, a.id, 1, old.break_id), -ESTALE, "a break of an old generation");
	CHECK_EQ(file_differs_from_byte(fd, 2 * MIB, PAGE, 0), -1);
	CHECK_PATTERN(fd, 2 * MIB + PAGE, 6 * MIB - PAGE, 1);

	/* It is as breakable as before */
	breaker_start(&b, &punch);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(ev.generation, 2);
	CHECK(!breaker_done(&b));
	CHECK_RET(lease_ack(ctx, a.id, 2, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
}

static void rearm_revoked(const struct test *t)
{
	struct op truncate = { .kind = OP_TRUNCATE, .path = path_in(t->dir, "file"), .offset = 2 * MIB };
	struct daxlease_acquire a;
	uint64_t generation;
	int ctx, fd;

	fd = file_create(truncate.path, 8 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 2 * MIB, 6 * MIB, DAXLEASE_WRITE, SHORT_GRACE, &a), 0);
	CHECK_RET(breaker_run(&truncate, SOON_MS).ret, 0);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_REVOKED);
	CHECK_RET(lease_rearm(ctx, a.id, 2 * MIB, 6 * MIB, &generation), -EFAULT, "past the end of the file");
	CHECK_SYS(ftruncate(fd, 6 * MIB));
	CHECK_RET(lease_rearm(ctx, a.id, 2 * MIB, 4 * MIB, &generation), 0);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_ACTIVE);
	CHECK_EQ(lease_lost(ctx, a.id), 1);
	CHECK(lease_granule_lost(ctx, a.id, 2));
	CHECK_RET(lease_rearm(ctx, a.id, 0, 2 * MIB, &generation), -EINVAL, "outside the lease");
	CHECK_RET(lease_rearm(ctx, a.id, 2 * MIB, 100, &generation), -EINVAL);
	CHECK_RET(lease_rearm(ctx, a.id + 1, 2 * MIB, PAGE, &generation), -ENOENT);
}

static void rearm_barred(const struct test *t)
{
	struct op first = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .offset = 0, .length = 4 * MIB };
	struct daxlease_acquire a, other;
	struct daxlease_event ev;
	uint64_t generation;
	struct breaker b;
	int ctx, fd;

	/* The operation waits for the second lease while the first is lost already */
	fd = file_create(first.path, 4 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_RET(lease_acquire(ctx, fd, 2 * MIB, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &other), 0);
	breaker_start(&b, &first);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_RET(lease_ack(ctx, a.id, 1, ev.break_id), 0);
	CHECK_RET(lease_rearm(ctx, a.id, 0, 2 * MIB, &generation), -EAGAIN, "a barred range came back");
	CHECK(!breaker_done(&b));
	CHECK_RET(lease_release(ctx, other.id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_RET(lease_rearm(ctx, a.id, 0, 2 * MIB, &generation), 0);
}

static void flush_live(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .offset = 2 * MIB, .length = PAGE };
	struct daxlease_acquire a;
	int ctx, fd;

	fd = file_create(punch.path, 8 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 8 * MIB, DAXLEASE_WRITE, SHORT_GRACE, &a), 0);
	CHECK_RET(lease_flush(ctx, a.id, 0, 8 * MIB), 0);
	CHECK_RET(lease_flush(ctx, a.id, 0, 16 * MIB), -EINVAL);
	CHECK_RET(lease_flush(ctx, a.id, 1, PAGE), -EINVAL);
	CHECK_RET(breaker_run(&punch, SOON_MS).ret, 0);
	CHECK_RET(lease_flush(ctx, a.id, 2 * MIB, PAGE), -ESTALE, "what is lost");
	CHECK_RET(lease_flush(ctx, a.id, 4 * MIB, 4 * MIB), 0);
}

static int hold_unwatched(void *arg)
{
	int *pipe_end = arg;
	struct held h;

	held_open(&h, "/mnt/dax/watch-all-hears-everybody", 4 * MIB, 0);
	CHECK_EQ(write(*pipe_end, "x", 1), 1);
	pause();
	return 0;
}

static int all_as_user(void *arg)
{
	int ctx = *(int *)arg;

	CHECK_SYS(setresuid(1000, 1000, 1000));
	return lease_watch(ctx, -1, DAXLEASE_WATCH_ALL, 0);
}

static void watch_all(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .path = path_in(t->dir, "held"), .offset = 0, .length = PAGE };
	struct breaker holder, b;
	struct daxlease_event ev;
	int pipefd[2], ctx;
	char c;

	ctx = lease_open();
	CHECK_RET(lease_watch(ctx, 0, DAXLEASE_WATCH_ALL, 0), -EINVAL);
	breaker_start_fn(&b, all_as_user, &ctx, ctx);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, -EPERM);
	CHECK_RET(lease_watch(ctx, -1, DAXLEASE_WATCH_ALL, LONG_GRACE), 0);
	CHECK_RET(lease_watch(ctx, -1, DAXLEASE_WATCH_ALL, LONG_GRACE), -EEXIST);
	CHECK_SYS(pipe(pipefd));
	breaker_start_fn(&holder, hold_unwatched, &pipefd[1], pipefd[1]);
	CHECK_EQ(read(pipefd[0], &c, 1), 1);
	breaker_start(&b, &punch);
	CHECK(lease_wait(ctx, 0, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "a break of another process");
	CHECK(!breaker_done(&b));
	CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	breaker_kill(&holder, 9);
	breaker_join(&holder, SOON_MS);
}

/* Nobody is left to use the grace: the break does not wait for it */
static void watcher_leaves(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .offset = 0, .length = PAGE };
	struct breaker_result result;
	struct daxlease_event ev;
	struct breaker b;
	struct held h;

	held_open(&h, t->dir, 4 * MIB, LONG_GRACE);
	punch.path = h.path;
	breaker_start(&b, &punch);
	CHECK(lease_wait(h.ctx, h.lease, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK(!breaker_done(&b));
	close(h.ctx);
	result = breaker_join(&b, SOON_MS);
	CHECK_RET(result.ret, 0);
	CHECK(result.end_ns < (int64_t)ev.deadline_ns, "it waited for a watcher that had left");
}

const struct testcase rearm_cases[] = {
	{ "rearm-brings-lost-granules-back",
	  "a lost granule comes back under a new generation, and the old one is refused",
	  rearm_lost, ON_ANY | NEEDS_CORE, 30 },
	{ "rearm-of-a-revoked-lease",
	  "a revoked lease comes back as far as the file reaches",
	  rearm_revoked, ON_ANY | NEEDS_CORE, 30 },
	{ "rearm-waits-for-the-bar",
	  "what an operation bars cannot be re-armed before it has returned",
	  rearm_barred, ON_ANY | NEEDS_CORE, 30 },
	{ "flush-reaches-live-granules-only",
	  "FLUSH writes back what is live and refuses what is lost",
	  flush_live, ON_ANY | NEEDS_CORE, 30 },
	{ "watch-all-hears-everybody",
	  "an administrator's watch hears of and acks breaks of any process; a user's is refused",
	  watch_all, ON_ANY | NEEDS_VFIO, 40 },
	{ "grace-ends-with-the-watcher",
	  "a break stops waiting when the last watcher closes",
	  watcher_leaves, ON_ANY | NEEDS_VFIO, 40 },
	{ 0 }
};
