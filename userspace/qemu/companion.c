// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "companion.h"
#include "episode.h"
#include "steps.h"
#include "tool.h"

/*
 * While something is open: nothing tells that a lease has gone with its mapping, nor that a file can be re-armed that
 * somebody else had locked.
 */
#define TICK_NS		10000000
#define LAST_WORDS_NS	3000000000	/* QEMU closes its monitor some time before it ends */

enum verdict {
	GO_ON,
	DONE,
	FAILED,	/* and said so */
};

static enum verdict take_events(struct companion *c)
{
	struct daxlease_event event;
	int ret;

	while ((ret = daxlease_next_event(c->ctx, &event, sizeof(event), 0)) > 0) {
		ret = episode_event(c, &event);
		if (ret)
			break;
	}
	if (ret < 0 && ret != -EINTR) {
		fail_system("reading events", ret);
		return FAILED;
	}
	return GO_ON;
}

static enum verdict take_signal(struct companion *c)
{
	struct signalfd_siginfo info;

	if (read(c->signals, &info, sizeof(info)) != sizeof(info))
		return GO_ON;
	if (info.ssi_signo != SIGUSR1)
		return DONE;
	episode_rearm_kept(c);
	return GO_ON;
}

static bool has_ended(struct companion *c, uint64_t wait_ns)
{
	struct timespec ts = { .tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000 };
	struct pollfd pfd = { .fd = c->pidfd, .events = POLLIN };

	return ppoll(&pfd, 1, &ts, NULL) > 0;
}

static enum verdict miss_monitor(struct companion *c)
{
	if (has_ended(c, LAST_WORDS_NS))
		return DONE;
	fail("QEMU", "has closed its monitor and runs on; its leases have no grace from now on", 0);
	return FAILED;
}

static enum verdict wait_for_something(struct companion *c)
{
	struct pollfd fds[] = {
		{ .fd = daxlease_fd(c->ctx), .events = POLLIN },
		{ .fd = c->signals, .events = POLLIN },
		{ .fd = c->pidfd, .events = POLLIN },
		{ .fd = c->machine.qmp.fd, .events = POLLIN },
	};
	struct timespec tick = { .tv_nsec = TICK_NS };

	if (ppoll(fds, ARRAY_SIZE(fds), broken_open(&c->broken) ? &tick : NULL, NULL) < 0 && errno != EINTR) {
		fail_system("waiting", -errno);
		return FAILED;
	}
	if (fds[2].revents)
		return DONE;
	if (fds[1].revents)
		return take_signal(c);
	if (fds[3].revents)
		qmp_take(&c->machine.qmp, 0);
	return GO_ON;
}

/**
 * companion_run - look after a QEMU until it ends
 * @c: all set up
 *
 * Return: EXIT_OK when QEMU has ended or a signal asked for it, EXIT_ERROR after a message.
 */
int companion_run(struct companion *c)
{
	enum verdict v = GO_ON;

	while (v == GO_ON) {
		v = take_events(c);
		if (v != GO_ON)
			break;
		episode_proceed(c);
		v = c->machine.qmp.fd < 0 ? miss_monitor(c) : wait_for_something(c);
	}
	if (has_ended(c, 0))
		record_print_line(step("ended", 0));
	else
		episode_abandon(c);
	broken_free(&c->broken);
	return v == FAILED ? EXIT_ERROR : EXIT_OK;
}
