// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A watcher of a process that maps fs-dax files for devices with VFIO and does not know of leases:
 * gives its leases a grace, says what is taken back, and ends when the process does. Without a
 * watcher such leases are fenced at once.
 *
 *	watcher PID [GRACE_MS]
 *
 * A program that watches itself does the same with getpid(), before it maps anything.
 *
 * Build: cc -o watcher watcher.c $(pkg-config --cflags --libs libdaxlease)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <libdaxlease.h>

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "watcher: %s: %s\n", what, why);
	return 1;
}

static void print_event(const struct daxlease_event *event)
{
	const char *reason = daxlease_reason_name(event->reason);

	printf("lease %llu:", event->id);
	for (uint32_t bit = 1; bit; bit <<= 1)
		if (event->bits & bit)
			printf(" %s", daxlease_event_bit_name(bit) ? daxlease_event_bit_name(bit) : "?");
	printf(", %s, bytes %llu+%llu of the file\n", reason ? reason : "?",
	       event->lost_offset, event->lost_length);
}

/*
 * A real watcher has the device stopped here (QEMU: QMP "stop") and then acks. This one lets the
 * grace pass, and the kernel fence.
 */
static int take_events(struct daxlease_ctx *ctx)
{
	struct daxlease_event event;
	int ret;

	while ((ret = daxlease_next_event(ctx, &event, sizeof(event), 0)) > 0)
		print_event(&event);
	return ret;
}

static int watch(struct daxlease_ctx *ctx, int pidfd, uint64_t grace_ns)
{
	struct pollfd fds[] = {
		{ .fd = daxlease_fd(ctx), .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN },
	};
	int ret;

	ret = daxlease_watch_pidfd(ctx, pidfd, grace_ns);
	if (ret)
		return fail("watching", daxlease_explain(DAXLEASE_CMD_WATCH, ret));
	puts("watching");
	while (!ret && !fds[1].revents) {
		fflush(stdout);
		if (poll(fds, 2, -1) < 0)
			return fail("poll", strerror(errno));
		ret = take_events(ctx);
	}
	if (ret < 0)
		return fail("reading events", strerror(-ret));
	puts("the process has ended");
	return 0;
}

int main(int argc, char **argv)
{
	struct daxlease_ctx *ctx;
	int pidfd, ret;

	if (argc < 2 || argc > 3) {
		fputs("usage: watcher PID [GRACE_MS]\n", stderr);
		return 2;
	}
	/* Of the very process from here on, whatever happens to its number. */
	pidfd = pidfd_open(atoi(argv[1]), 0);
	if (pidfd < 0)
		return fail(argv[1], strerror(errno));
	ret = daxlease_open(NULL, &ctx);
	if (ret) {
		fail(DAXLEASE_DEVICE, daxlease_explain(0, ret));
	} else {
		ret = watch(ctx, pidfd, argc > 2 ? strtoull(argv[2], NULL, 10) * 1000000 : 0);
		daxlease_close(ctx);
	}
	close(pidfd);
	return !!ret;
}
