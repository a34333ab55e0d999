// SPDX-License-Identifier: GPL-2.0
/* daxlease-qemu, and a QEMU that goes away, or does not say what it should; and signals meanwhile. */
#include "suite.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "monitor.h"
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

static const struct CMUnitTest tests[] = {
	WITH_QEMU(it_ends_with_qemu),
	WITH_QEMU(a_lost_monitor_is_an_error),
	WITH_QEMU(nonsense_is_an_error),
};

SUITE(tests)
