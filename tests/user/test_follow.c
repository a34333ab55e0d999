// SPDX-License-Identifier: GPL-2.0
/* The tool holding a lease or watching a process: events, reactions to breaks, the end. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "toolrun.h"

static void acquire_reports_the_lease_and_releases_it_at_the_end(void **state)
{
	(void)state;
	fake.lost = 3;
	RUN("acquire", file, "--write", "--offset", "4K", "--timeout", "1ns");
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out,
			    "acquired id=7 generation=1 offset=4K length=16380K access=rw\n"
			    "released id=7 state=active granules=4 granules_lost=2 lost=0+4M\n");
}

static void lost_ranges_are_merged(void **state)
{
	(void)state;
	fake.lost = 0xb;
	RUN("acquire", file, "--json", "--timeout", "1ns");
	assert_int_equal(run.code, 0);
	assert_has(run.out, "\"access\":\"r\"");
	assert_has(run.out, "\"granules_lost\":3,\"lost\":[{\"offset\":0,\"length\":4194304},"
		   "{\"offset\":6291456,\"length\":2097152}]}\n");
}

static void an_event_is_a_line_of_json(void **state)
{
	(void)state;
	fake_queue_event(DAXLEASE_EVENT_BREAK | 1 << 20, 3);
	RUN("acquire", file, "--json", "--count", "1");
	assert_int_equal(run.code, 0);
	assert_int_equal(lines(run.out), 3);
	assert_has(run.out,
		   "\n{\"event\":\"event\",\"bits\":[\"break\",\"bit20\"],\"flags\":[],"
		   "\"reason\":\"truncate\",\"id\":7,\"generation\":1,\"break_id\":3,"
		   "\"hit_offset\":4096,\"hit_length\":8192,\"lost_offset\":0,"
		   "\"lost_length\":2097152,\"time_ns\":1,\"deadline_ns\":2,\"pid\":42,"
		   "\"comm\":\"rm\\\\012\\\"x\"}\n");
}

static void a_break_is_acked_once_and_the_rest_kept(void **state)
{
	(void)state;
	fake.fence_on_ack = true;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);	/* joined */
	RUN("acquire", file, "--on-break", "ack", "--count", "3");
	assert_int_equal(run.code, 0);
	assert_int_equal(lines(run.out), 6);
	assert_has(run.out, "\nack id=7 break_id=3 result=fenced\n");
	assert_has(run.out, "bits=fenced ");
	assert_null(strstr(strstr(run.out, "\nack") + 1, "\nack"));
}

static void an_ack_that_comes_late_is_no_error(void **state)
{
	(void)state;
	fake.ioctl_err = ESTALE;
	fake.ioctl_err_cmd = DAXLEASE_CMD_ACK;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	start(ARGS("acquire", file, "--on-break", "ack"));
	collect(run.out_fd, run.out, "result=late\n");
	kill(run.pid, SIGINT);
	finish();
	assert_int_equal(run.code, 0);
	assert_has(run.out, "\nreleased ");
}

static void an_ack_that_fails_is_an_error_and_the_lease_is_released(void **state)
{
	(void)state;
	fake.ioctl_err = EIO;
	fake.ioctl_err_cmd = DAXLEASE_CMD_ACK;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	RUN("acquire", file, "--on-break", "ack");
	assert_int_equal(run.code, 1);
	assert_has(run.out, "\nreleased ");
	assert_has(run.err, "EIO");
}

static void a_reaction_waits_for_its_time(void **state)
{
	(void)state;
	/* Fenced before the reaction is due: nothing is left to ack. */
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	fake_queue_event(DAXLEASE_EVENT_FENCED, 3);
	fake_queue_event(DAXLEASE_EVENT_BREAK, 4);
	start(ARGS("acquire", file, "--on-break", "ack", "--after", "1ms"));
	collect(run.out_fd, run.out, "\nack");
	kill(run.pid, SIGTERM);
	finish();
	assert_int_equal(run.code, 0);
	assert_has(run.out, "\nack id=7 break_id=4 ");
	assert_null(strstr(run.out, "\nack id=7 break_id=3 "));
}

static void a_break_may_be_answered_by_a_release(void **state)
{
	(void)state;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	RUN("acquire", file, "--on-break", "release", "--after", "1us");
	assert_int_equal(run.code, 0);
	assert_int_equal(lines(run.out), 3);
	assert_null(strstr(run.out, "\nack"));
}

static void a_revoked_lease_ends_it(void **state)
{
	(void)state;
	fake.lost = 0xf;
	fake.fence_on_ack = true;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	RUN("acquire", file, "--on-break", "ack");
	assert_int_equal(run.code, 0);
	assert_has(run.out, "bits=fenced,revoked ");
	assert_has(run.out, "lost=0+8M\n");
}

static void signals_end_it_with_a_release(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		start(ARGS("acquire", file));
		/* The line is there while the lease is held: it is flushed. */
		collect(run.out_fd, run.out, "acquired id=7 ");
		kill(run.pid, signals[i]);
		finish();
		assert_int_equal(run.code, 0);
		assert_has(run.out, "\nreleased id=7 ");
	}
}

static void a_failing_device_ends_it_with_an_error(void **state)
{
	(void)state;
	fake_queue_error(EIO);
	RUN("acquire", file);
	assert_int_equal(run.code, 1);
	assert_has(run.err, "reading events");
}

static void watch_ends_when_the_process_does(void **state)
{
	char pid[16];
	int gate[2];
	pid_t target;

	(void)state;
	need_pidfd();
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	target = fork();
	assert_true(target >= 0);
	if (!target) {
		char byte;

		close(gate[1]);
		_exit(read(gate[0], &byte, 1) != 0);
	}
	close(gate[0]);
	snprintf(pid, sizeof(pid), "%d", target);

	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
	start(ARGS("watch", pid, "--json", "--on-break", "ack", "--grace", "1s"));
	collect(run.out_fd, run.out, "\"result\":\"fenced\"");
	kill(target, SIGKILL);
	finish();
	close(gate[1]);
	assert_int_equal(waitpid(target, NULL, 0), target);
	assert_int_equal(run.code, 0);
	assert_has(run.out, "{\"event\":\"watching\",\"pid\":");
}

static void watching_a_process_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	need_pidfd();
	RUN("watch", "2147483647");
	assert_int_equal(run.code, 1);
	assert_has(run.err, "ESRCH");
}

static const struct CMUnitTest tests[] = {
	WITH_FILE(acquire_reports_the_lease_and_releases_it_at_the_end),
	WITH_FILE(lost_ranges_are_merged),
	WITH_FILE(an_event_is_a_line_of_json),
	WITH_FILE(a_break_is_acked_once_and_the_rest_kept),
	WITH_FILE(an_ack_that_comes_late_is_no_error),
	WITH_FILE(an_ack_that_fails_is_an_error_and_the_lease_is_released),
	WITH_FILE(a_reaction_waits_for_its_time),
	WITH_FILE(a_break_may_be_answered_by_a_release),
	WITH_FILE(a_revoked_lease_ends_it),
	WITH_FILE(signals_end_it_with_a_release),
	WITH_FILE(a_failing_device_ends_it_with_an_error),
	WITH_FILE(watch_ends_when_the_process_does),
	WITH_FILE(watching_a_process_that_is_not_there_is_an_error),
};

SUITE(tests)
