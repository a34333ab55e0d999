// SPDX-License-Identifier: GPL-2.0
/*
 * Holders who mean ill: how long they can make others wait. R is the longest grace that they may ask for. What is
 * asserted is the arithmetic of the events' own times; what it feels like is told, not asserted.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"
#include "param.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLDER		1000
#define VICTIM		1001
#define SHORT_R_MS	200
#define R_MS		1000
#define ROUNDS		20
#define FILES		6
#define JOINS		5
#define TRIES		(4 * JOINS)
#define LEASES		1000
#define LONG_GRACE	(25000 * MS)
#define SOON_MS		20000

/* What breaks have let others wait */
struct waits {
	uint64_t sum, first, last;
	unsigned int nr, without;
};

static void add_wait(struct waits *w, const struct daxlease_event *ev)
{
	if (!w->nr++)
		w->first = ev->time_ns;
	w->last = ev->time_ns;
	w->sum += ev->deadline_ns - ev->time_ns;
	w->without += !!(ev->flags & DAXLEASE_FLAG_NO_GRACE);
}

static unsigned long long in_us(uint64_t ns)
{
	return ns / 1000;
}

/* Less than 2 R, and a tenth of the time: the bound that Documentation.md states */
static void check_bound(const struct waits *w, uint64_t r)
{
	CHECK(w->sum >= r, "the first of them had no grace");
	CHECK(w->without, "none of %u breaks found the budget spent", w->nr);
	CHECK(w->sum < 2 * r + (w->last - w->first) / 10, "%u breaks gave %llu us of grace in %llu us", w->nr,
	      in_us(w->sum), in_us(w->last - w->first));
}

static uint64_t acquire_as_holder(int ctx, int fd, uint64_t grace)
{
	struct daxlease_acquire a;

	act_as(HOLDER);
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, DAXLEASE_WRITE, grace, &a), 0);
	act_as(0);
	return a.id;
}

/* One file: it is leased again at once after each break, and nothing of the holder's is left in between */
static void leases_again(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .length = PAGE };
	int fd = file_create(op.path, 2 * MIB, 1), ctx;
	struct waits w = { 0 };
	struct daxlease_event ev;
	uint64_t id;

	param_set("grace_max_ms", SHORT_R_MS);
	CHECK_SYS(fchown(fd, HOLDER, HOLDER));
	for (int i = 0; i < ROUNDS; i++) {
		ctx = lease_open();
		id = acquire_as_holder(ctx, fd, SHORT_R_MS * MS);
		CHECK_RET(op_do(&op), 0);
		CHECK(lease_wait(ctx, id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
		CHECK(ev.bits & DAXLEASE_EVENT_FENCED, "the operation was over before the fence");
		add_wait(&w, &ev);
		close(ctx);
	}
	param_reset();
	check_bound(&w, SHORT_R_MS * MS);
	story("%d punches of a file that is leased again after each, R = %d ms: %llu ms of grace in all, %u had none",
	      ROUNDS, SHORT_R_MS, w.sum / MS, w.without);
}

static const char *numbered(const char *dir, const char *name, int n)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%d", name, n);
	return path_in(dir, text);
}

static int64_t took(struct breaker *b)
{
	struct breaker_result r = breaker_join(b, SOON_MS);

	CHECK_RET(r.ret, 0);
	return r.end_ns - r.start_ns;
}

/* So that the figure means something: until @b sleeps in the kernel, or who it queues behind is done */
static void wait_queued(const struct breaker *b, const struct breaker *behind)
{
	char path[64], text[512], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", b->pid);
	while (!breaker_done(behind)) {
		at = read_text(path, text, sizeof(text)) > 0 ? strrchr(text, ')') : NULL;
		if (at && at[2] == 'D')
			break;
		sched_yield();
	}
}

/* /run/ovl with the directory of the case, in which everybody may create, as its upper one; of this process alone */
static void mount_overlay(const struct test *t)
{
	CHECK_SYS(unshare(CLONE_NEWNS));
	CHECK_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK_EQ(shell("cd '%s' && mkdir -m 777 -p /run/ovl /run/low up work && chmod 777 . && "
		       "mount -t overlay -o lowerdir=/run/low,upperdir=up,workdir=work o /run/ovl", t->dir), 0);
}

