// SPDX-License-Identifier: GPL-2.0
/* As many leases as one user may have, on one page, and one operation that breaks them all. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"
#include "param.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLDER		1000
#define VICTIM		1001
#define GRACE		(1000 * MS)
#define SOON_MS		60000
#define OPERATIONS	200	/* of the other user, before the break */
#define SOME		8192	/* leases, in a run of all cases; else what the module allows */

/**
 * struct others - another user's operations in the same filesystem
 * @breaking: the break has begun
 * @stop: it is over
 * @nr: operations, before and after @breaking
 * @longest: the longest of each, ns
 */
struct others {
	atomic_bool breaking, stop;
	atomic_uint nr[2];
	int64_t longest[2];
};

/* A file of his own is made, written, cut, and unlinked */
static void create_and_cut(const char *path)
{
	int fd = CHECK_SYS(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	CHECK_EQ(write(fd, path, 1), 1);
	CHECK_SYS(ftruncate(fd, 0));
	close(fd);
	CHECK_SYS(unlink(path));
}

static void go_on(struct others *o, const char *path)
{
	int64_t start, took;
	bool during;

	act_as(VICTIM);
	while (!o->stop) {
		during = o->breaking;
		start = now_ns();
		create_and_cut(path);
		took = now_ns() - start;
		if (took > o->longest[during])
			o->longest[during] = took;
		atomic_fetch_add(&o->nr[during], 1);
	}
}

static void all_of_a_user(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .length = PAGE };
	struct others *o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = file_create(punch.path, 2 * MIB, 1), ctx = lease_open(), ret, status;
	unsigned int leases = 0, told = 0;
	struct breaker_result r;
	struct daxlease_event ev;
	int64_t taken;
	pid_t pid;

	CHECK(o != MAP_FAILED);
	CHECK_SYS(fchown(fd, HOLDER, HOLDER));
	CHECK_SYS(chmod(t->dir, 0777));
	if (!t->minutes)
		param_set("max_leases_per_user", SOME);
	taken = now_ns();
	act_as(HOLDER);
	while (!(ret = lease_acquire(ctx, fd, 0, PAGE, DAXLEASE_READ, GRACE, NULL)))
		leases++;
	act_as(0);
	param_reset();
	taken = now_ns() - taken;
	CHECK_RET(ret, -ENOSPC, "after %u leases", leases);

	pid = CHECK_SYS(fork());
	if (!pid) {
		go_on(o, path_in(t->dir, "other"));
		_exit(0);
	}
	while (o->nr[0] < OPERATIONS)
		usleep(10000);
	o->breaking = true;
	r = breaker_run(&punch, SOON_MS);
	o->stop = true;
	CHECK_RET(r.ret, 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0, "the other user");

	while (lease_event(ctx, &ev, 0) == 1) {
		told++;
		CHECK(ev.bits & DAXLEASE_EVENT_REVOKED, "the punch is over, and a lease is live");
		CHECK_EQ(ev.deadline_ns - ev.time_ns, GRACE);
	}
	CHECK_EQ(told, leases, "holders that heard of it");
	CHECK_EQ(file_differs_from_byte(fd, 0, PAGE, 0), -1);
	story("%u leases of one user on one page, taken in %.1f s; a punch of it took %.0f ms more than their grace of "
	      "%llu ms", leases, taken / 1e9, (r.end_ns - r.start_ns) / 1e6 - GRACE / MS, GRACE / MS);
	story("another user's file made, cut and unlinked in that directory: %.1f ms at most meanwhile (%u times), "
	      "%.1f ms before (%u times)", o->longest[1] / 1e6, o->nr[1], o->longest[0] / 1e6, o->nr[0]);
}

const struct testcase many_cases[] = {
	{ "all-leases-of-a-user-are-one-grace",
	  "one operation that breaks all leases that a user may have waits for one grace; each holder hears of it",
	  all_of_a_user, ON_XFS | NEEDS_CORE | STOCK_ONLY, 120 },
	{ 0 }
};
