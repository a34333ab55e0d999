// SPDX-License-Identifier: GPL-2.0
/* The kernel under the module breaks. Each case leaves a machine that is good for nothing more. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "hooked.h"
#include "kmsg.h"
#include "lease.h"
#include "testmodule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		20000

/* Fails the case if the kernel says worse than @known (NULL: nothing is known) */
static void check_log(int kmsg, const char *known)
{
	char text[1024];
	int ret;

	while ((ret = kmsg_next(kmsg, text, sizeof(text))) == 1)
		CHECK(!kmsg_is_report(text) || (known && strstr(text, known)), "kernel log: %s", text);
	CHECK_EQ(ret, 0);
}

static uint64_t symbol(const char *name)
{
	char line[256], found[128];
	uint64_t address;
	FILE *f = fopen("/proc/kallsyms", "re");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %*c %127s", &address, found) == 2 && !strcmp(found, name)) {
			fclose(f);
			return address;
		}
	}
	CHECK(false, "no %s in this kernel", name);
	return 0;
}

/*
 * ftrace gives up for good, as it does when it finds a function that is not as it left it. Calls are still
 * redirected, and will be for ever.
 */
static void ftrace_is_killed(const struct test *t)
{
	int kmsg = kmsg_open(), ctx = lease_open(), fd;
	struct daxlease_acquire a;

	fd = file_create(path_in(t->dir, "other"), 2 * MIB, 1);
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	test_module_load(t, "dl_test_ftrace_kill", "address=%" PRIu64, symbol("ftrace_kill"));
	hooked_check(t, ctx, DAXLEASE_REASON_FALLOCATE, "after ftrace_kill()");
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_ACTIVE);
	story("after ftrace_kill() with a lease alive: breaks go on as before");
	CHECK_RET(lease_release(ctx, a.id), 0);
	hooked_wait("stuck 1\n");
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), -ENODEV);
	story("the hooks cannot be removed when the last lease is gone: no leases any more (ENODEV)");
	close(ctx);
	CHECK_RET(module_remove("daxlease"), -EAGAIN);
	CHECK_RET(breaker_run(&(struct op){ .kind = OP_PUNCH, .path = path_in(t->dir, "other"), .length = MIB },
			      SOON_MS).ret, 0);
	CHECK_EQ(file_differs_from_byte(fd, 0, MIB, 0), -1);
	story("rmmod: refused, since calls still reach the module; files can be changed");
	check_log(kmsg, NULL);
}

/* A process that punches a leased file oopses in the filesystem, called from the module's text */
static void breaker_oopses(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .length = PAGE };
	struct op cut = { .kind = OP_TRUNCATE, .path = punch.path, .offset = MIB };
	int kmsg = kmsg_open(), ctx = lease_open(), fd;
	struct daxlease_acquire a, again;
	struct daxlease_event ev;
	struct breaker b;
	uint64_t generation;
	char text[1024];

	test_module_load(t, "dl_test_oops", "comm=breaker function=%s",
			 *t->fs == 'x' ? "xfs_file_fallocate" : "ext4_fallocate");
	fd = file_create(punch.path, 4 * MIB, 1);
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start(&b, &punch);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_RET(lease_ack(ctx, a.id, ev.generation, ev.break_id), 0);
	CHECK(breaker_join(&b, SOON_MS).killed, "the breaker did not oops");
	CHECK(kmsg_wait(kmsg, "oops_here", NULL, SOON_MS, text, sizeof(text)), "another oops than was meant");
	story("a breaker oopses in fallocate, behind the module");

	/* Its bar ended with it: nobody tells of that, but nobody is kept waiting */
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, DAXLEASE_WRITE | DAXLEASE_WAIT, LONG_GRACE, &again), 0);
	CHECK_RET(lease_rearm(ctx, a.id, 0, 2 * MIB, &generation), 0);
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);
	breaker_start(&b, &cut);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(ev.reason, DAXLEASE_REASON_TRUNCATE);
	CHECK(!breaker_done(&b));
	CHECK_RET(lease_release(ctx, a.id), 0);
	CHECK_RET(lease_release(ctx, again.id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	story("its bar is gone, the range is leased and re-armed; the next truncate waits and is heard");
	close(ctx);
	CHECK(hooked_say("running 1\n"), "the dead task is not counted");
	CHECK_RET(module_remove("daxlease"), -EAGAIN);
	story("its stack ends in the module's text: rmmod is refused for ever");
}

const struct testcase broken_cases[] = {
	{ "ftrace-kill-is-survived",
	  "after ftrace_kill() leases are safe, then there are none, and the module stays",
	  ftrace_is_killed, ON_EXT4 | NEEDS_CORE | BROKEN | STOCK_ONLY, 60 },
	{ "oops-of-a-breaker-is-survived",
	  "a breaker that dies inside a hook bars nothing, holds up nobody, and keeps the module",
	  breaker_oopses, ON_XFS | NEEDS_CORE | BROKEN | DEBUG_ONLY, 60 },
	{ 0 }
};