/*
 * Many files: overlayfs truncates with the inode lock held, an unlink queues for it with the lock of the directory,
 * and whoever creates a file there queues behind that.
 */
static void queue_behind_locks(const struct test *t)
{
	struct op truncate = { .kind = OP_TRUNCATE }, unlink = { .kind = OP_UNLINK, .uid = HOLDER };
	struct op create = { .kind = OP_CREATE, .uid = VICTIM };
	struct breaker breaker, unlinker, victim;
	int64_t one, longest = 0, sum = 0;
	struct waits w = { 0 };
	struct daxlease_event ev;
	int ctx = lease_open(), fd;
	uint64_t id;

	mount_overlay(t);
	param_set("grace_max_ms", R_MS);
	for (int i = 0; i < FILES; i++) {
		fd = file_create(numbered(t->dir, "up/file", i), 2 * MIB, 1);
		CHECK_SYS(fchown(fd, HOLDER, HOLDER));
		id = acquire_as_holder(ctx, fd, R_MS * MS);
		truncate.path = numbered("/run/ovl", "file", i);
		unlink.path = numbered(t->dir, "up/file", i);
		create.path = numbered(t->dir, "up/new", i);
		breaker_start(&breaker, &truncate);
		CHECK(lease_wait(ctx, id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
		CHECK_EQ(ev.reason, DAXLEASE_REASON_LAYOUT);
		add_wait(&w, &ev);
		breaker_start(&unlinker, &unlink);
		wait_queued(&unlinker, &breaker);
		breaker_start(&victim, &create);
		one = took(&victim);
		longest = one > longest ? one : longest;
		sum += one;
		took(&unlinker);
		took(&breaker);
		CHECK_RET(lease_release(ctx, id), 0);
		close(fd);
	}
	param_reset();
	CHECK_SYS(umount("/run/ovl"));
	check_bound(&w, R_MS * MS);
	story("%d files of one user truncated under their inode locks, R = %d ms: %llu ms of grace in all", FILES, R_MS,
	      w.sum / MS);
	story("another user's creates in the same directory took %.1f ms at most, %.1f ms together", longest / 1e6, sum / 1e6);
}

/* A truncate that stands ready before there is a break, so that it comes soon after its beginning */
struct joiner {
	struct op op;
	int go[2];
};

static int join_when_told(void *arg)
{
	struct joiner *j = arg;
	char byte;

	return read(j->go[0], &byte, 1) == 1 ? op_do(&j->op) : -EPIPE;
}

/* An early wait for a lease, and then somebody who holds the inode lock joins it: the process may even be the same */
static void joined_with_lock(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .length = PAGE };
	struct joiner truncate = { .op.kind = OP_TRUNCATE };
	struct breaker breaker, joiner;
	struct waits w = { 0 };
	struct daxlease_event ev, ev2;
	int ctx = lease_open(), fd;
	uint64_t id, left = 0;

	mount_overlay(t);
	param_set("grace_max_ms", R_MS);
	for (int i = 0; w.nr < JOINS; i++) {
		CHECK(i < TRIES, "who joins comes too late, again and again");
		fd = file_create(numbered(t->dir, "up/file", i), 2 * MIB, 1);
		CHECK_SYS(fchown(fd, HOLDER, HOLDER));
		id = acquire_as_holder(ctx, fd, R_MS * MS);
		punch.path = numbered(t->dir, "up/file", i);
		truncate.op.path = numbered("/run/ovl", "file", i);
		CHECK_SYS(pipe2(truncate.go, O_CLOEXEC));
		breaker_start_fn(&joiner, join_when_told, &truncate, truncate.go[0]);
		breaker_start(&breaker, &punch);
		CHECK(lease_wait(ctx, id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
		CHECK_EQ(ev.flags, 0, "a file of its own has a budget of its own");
		CHECK_EQ(write(truncate.go[1], "", 1), 1);
		/* On a slow machine the grace may be over before it comes */
		CHECK(lease_wait(ctx, id, DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED, &ev2, SOON_MS));
		if (ev2.bits & DAXLEASE_EVENT_BREAK) {
			if (ev2.deadline_ns > ev2.time_ns && !(ev2.flags & DAXLEASE_FLAG_NO_GRACE))
				left += ev2.deadline_ns - ev2.time_ns;
			if (!w.nr++)
				w.first = ev2.time_ns;
			w.last = ev2.time_ns;
		}
		took(&breaker);
		took(&joiner);
		CHECK_RET(lease_release(ctx, id), 0);
		close(fd);
		close(truncate.go[0]);
		close(truncate.go[1]);
	}
	param_reset();
	CHECK_SYS(umount("/run/ovl"));
	CHECK(left < 2 * R_MS * MS + (w.last - w.first) / 10, "who joined with a lock waited %llu ms in %llu",
	      left / MS, (w.last - w.first) / MS);
	story("%d breaks joined by who holds an inode lock: %llu ms of grace left to them in all", JOINS, left / MS);
}

static uint64_t ids[LEASES];

static uint64_t staggered_grace(int i)
{
	return i == LEASES - 1 ? LONG_GRACE : (i + 1) * MS;
}

/* The next event, of which every first one of a lease must have its whole grace; returns which lease's */
static int next_staggered(int ctx, struct daxlease_event *ev)
{
	static bool told[LEASES];
	int i = 0;

	CHECK_EQ(lease_event(ctx, ev, SOON_MS), 1);
	while (ids[i] != ev->id)
		CHECK(++i < LEASES);
	if (!told[i])
		CHECK_EQ(ev->deadline_ns - ev->time_ns, staggered_grace(i), "lease %d", i);
	told[i] = true;
	return i;
}

/* How long others' operations in the same directory take at most */
static double longest_create(const struct test *t)
{
	struct op create = { .kind = OP_CREATE, .uid = VICTIM };
	int64_t one, longest = 0;
	struct breaker b;

	CHECK_SYS(chmod(t->dir, 0777));
	for (int i = 0; i < 10; i++) {
		create.path = numbered(t->dir, "other", i);
		breaker_start(&b, &create);
		one = took(&b);
		longest = one > longest ? one : longest;
	}
	return longest / 1e6;
}

/*
 * A thousand leases whose graces end one after the other, and three truncates, each of more of the file. The last
 * page's holder has a grace that nobody sees the end of: meanwhile the bar must hold.
 */
static void staggered(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .path = path_in(t->dir, "file") };
	int fd = file_create(op.path, LEASES * PAGE, 1), ctx = lease_open();
	struct daxlease_acquire a;
	struct daxlease_event ev;
	unsigned int left = 0;
	struct breaker b[3];
	double longest;

	for (int i = 0; i < LEASES; i++) {
		CHECK_RET(lease_acquire(ctx, fd, i * PAGE, PAGE, DAXLEASE_READ, staggered_grace(i), &a), 0, "lease %d", i);
		ids[i] = a.id;
	}
	for (int i = 0; i < 3; i++) {
		op.offset = (2 - i) * LEASES / 3 * PAGE;
		breaker_start(&b[i], &op);
		while (next_staggered(ctx, &ev) != LEASES - 1)
			;
		CHECK(ev.bits & DAXLEASE_EVENT_BREAK);
	}
	longest = longest_create(t);
	for (int i = 0; i < LEASES; i += 100)
		CHECK_RET(lease_acquire(ctx, fd, i * PAGE, PAGE, DAXLEASE_READ, 0, NULL), -EAGAIN, "page %d is not barred", i);
	for (int i = 0; i < 3; i++)
		CHECK(!breaker_done(&b[i]));
	CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RET(breaker_join(&b[i], SOON_MS).ret, 0);
	while (lease_event(ctx, &ev, 0) == 1)
		left += (ev.bits & (DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED)) == DAXLEASE_EVENT_BREAK;
	CHECK_EQ(left, 0, "the truncates are over, and leases are not fenced");
	for (int i = 0; i < LEASES; i++)
		CHECK_EQ(lease_state(ctx, ids[i]), DAXLEASE_REVOKED, "lease %d", i);
	story("%d leases broken by three truncates; meanwhile creates of others next to the file took %.1f ms at most",
	      LEASES, longest);
}

#define STORM_LEASES	4
#define STORM_PUNCHES	16
#define STORM_BREAKS	1000

/*
 * Breakers at once and breaks without end, against a holder that does not read: what waits for it is one record a
 * lease, which tells of everything, and after it gave way one that says so.
 */
static void storm(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .length = PAGE };
	int fd = file_create(op.path, STORM_LEASES * 2 * MIB, 1), ctx = lease_open(), by_hand = lease_open();
	static struct breaker b[STORM_PUNCHES];
	struct daxlease_event ev[STORM_LEASES];
	struct daxlease_acquire a;
	uint64_t hit;

	for (int i = 0; i < STORM_LEASES; i++)
		CHECK_RET(lease_acquire(ctx, fd, i * 2 * MIB, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	for (int i = 0; i < STORM_PUNCHES; i++) {
		op.offset = i * (STORM_LEASES * 2 * MIB / STORM_PUNCHES);
		breaker_start(&b[i], &op);
	}
	for (int i = 0; i < STORM_BREAKS; i++)
		CHECK_RET(lease_break(by_hand, fd, i % (STORM_LEASES * 512) * PAGE, PAGE, NULL), 0);
	/* Both ends of each, so that the record tells of the whole lease */
	for (int i = 0; i < STORM_LEASES; i++) {
		CHECK_RET(lease_break(by_hand, fd, i * 2 * MIB, PAGE, NULL), 0);
		CHECK_RET(lease_break(by_hand, fd, (i + 1) * 2 * MIB - PAGE, PAGE, NULL), 0);
	}
	for (int i = 0; i < STORM_LEASES; i++) {
		CHECK_EQ(lease_event(ctx, &ev[i], SOON_MS), 1);
		CHECK_EQ(ev[i].bits, DAXLEASE_EVENT_BREAK);
		CHECK_EQ(ev[i].flags, DAXLEASE_FLAG_JOINED);
		CHECK_EQ(ev[i].hit_length, 2 * MIB, "the record tells of a part only");
		CHECK_EQ(ev[i].deadline_ns, ev[i].time_ns + LONG_GRACE, "somebody has moved the deadline");
	}
	CHECK_EQ(lease_count(), STORM_LEASES);
	for (int i = 0; i < STORM_PUNCHES; i++)
		CHECK(!breaker_done(&b[i]), "punch %d did not wait", i);
	for (int i = 0; i < STORM_LEASES; i++)
		CHECK_RET(lease_ack(ctx, ev[i].id, ev[i].generation, ev[i].break_id), 0);
	for (int i = 0; i < STORM_PUNCHES; i++)
		CHECK_RET(breaker_join(&b[i], SOON_MS).ret, 0);
	hit = 0;
	for (int i = 0; i < STORM_LEASES; i++) {
		CHECK_EQ(lease_event(ctx, &ev[i], SOON_MS), 1, "the holder does not hear the end");
		CHECK(ev[i].bits & DAXLEASE_EVENT_REVOKED);
		hit |= ev[i].bits;
	}
	CHECK(hit & DAXLEASE_EVENT_CLEARED);
	CHECK_EQ(lease_event(ctx, &ev[0], 0), 0, "there are more records than leases");
}

const struct testcase fair_cases[] = {
	{ "leasing-again-is-bounded",
	  "a holder that leases again after each break makes the file's operations wait no longer than its budget",
	  leases_again, ON_ANY | NEEDS_CORE, 0 },
	{ "queues-behind-inode-locks-are-bounded",
	  "a user with many files makes those who queue behind inode locks wait no longer than one budget",
	  queue_behind_locks, ON_ANY | NEEDS_CORE, 60 },
	{ "joining-with-a-lock-pays",
	  "nor does joining a break that began without the lock",
	  joined_with_lock, ON_EXT4 | NEEDS_CORE, 60 },
	{ "staggered-leases-hold-one-grace",
	  "a thousand leases with staggered deadlines and a chain of truncates: each has its grace, the range stays barred",
	  staggered, ON_XFS | NEEDS_CORE | STOCK_ONLY, 120 },
	{ "break-storm-is-one-record",
	  "a holder that does not read has one record a lease, whatever number of breaks, and hears the end",
	  storm, ON_XFS | NEEDS_CORE | STOCK_ONLY, 60 },
	{ 0 }
};
