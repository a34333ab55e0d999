// SPDX-License-Identifier: GPL-2.0
/* What was lost comes back under a new generation; what listens to everybody; what writes caches back. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
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
	CHECK_RET(lease_rearm(ctx, a.id, 2 * MIB, 6 * MIB, &generation), -EINVAL, "past the end of the file");
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

struct passed {
	int ctx;
	uint64_t id;
};

static int rearm_as_stranger(void *arg)
{
	struct passed *p = arg;
	uint64_t generation;

	CHECK_SYS(setresuid(1000, 1000, 1000));
	return lease_rearm(p->ctx, p->id, 0, 4 * MIB, &generation);
}

/* A context may be passed on; the window through which REARM looks must not open the file to who may not */
static void rearm_by_stranger(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .offset = 0, .length = PAGE };
	struct daxlease_acquire a;
	struct passed p;
	struct breaker b;
	int fd;

	fd = file_create(punch.path, 4 * MIB, 1);
	CHECK_SYS(fchmod(fd, 0600));
	p.ctx = lease_open();
	CHECK_RET(lease_acquire(p.ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, SHORT_GRACE, &a), 0);
	CHECK_RET(breaker_run(&punch, SOON_MS).ret, 0);
	p.id = a.id;
	breaker_start_fn(&b, rearm_as_stranger, &p, p.ctx);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, -EACCES);
	CHECK_EQ(shell("chattr +i %s", punch.path), 0);
	CHECK_RET(lease_rearm(p.ctx, a.id, 0, PAGE, NULL), -EACCES, "nobody may write to it");
	CHECK_EQ(lease_lost(p.ctx, a.id), 1);
	CHECK_EQ(shell("chattr -i %s", punch.path), 0);
	CHECK_RET(lease_rearm(p.ctx, a.id, 0, PAGE, NULL), 0);
}

#define MAPPINGS	32

struct flusher {
	atomic_bool stop;
	uint64_t from;
	int ctx;
	atomic_uint reached;
};

/* Tries every id that a mapping about to be made can get */
static void *flush_ahead(void *arg)
{
	struct flusher *f = arg;

	while (!atomic_load(&f->stop))
		for (uint64_t id = f->from; id < f->from + MAPPINGS; id++)
			atomic_fetch_add(&f->reached, !lease_flush(f->ctx, id, 0, PAGE));
	return NULL;
}

/* An implicit lease can be named before its pages are known */
static void flush_while_acquiring(const struct test *t)
{
	struct flusher f = { .stop = false };
	struct daxlease_acquire a;
	pthread_t thread;
	struct held h;

	held_open(&h, t->dir, 64 * MIB, SHORT_GRACE);
	CHECK_RET(lease_acquire(h.ctx, h.fd, 0, PAGE, DAXLEASE_READ, 0, &a), 0);
	f.ctx = h.ctx;
	f.from = a.id + 1;
	CHECK_EQ(pthread_create(&thread, NULL, flush_ahead, &f), 0);
	for (int i = 0; i < MAPPINGS / 2 || (i < MAPPINGS && !atomic_load(&f.reached)); i++) {
		CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
		CHECK_RET(vfio_map(&h.edu.vfio, h.map, HELD_IOVA, h.size, VFIO_RW), 0);
	}
	atomic_store(&f.stop, true);
	pthread_join(thread, NULL);
	CHECK(atomic_load(&f.reached), "no lease was reached: nothing was shown");
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
	  rearm_lost, ON_ANY | NEEDS_CORE | DEMO, 60 },
	{ "rearm-of-a-revoked-lease",
	  "a revoked lease comes back as far as the file reaches",
	  rearm_revoked, ON_ANY | NEEDS_CORE, 60 },
	{ "rearm-waits-for-the-bar",
	  "what an operation bars cannot be re-armed before it has returned",
	  rearm_barred, ON_ANY | NEEDS_CORE, 60 },
	{ "rearm-needs-access-to-the-file",
	  "REARM through a context that was passed on needs access to the file",
	  rearm_by_stranger, ON_ANY | NEEDS_CORE, 60 },
	{ "flush-while-acquiring",
	  "FLUSH of a lease that is still being acquired does no harm",
	  flush_while_acquiring, ON_ANY | NEEDS_VFIO, 40 },
	{ "flush-reaches-live-granules-only",
	  "FLUSH writes back what is live and refuses what is lost",
	  flush_live, ON_ANY | NEEDS_CORE, 60 },
	{ "watch-all-hears-everybody",
	  "an administrator's watch hears of and acks breaks of any process; a user's is refused",
	  watch_all, ON_ANY | NEEDS_VFIO | DEMO, 40 },
	{ "grace-ends-with-the-watcher",
	  "a break stops waiting when the last watcher closes",
	  watcher_leaves, ON_ANY | NEEDS_VFIO, 40 },
	{ 0 }
};
