// SPDX-License-Identifier: GPL-2.0
/* The examples, as whoever copies them will run them. */
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "toolrun.h"

int example_holder_main(int argc, char **argv);
int example_watcher_main(int argc, char **argv);

#define HOLDER(...) do { start_program(example_holder_main, ARGS(__VA_ARGS__)); } while (0)
#define WATCHER(...) do { start_program(example_watcher_main, ARGS(__VA_ARGS__)); } while (0)

/* Standard input of the children: open until end_input(). */
static int input;

static int open_input(void **state)
{
	int fds[2];

	if (make_file(state) || pipe(fds) || dup2(fds[0], STDIN_FILENO) < 0)
		return -1;
	close(fds[0]);
	input = fds[1];
	return 0;
}

static int close_input(void **state)
{
	if (input >= 0)
		close(input);
	return remove_file(state);
}

static void end_input(void)
{
	/* A byte, and not the end: the child has the write end too. */
	assert_int_equal(write(input, "", 1), 1);
}

static void holder_gives_way_and_goes_on(void **state)
{
	(void)state;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	HOLDER(file);
	collect(run.out_fd, run.out, "gave way");
	end_input();
	finish();
	assert_int_equal(run.code, 0);
	assert_has(run.out, "holding 16777216 bytes\nstopping at 0+2097152 for rm");
	assert_has(run.out, "\ngave way\ndone\n");
}

static void holder_does_not_ack_what_is_over(void **state)
{
	(void)state;
	fake_queue_event(DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED, 3);
	fake_queue_event(DAXLEASE_EVENT_FENCED | DAXLEASE_EVENT_REVOKED, 4);
	HOLDER(file);
	finish();
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "holding 16777216 bytes\nnothing is left\n");
}

static void holder_takes_a_late_ack_for_granted(void **state)
{
	(void)state;
	fake.ioctl_err = ESTALE;
	fake.ioctl_err_cmd = DAXLEASE_CMD_ACK;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	HOLDER(file);
	collect(run.out_fd, run.out, "too late\n");
	end_input();
	finish();
	assert_int_equal(run.code, 0);
}

static void holder_says_why_it_cannot_hold(void **state)
{
	(void)state;
	fake.ioctl_err = EOPNOTSUPP;
	fake.ioctl_err_cmd = DAXLEASE_CMD_ACQUIRE;
	HOLDER(file);
	finish();
	assert_int_equal(run.code, 1);
	assert_has(run.err, "DAX mode");
	fake_fail_nth(1, ENOENT);
	HOLDER(file);
	finish();
	assert_int_equal(run.code, 1);
	assert_has(run.err, "modprobe daxlease");
}

/* A process to watch: until it is killed. */
static pid_t target(char number[16])
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	snprintf(number, 16, "%d", pid);
	return pid;
}

static void watcher_prints_events_until_the_process_ends(void **state)
{
	char number[16];
	pid_t pid;

	(void)state;
	need_pidfd();
	pid = target(number);
	fake_queue_event(DAXLEASE_EVENT_BREAK | 1 << 20, 3);
	WATCHER(number, "250");
	collect(run.out_fd, run.out, "of the file\n");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	finish();
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "watching\n"
			    "lease 7: break ?, truncate, bytes 0+2097152 of the file\n"
			    "the process has ended\n");
}

static void watcher_says_why_it_cannot_watch(void **state)
{
	char number[16];
	pid_t pid;

	(void)state;
	need_pidfd();
	pid = target(number);
	fake.ioctl_err = EACCES;
	fake.ioctl_err_cmd = DAXLEASE_CMD_WATCH;
	WATCHER(number);
	finish();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(run.code, 1);
	assert_has(run.err, "CAP_SYS_PTRACE");
}

static void examples_say_how_they_are_used(void **state)
{
	(void)state;
	HOLDER("a", "b");
	finish();
	assert_int_equal(run.code, 2);
	WATCHER("1", "2", "3");
	finish();
	assert_int_equal(run.code, 2);
}

#define WITH_INPUT(test) cmocka_unit_test_setup_teardown(test, open_input, close_input)

static const struct CMUnitTest tests[] = {
	WITH_INPUT(holder_gives_way_and_goes_on),
	WITH_INPUT(holder_does_not_ack_what_is_over),
	WITH_INPUT(holder_takes_a_late_ack_for_granted),
	WITH_INPUT(holder_says_why_it_cannot_hold),
	WITH_INPUT(watcher_prints_events_until_the_process_ends),
	WITH_INPUT(watcher_says_why_it_cannot_watch),
	WITH_INPUT(examples_say_how_they_are_used),
};

SUITE(tests)
