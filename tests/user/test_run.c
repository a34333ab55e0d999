// SPDX-License-Identifier: GPL-2.0
/* daxlease run: the command's environment, streams, signals and exit code, and breaks meanwhile. */
#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "toolrun.h"

/* Any library will do. */
static char library[64];

static int setup(void **state)
{
	if (make_file(state))
		return -1;
	unsetenv("LD_PRELOAD");
	snprintf(library, sizeof(library), "%s", file);
	return 0;
}

static void the_command_gets_the_context_and_the_library(void **state)
{
	char expected[256];

	(void)state;
	need_pidfd();
	/* A file that is no library: the dynamic linker complains and goes on. */
	RUN("run", "--preload", library, "--grace", "3ms", "--", "sh", "-c",
	    "echo $LD_PRELOAD $DAXLEASE_RUN_GRACE; test -e /proc/self/fd/$DAXLEASE_RUN_FD && echo open");
	snprintf(expected, sizeof(expected), "%s 3000000\nopen\n", library);
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, expected);
}

static void other_preloads_stay(void **state)
{
	char expected[256];

	(void)state;
	need_pidfd();
	setenv("LD_PRELOAD", "/nonexistent/a.so:/nonexistent/b.so", 1);
	RUN("run", "--preload", library, "sh", "-c", "echo $LD_PRELOAD");
	unsetenv("LD_PRELOAD");
	snprintf(expected, sizeof(expected), "%s:/nonexistent/a.so:/nonexistent/b.so\n", library);
	assert_string_equal(run.out, expected);
}

static void the_exit_code_is_the_commands(void **state)
{
	(void)state;
	need_pidfd();
	RUN("run", "--preload", library, "sh", "-c", "exit 7");
	assert_int_equal(run.code, 7);
	RUN("run", "--preload", library, "sh", "-c", "kill -9 $$");
	assert_int_equal(run.code, 137);
	RUN("run", "--preload", library, "--", "/nonexistent/command");
	assert_int_equal(run.code, 127);
	assert_has(run.err, "/nonexistent/command");
	RUN("run", "--preload", library, "--", "/");
	assert_int_equal(run.code, 126);
}

static void options_after_the_command_are_the_commands(void **state)
{
	(void)state;
	need_pidfd();
	RUN("run", "--preload", library, "echo", "--help", "--json");
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "--help --json\n");
}

static void breaks_are_acked_and_told_on_standard_error(void **state)
{
	(void)state;
	need_pidfd();
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	fake.fence_on_ack = true;
	RUN("run", "--preload", library, "--json", "sh", "-c", "echo mine; sleep 0.2");
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "mine\n");
	assert_has(run.err, "\"event\":\"event\"");
	assert_has(run.err, "\"event\":\"ack\"");
	assert_has(run.err, "\"result\":\"fenced\"");
}

static void breaks_can_be_left_to_the_deadline(void **state)
{
	(void)state;
	need_pidfd();
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	RUN("run", "--preload", library, "--on-break", "ignore", "--json", "sh", "-c", "sleep 0.2");
	assert_int_equal(run.code, 0);
	assert_has(run.err, "\"event\":\"event\"");
	assert_null(strstr(run.err, "\"event\":\"ack\""));
}

static void a_signal_goes_to_the_command(void **state)
{
	(void)state;
	need_pidfd();
	start(ARGS("run", "--preload", library, "sh", "-c",
		   "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"));
	collect(run.out_fd, run.out, "ready");
	kill(run.pid, SIGTERM);
	finish();
	assert_int_equal(run.code, 5);
}

static void a_log_nobody_reads_does_not_end_it(void **state)
{
	int log[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC), status;
	pid_t pid;

	(void)state;
	need_pidfd();
	assert_int_equal(pipe2(log, O_CLOEXEC), 0);
	close(log[0]);
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	/* A library about which the dynamic linker has nothing to say */
	if (!pid)
		child(null, log[1], daxlease_main,
		      ARGS("run", "--preload", "/lib/x86_64-linux-gnu/libm.so.6", "sh", "-c", "sleep 0.2; exit 7"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	close(log[1]);
	close(null);
}

static void without_library_or_device_nothing_is_run(void **state)
{
	(void)state;
	RUN("run", "--preload", "/nonexistent/lib.so", "echo", "ran");
	assert_int_equal(run.code, 1);
	assert_string_equal(run.out, "");
	assert_has(run.err, "/nonexistent/lib.so");
	fake_fail_nth(1, 2);
	RUN("run", "--preload", library, "echo", "ran");
	assert_int_equal(run.code, 1);
	assert_string_equal(run.out, "");
	assert_has(run.err, "modprobe daxlease");
	RUN("run");
	assert_int_equal(run.code, 2);
	RUN("run", "--on-break", "release", "true");
	assert_int_equal(run.code, 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, remove_file)

static const struct CMUnitTest tests[] = {
	CASE(the_command_gets_the_context_and_the_library),
	CASE(other_preloads_stay),
	CASE(the_exit_code_is_the_commands),
	CASE(options_after_the_command_are_the_commands),
	CASE(breaks_are_acked_and_told_on_standard_error),
	CASE(breaks_can_be_left_to_the_deadline),
	CASE(a_signal_goes_to_the_command),
	CASE(a_log_nobody_reads_does_not_end_it),
	CASE(without_library_or_device_nothing_is_run),
};

SUITE(tests)
