// SPDX-License-Identifier: GPL-2.0
/* daxlease-qemu, and a QEMU that goes away, or does not say what it should; and signals meanwhile. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "monitor.h"
#include "qmp.h"
#include "toolrun.h"

static void it_ends_with_qemu(void **state)
{
	char pid[16];
	pid_t qemu;

	(void)state;
	need_pidfd();
	qemu = fork();
	if (!qemu) {
		pause();
		_exit(0);
	}
	snprintf(pid, sizeof(pid), "%d", qemu);
	START("running", "--pid", pid);
	kill(qemu, SIGKILL);
	close(monitor);
	monitor = -1;
	finish();
	waitpid(qemu, NULL, 0);
	assert_int_equal(run.code, 0);
	assert_has(run.out, "\nended ");
}

static void a_lost_monitor_is_an_error(void **state)
{
	(void)state;
	START("running", "--drain", "1ms");
	close(monitor);
	monitor = -1;
	finish();
	assert_int_equal(run.code, 1);
	assert_has(run.err, "daxlease-qemu: QEMU: has closed its monitor");
}

static void a_monitor_lost_during_a_break_is_an_error(void **state)
{
	(void)state;
	queue_break(30 * SECOND, 0);
	START("running", "--drain", "1ms");
	expect("stop");
	close(monitor);
	monitor = -1;
	finish();
	assert_int_equal(run.code, 1);
	assert_order("break stop no-ack");
	assert_has(run.err, "daxlease-qemu: QEMU: has closed its monitor");
}

static void count_event(void *arg, const char *name, struct json_object *data)
{
	(void)data;
	assert_string_equal(name, "NOTHING");
	++*(int *)arg;
}

/* However much there is to read */
static void nothing_is_read_after_the_deadline(void **state)
{
	static char text[50000];
	struct qmp qmp;
	int count = 0;

	(void)state;
	assert_int_equal(qmp_connect(&qmp, path, count_event, &count), 0);
	monitor = accept(listener, NULL, NULL);
	for (int i = 0; i < 2000; i++)
		strcat(text, "{\"event\": \"NOTHING\"}\r\n");
	say(text);
	assert_int_equal(qmp_take(&qmp, 0), 0);
	assert_in_range(count, 1, 1999);
	assert_int_equal(qmp_wait(&qmp, 0), -ETIMEDOUT);
	assert_in_range(count, 2, 1999);
	assert_int_equal(qmp_take(&qmp, UINT64_MAX), 0);
	assert_int_equal(count, 2000);
	qmp_close(&qmp);
}

static void an_object_without_end_is_an_error(void **state)
{
	char text[4096];

	(void)state;
	need_pidfd();
	start_program(daxlease_qemu_main, ARGS(path));
	monitor = accept(listener, NULL, NULL);
	say("{\"event\": \"");
	memset(text, 'a', sizeof(text));
	for (int i = 0; i < 1024 && send(monitor, text, sizeof(text), MSG_NOSIGNAL) > 0; i++)
		;
	close(monitor);
	monitor = -1;
	finish();
	assert_int_equal(run.code, 1);
	assert_has(run.err, "EPROTO");
}

static void an_event_without_name_is_none(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--drain", "1ms");
	expect("stop");
	say("{\"event\": null}\r\n{\"event\": {}, \"data\": 1}\r\n{\"event\": \"DEVICE_DELETED\", \"data\": 1}\r\n");
	done("{}");
	say_status("paused");
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	end_with(0);
}

static void nonsense_is_an_error(void **state)
{
	(void)state;
	need_pidfd();
	start_program(daxlease_qemu_main, ARGS(path));
	monitor = accept(listener, NULL, NULL);
	say("[1, 2]\r\n");
	finish();
	assert_int_equal(run.code, 1);
	assert_has(run.err, "EPROTO");
}

static void a_hangup_leaves_a_running_machine(void **state)
{
	(void)state;
	queue_break(30 * SECOND, 0);
	START("running", "--drain", "1ms");
	grant_stop();
	collect(run.out_fd, run.out, "\nack");
	kill(run.pid, SIGHUP);
	grant("cont");
	finish();
	assert_int_equal(run.code, 0);
}

static void after_nohup_a_hangup_does_nothing(void **state)
{
	(void)state;
	signal(SIGHUP, SIG_IGN);
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--drain", "1ms");
	signal(SIGHUP, SIG_DFL);
	expect("stop");
	kill(run.pid, SIGHUP);
	done("{}");
	say_status("paused");
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	assert_has(run.out, "\ndone");
	kill(run.pid, SIGHUP);
	kill(run.pid, SIGUSR1);
	collect(run.out_fd, strstr(run.out, "\ndone") + 1, "\ndone");
	end_with(0);
}

/* Its log, or the shell that was to read it, is gone: the guest is not to stay stopped for that */
static void a_log_nobody_reads_does_not_end_it(void **state)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--drain", "1ms");
	expect("stop");
	/* The pipe has no reader from now on */
	assert_true(dup2(null, run.out_fd) >= 0);
	close(null);
	done("{}");
	say_status("paused");
	grant("cont");
	end_with(1);
	assert_has(run.err, "could not be written");
}

static void a_hook_has_the_usual_signals(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--hook", "kill -s PIPE $$");
	grant_stop();
	grant("cont");
	collect(run.out_fd, run.out, "step=done");
	end_with(0);
	assert_has(run.out, " step=break status=141");
}

static const struct CMUnitTest tests[] = {
	WITH_QEMU(it_ends_with_qemu),
	WITH_QEMU(a_lost_monitor_is_an_error),
	WITH_QEMU(a_monitor_lost_during_a_break_is_an_error),
	WITH_QEMU(nothing_is_read_after_the_deadline),
	WITH_QEMU(an_object_without_end_is_an_error),
	WITH_QEMU(an_event_without_name_is_none),
	WITH_QEMU(nonsense_is_an_error),
	WITH_QEMU(a_hangup_leaves_a_running_machine),
	WITH_QEMU(after_nohup_a_hangup_does_nothing),
	WITH_QEMU(a_log_nobody_reads_does_not_end_it),
	WITH_QEMU(a_hook_has_the_usual_signals),
};

SUITE(tests)
