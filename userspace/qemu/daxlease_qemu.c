// SPDX-License-Identifier: GPL-2.0
/* daxlease-qemu: makes a QEMU that knows nothing of leases give way and come back. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "companion.h"
#include "steps.h"
#include "tool.h"

#define HELLO_NS	10000000000

/* None of them ends it while the machine stands. SIGHUP stays as nohup(1) left it */
static int take_signals(void)
{
	struct sigaction hup;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	if (!sigaction(SIGHUP, NULL, &hup) && hup.sa_handler != SIG_IGN)
		sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int say_hello(struct companion *c)
{
	int ret = machine_hello(&c->machine, now_ns() + HELLO_NS);

	if (ret == -ETIMEDOUT)
		return fail("QEMU's monitor", "does not answer: is somebody else connected to it?", ret);
	if (ret == -EREMOTEIO)
		return fail("QEMU", c->machine.qmp.error, 0);
	return ret ? fail_system("QEMU's monitor", ret) : 0;
}

static int watch(struct companion *c, pid_t pid)
{
	struct json_object *record;
	int ret;

	ret = say_hello(c);
	if (ret)
		return ret;
	ret = daxlease_watch_pidfd(c->ctx, c->pidfd, c->settings->grace_ns);
	if (ret)
		return fail_lease("watching QEMU", DAXLEASE_CMD_WATCH, ret);
	record = step("watching", 0);
	put_number(record, "pid", pid);
	put_text(record, "machine", c->machine.running ? "running" : "stopped");
	record_print_line(record);
	return companion_run(c);
}

/* The pidfd comes before the first word: who answers after it was there before it */
static int open_all(struct companion *c, uint64_t pid)
{
	char text[32];
	pid_t peer;
	int ret;

	if (!pid) {
		ret = qmp_peer(&c->machine.qmp, &peer);
		if (ret || peer <= 0)
			return fail("QEMU's process", "unknown: use --pid", ret);
		pid = peer;
	}
	c->pidfd = pidfd_open(pid, 0);
	if (c->pidfd < 0)
		return fail_system("opening QEMU's process", -errno);
	c->signals = take_signals();
	if (c->signals < 0)
		return fail_system("signals", -errno);
	/* For hooks */
	snprintf(text, sizeof(text), "%" PRIu64, pid);
	setenv("DAXLEASE_PID", text, 1);
	ret = open_device(&c->ctx);
	if (ret)
		return ret;
	ret = watch(c, pid);
	daxlease_close(c->ctx);
	return ret;
}

static int run(const char *path, uint64_t pid, const struct settings *settings)
{
	struct companion c = { .settings = settings, .pidfd = -1, .signals = -1 };
	int ret;

	ret = machine_open(&c.machine, path);
	if (ret)
		return fail_system(path, ret);
	ret = open_all(&c, pid);
	if (c.pidfd >= 0)
		close(c.pidfd);
	if (c.signals >= 0)
		close(c.signals);
	machine_close(&c.machine);
	return ret;
}

static const struct command self = {
	NULL, "SOCKET", "Speak for the leases of the QEMU behind the QMP SOCKET.", NULL
};

int main(int argc, char **argv)
{
	struct settings s = { .policy = { .fallback = ACTION_STOP } };
	uint64_t pid = 0;
	const struct option_spec specs[] = {
		{ "on-break", OPTION_CHOICE, &s.policy.fallback, "default: stop", POLICY_CHOICES },
		{ "device", OPTION_WORDS, &s.policy.names, "exceptions: ID=stop|device_del|ack,...", NULL },
		{ "pid", OPTION_NUMBER, &pid, "QEMU's process, if another one listens", NULL },
		{ "grace", OPTION_TIME, &s.grace_ns, "of its leases; default: the module's", NULL },
		{ "drain", OPTION_TIME, &s.drain_ns, "wait for transfers, after stopping", NULL },
		{ "unplug", OPTION_TIME, &s.unplug_ns, "for device_del; default: half the grace", NULL },
		{ "pause-max", OPTION_TIME, &s.pause_max_ns, "go on even if the operation has not", NULL },
		{ "rearm", OPTION_CHOICE, &s.rearm, "default: always; SIGUSR1 does at any time",
		  "always|clone|never" },
		{ "on-loss", OPTION_CHOICE, &s.on_loss, "what cannot come back; default: cont", "cont|stop" },
		{ "hook", OPTION_WORDS, &s.hook, "shell command, run at a break and at the end", NULL },
		{ "hook-time", OPTION_TIME, &s.hook_ns, "it is killed after that", NULL },
		{ }
	};
	const char *path;
	int ret;

	program = "daxlease-qemu";
	if (argc > 1 && !strcmp(argv[1], "--version")) {
		puts("daxlease-qemu " DAXLEASE_VERSION);
		return EXIT_OK;
	}
	ret = parse_options(&self, specs, argc, argv, &path);
	if (ret != PARSED)
		return ret;
	if (pid > INT_MAX)
		return fail("--pid", "not a process id", 0), EXIT_USAGE;
	if (!policy_check(&s.policy))
		return fail("--device", "takes ID=stop|device_del|ack, separated by commas", 0), EXIT_USAGE;
	ret = run(path, pid, &s);
	if (fflush(stdout) || ferror(stdout))
		return fail("standard output", "could not be written", 0);
	return ret;
}
