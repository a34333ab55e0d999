// SPDX-License-Identifier: GPL-2.0
/*
 * A break, from both sides: a thread that punches a hole, and this one, which holds the lease, waits in poll()
 * and gives way at once.
 */
#include "bench.h"
#include "module/dl_bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SIZE	(4 * MIB)

/**
 * struct breaker_thread - the other side
 * @fd: the file
 * @go: eventfd: punch once
 * @done: eventfd: it has returned
 * @signal: eventfd for dl_bench.ko to signal instead, or -1
 * @dev: /dev/dl_bench
 * @start: when the call began
 * @end: when it returned
 * @signalled: what dl_bench.ko says
 */
struct breaker_thread {
	int fd;
	int go;
	int done;
	int signal;
	int dev;
	uint64_t start;
	uint64_t end;
	uint64_t signalled;
};

static void post(int fd)
{
	uint64_t one = 1;

	CHECK_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

static void await(int fd)
{
	uint64_t n;

	CHECK(wait_readable(fd, 30000));
	CHECK_EQ(read(fd, &n, sizeof(n)), sizeof(n));
}

static void punch(int fd)
{
	CHECK_SYS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, PAGE));
}

static void *breaker(void *arg)
{
	struct breaker_thread *t = arg;

	for (;;) {
		await(t->go);
		t->start = meter();
		if (t->signal >= 0) {
			t->signalled = t->signal;
			CHECK_SYS(ioctl(t->dev, DL_BENCH_SIGNAL, &t->signalled));
		} else {
			punch(t->fd);
		}
		t->end = meter();
		post(t->done);
	}
	return NULL;
}

/* Refill the hole, and lease it again */
static void mend(int ctx, int fd, uint64_t id)
{
	static char block[PAGE];
	struct daxlease_event ev;
	int ret;

	CHECK(lease_wait(ctx, id, DAXLEASE_EVENT_CLEARED, &ev, 10000));
	CHECK_EQ(pwrite(fd, block, PAGE, MIB), PAGE);
	ret = lease_rearm(ctx, id, 0, SIZE, NULL);
	CHECK_RET(ret, 0);
}

static void cooperative(const struct bench *b, struct breaker_thread *t, int ctx, uint64_t id)
{
	struct daxlease_event ev;
	uint64_t seen, given;
	int64_t now;

	for (unsigned int i = 0; i < b->reps + 1; i++) {
		post(t->go);
		CHECK(wait_readable(ctx, 10000));
		now = now_ns();
		seen = meter();
		CHECK(lease_wait(ctx, id, DAXLEASE_EVENT_BREAK, &ev, 10000));
		CHECK(!(ev.flags & DAXLEASE_FLAG_NO_GRACE), "no grace: that is another measurement");
		given = meter();
		CHECK_RET(lease_ack(ctx, id, ev.generation, ev.break_id), 0);
		await(t->done);
		mend(ctx, t->fd, id);
		if (!i)
			continue;
		sample("notice", "break event", now - (int64_t)ev.time_ns, 1);
		sample("cooperative break", "lease", t->end - t->start, 1);
		sample("cooperative break", "of it notice", seen - t->start, 1);
		sample("cooperative break", "of it holder", given - seen, 1);
		sample("cooperative break", "of it fence, wake, punch", t->end - given, 1);
	}
}

static void alone(const struct bench *b, int fd)
{
	static char block[PAGE];
	uint64_t t;

	for (unsigned int i = 0; i < b->reps + 1; i++) {
		t = meter();
		punch(fd);
		if (i)
			sample("cooperative break", "no lease", meter() - t, 1);
		CHECK_EQ(pwrite(fd, block, PAGE, MIB), PAGE);
	}
}

static void eventfd_notice(const struct bench *b, struct breaker_thread *t)
{
	int64_t now;

	t->signal = CHECK_SYS(eventfd(0, EFD_CLOEXEC));
	for (unsigned int i = 0; i < b->reps + 1; i++) {
		post(t->go);
		CHECK(wait_readable(t->signal, 10000));
		now = now_ns();
		await(t->signal);
		await(t->done);
		if (i)
			sample("notice", "eventfd", now - (int64_t)t->signalled, 1);
	}
}

void bench_break(const struct bench *b)
{
	struct breaker_thread t = { .signal = -1 };
	struct daxlease_acquire a;
	int ctx = lease_open();
	pthread_t thread;

	t.fd = file_create(path_in(b->dir, "broken"), SIZE, 3);
	t.go = CHECK_SYS(eventfd(0, EFD_CLOEXEC));
	t.done = CHECK_SYS(eventfd(0, EFD_CLOEXEC));
	t.dev = CHECK_SYS(open("/dev/dl_bench", O_RDWR | O_CLOEXEC));
	CHECK_EQ(pthread_create(&thread, NULL, breaker, &t), 0);
	alone(b, t.fd);
	CHECK_RET(lease_acquire(ctx, t.fd, 0, SIZE, DAXLEASE_WRITE, 1000 * MS, &a), 0);
	cooperative(b, &t, ctx, a.id);
	CHECK_RET(lease_release(ctx, a.id), 0);
	eventfd_notice(b, &t);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	close(ctx);
	close(t.fd);
}
