// SPDX-License-Identifier: GPL-2.0
/*
 * Cases that must not pass: each does what the harness has to notice. tests/vm/run --self-test runs
 * them and is content if each has failed, for the right reason.
 */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void passes(const struct test *t)
{
	CHECK(t->dir);
	story("a story");
	line(true, "a line");
}

static void fails_check(const struct test *t)
{
	(void)t;
	CHECK_EQ(1 + 1, 3, "this must be reported");
}

static void fails_line(const struct test *t)
{
	(void)t;
	line(false, "a line that failed");
}

static void fails_in_child(const struct test *t)
{
	if (!fork())
		fails_check(t);
	pause();
}

static void crashes(const struct test *t)
{
	(void)t;
	raise(SIGSEGV);
}

static void hangs(const struct test *t)
{
	(void)t;
	for (;;)
		pause();
}

static void warns(const struct test *t)
{
	(void)t;
	CHECK_RET(write_text("/dev/kmsg", "WARNING: CPU: 0 PID: 1 at a/fake/place:1 to test the harness\n"), 0);
}

static void deadlocks(const struct test *t)
{
	(void)t;
	CHECK_RET(write_text("/dev/kmsg", "WARNING: possible circular locking dependency detected\n"), 0);
}

static void panics(const struct test *t)
{
	(void)t;
	CHECK_RET(write_text("/proc/sysrq-trigger", "c"), 0);
	pause();
}

static void stops_runner(const struct test *t)
{
	(void)t;
	kill(getppid(), SIGSTOP);
	pause();
}

const struct testcase selftest_cases[] = {
	{ "selftest-passes", "nothing is wrong", passes, ON_ANY | SELFTEST, 0 },
	{ "selftest-fails-check", "an assertion fails", fails_check, ON_ANY | SELFTEST, 0 },
	{ "selftest-fails-line", "a line of the story fails", fails_line, ON_ANY | SELFTEST, 0 },
	{ "selftest-fails-in-child", "an assertion fails in a child", fails_in_child, ON_ANY | SELFTEST, 2 },
	{ "selftest-crashes", "the case dies by a signal", crashes, ON_ANY | SELFTEST, 0 },
	{ "selftest-hangs", "the case does not end", hangs, ON_ANY | SELFTEST, 2 },
	{ "selftest-warns", "the kernel warns", warns, ON_ANY | SELFTEST, 0 },
	{ "selftest-deadlocks", "lockdep complains", deadlocks, ON_ANY | SELFTEST, 0 },
	{ "selftest-stops-runner", "nothing goes on in the guest", stops_runner, ON_ANY | SELFTEST, 0 },
	{ "selftest-panics", "the kernel panics", panics, ON_ANY | SELFTEST, 0 },
	{ "selftest-not-reached", "comes after the end", passes, ON_ANY | SELFTEST, 0 },
	{ 0 }
};
