// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading: the module stays while it is needed, and goes when it is not. */
#include "file.h"
#include "harness.h"
#include "hooked.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int ftrace_off(void)
{
	return write_text("/proc/sys/kernel/ftrace_enabled", "0\n");
}

static void refused_while_leased(const struct test *t)
{
	struct daxlease_acquire a;
	int ctx, fd;

	fd = file_create(path_in(t->dir, "file"), 4 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, 0, &a), 0);
	CHECK(hooked_say("armed 1\n"));
	CHECK_RET(ftrace_off(), -EBUSY, "kernel.ftrace_enabled=0 while armed");
	story("kernel.ftrace_enabled=0 while a lease lives: EBUSY");
	module_remove_users();
	CHECK_RET(module_remove("daxlease"), -EAGAIN);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_ACTIVE);
	close(ctx);
	story("rmmod while a lease lives: refused");
	hooked_wait("armed 0\n");
	CHECK_RET(module_remove("daxlease"), 0);
	story("a second after the last lease has gone the hooks are gone, too, and rmmod works");
}

static void armed_while_needed(const struct test *t)
{
	struct daxlease_acquire a;
	int ctx, fd;

	fd = file_create(path_in(t->dir, "file"), 4 * MIB, 1);
	ctx = lease_open();
	for (int round = 0; round < 3; round++) {
		CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, 0, &a), 0);
		CHECK(hooked_say("armed 1\n"));
		CHECK_RET(lease_release(ctx, a.id), 0);
		hooked_wait("armed 0\n");
		CHECK_RET(ftrace_off(), 0, "with nothing armed");
		CHECK_RET(write_text("/proc/sys/kernel/ftrace_enabled", "1\n"), 0);
	}
}

/* With ftrace switched off the hooks cannot be armed: no leases then */
static void no_hooks_no_leases(const struct test *t)
{
	struct daxlease_acquire a;
	int ctx, fd;

	fd = file_create(path_in(t->dir, "file"), 4 * MIB, 1);
	ctx = lease_open();
	hooked_wait("armed 0\n");
	CHECK_RET(ftrace_off(), 0);
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, 0, &a), -ENODEV);
	CHECK_RET(write_text("/proc/sys/kernel/ftrace_enabled", "1\n"), 0);
	CHECK_EQ(lease_count(), 0);
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, 0, &a), 0);
}

const struct testcase unload_cases[] = {
	{ "armed-only-while-leased",
	  "the hooks are armed before the first lease and gone a while after the last",
	  armed_while_needed, ON_ANY | NEEDS_CORE, 60 },
	{ "no-hooks-no-leases",
	  "when the hooks cannot be armed, ACQUIRE says ENODEV",
	  no_hooks_no_leases, ON_ANY | NEEDS_CORE, 60 },
	{ "rmmod-refused-while-leased",
	  "rmmod is refused while a lease lives, and works afterwards",
	  refused_while_leased, ON_ANY | NEEDS_CORE | DEMO, 60 },
	{ 0 }
};
