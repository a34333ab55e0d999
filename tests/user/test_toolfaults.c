// SPDX-License-Identifier: GPL-2.0
/*
 * The tool's commands, each made to fail at each pass of each point: it says so, exits with 1,
 * neither crashes nor leaks (the sanitizers have exit codes of their own), and does not hang.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>

#include "fake.h"
#include "points.h"
#include "toolrun.h"

static char *commands[][8] = {
	{ "daxlease", "info" },
	{ "daxlease", "info", "--json" },
	{ "daxlease", "acquire", file, "--write", "--timeout", "1ns" },
	{ "daxlease", "acquire", file, "--on-break", "ack", "--count", "2" },
	{ "daxlease", "acquire", file, "--on-break", "release", "--json" },
	{ "daxlease", "watch", "1", "--on-break", "ack", "--count", "2" },
	{ "daxlease", "watch", "all", "--count", "1" },
	{ "daxlease", "break", file },
};

static const int some_errnos[] = { EIO, EINTR, EAGAIN, ENODEV, EPERM };

static bool fail_once(char **argv, const char *point, unsigned int n, int err)
{
	fake_reset();
	fake.fence_on_ack = true;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	point_fail(point, n, err);
	start(argv);
	finish();
	if (!point_failed(point))
		return false;
	if (run.code != 0 && run.code != 1)
		fail_msg("%s: pass %u of %s fails with %d: exit code %d\n%s", argv[1], n, point, err,
			 run.code, run.err);
	/* Not a word only if the command has done its work all the same */
	if (run.code == 1)
		assert_has(run.err, "daxlease: ");
	if (!strcmp(point, "posix/open") || !strcmp(point, "libc/mm/malloc"))
		assert_int_equal(run.code, 1);
	return true;
}

static void every_failure_of_a_command_is_said(void **state)
{
	unsigned int total = 0;

	(void)state;
	points_init();
	need_pidfd();
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		for (const char *const *p = points; *p; p++)
			for (size_t e = 0; e < ARRAY_SIZE(some_errnos); e++)
				for (unsigned int n = 1; fail_once(commands[i], *p, n, some_errnos[e]); n++)
					total++;
	print_message("%u failures\n", total);
	assert_true(total >= 100);
}

static const struct CMUnitTest tests[] = {
	WITH_FILE(every_failure_of_a_command_is_said),
};

SUITE(tests)
