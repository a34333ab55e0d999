// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A cooperative holder: leases a whole file for writing, gives way to breaks at once, and ends when
 * nothing is left, or when its standard input does.
 *
 *	holder FILE
 *
 * Build: cc -o holder holder.c $(pkg-config --cflags --libs libdaxlease)
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libdaxlease.h>

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "holder: %s: %s\n", what, why);
	return 1;
}

/* A real holder stops its device from using the range here, and no more: it must not wait for others. */
static void stop_device(const struct daxlease_event *event)
{
	printf("stopping at %llu+%llu for %s\n", event->lost_offset, event->lost_length,
	       event->comm[0] ? event->comm : "somebody");
}

/* Returns 1 when nothing is left of the lease, 0 to go on, or a negative errno. */
static int take_events(struct daxlease_ctx *ctx)
{
	struct daxlease_event event;
	int ret;

	while ((ret = daxlease_next_event(ctx, &event, sizeof(event), 0)) > 0) {
		/* With FENCED it is over already: no need to ack. */
		if ((event.bits & (DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED)) ==
		    DAXLEASE_EVENT_BREAK) {
			stop_device(&event);
			ret = daxlease_lease_ack(ctx, event.id, event.generation, event.break_id);
			/* -ESTALE: the deadline came first. It is the same to us. */
			printf("gave way%s\n", ret ? ", too late" : "");
		}
		if (event.bits & DAXLEASE_EVENT_REVOKED)
			return 1;
	}
	return ret;
}

static int hold(struct daxlease_ctx *ctx)
{
	struct pollfd fds[] = {
		{ .fd = daxlease_fd(ctx), .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	int ret = 0;

	while (!ret && !fds[1].revents) {
		fflush(stdout);
		if (poll(fds, 2, -1) < 0)
			return fail("poll", "failed");
		ret = take_events(ctx);
	}
	if (ret < 0)
		return fail("reading events", strerror(-ret));
	puts(ret ? "nothing is left" : "done");
	return 0;
}

static int acquire(struct daxlease_ctx *ctx, const char *path)
{
	struct daxlease_acquire args = { .flags = DAXLEASE_WRITE };
	uint64_t page = sysconf(_SC_PAGESIZE);
	struct stat st;
	int ret;

	args.fd = open(path, O_RDWR | O_CLOEXEC);
	if (args.fd < 0 || fstat(args.fd, &st)) {
		if (args.fd >= 0)
			close(args.fd);
		return fail(path, "cannot be opened");
	}
	args.length = st.st_size & ~(page - 1);
	ret = daxlease_lease_acquire(ctx, &args, sizeof(args));
	close(args.fd);		/* the lease holds the file by itself */
	if (ret)
		return fail(path, daxlease_explain(DAXLEASE_CMD_ACQUIRE, ret));
	printf("holding %llu bytes\n", args.length);
	return hold(ctx);
}

int main(int argc, char **argv)
{
	struct daxlease_ctx *ctx;
	int ret;

	if (argc != 2) {
		fputs("usage: holder FILE\n", stderr);
		return 2;
	}
	ret = daxlease_open(NULL, &ctx);
	if (ret)
		return fail(DAXLEASE_DEVICE, daxlease_explain(0, ret));
	ret = acquire(ctx, argv[1]);
	daxlease_close(ctx);	/* releases the lease */
	return ret;
}
