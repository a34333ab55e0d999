// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "follow.h"
#include "output.h"
#include "parse.h"
#include "tool.h"

static int watch_pidfd(struct daxlease_ctx *ctx, uint64_t pid, uint64_t grace_ns, struct follow *f)
{
	struct json_object *record;
	int signals, ret;

	ret = daxlease_watch_pidfd(ctx, f->pidfd, grace_ns);
	if (ret)
		return fail_lease("watching the process", DAXLEASE_CMD_WATCH, ret);
	record = record_event("watching");
	put_number(record, "pid", pid);

	/* First the signals, then the line: whoever has read it may send one. */
	signals = follow_signals();
	record_print_line(record);
	if (signals < 0)
		return fail_system("signals", signals);
	f->ctx = ctx;
	ret = follow(f, signals);
	close(signals);
	return ret;
}

static int watch(uint64_t pid, uint64_t grace_ns, struct follow *f)
{
	struct daxlease_ctx *ctx;
	int ret;

	f->pidfd = pidfd_open(pid, 0);
	if (f->pidfd < 0)
		return fail_system("opening the process", -errno);
	ret = open_device(&ctx);
	if (!ret) {
		ret = watch_pidfd(ctx, pid, grace_ns, f);
		daxlease_close(ctx);
	}
	close(f->pidfd);
	return ret;
}

int cmd_watch(const struct command *cmd, int argc, char **argv)
{
	struct follow f = { .pidfd = -1 };
	uint64_t pid, grace_ns = 0;
	const struct option_spec specs[] = {
		{ "grace", OPTION_TIME, &grace_ns, "of its implicit leases, while we watch", NULL },
		FOLLOW_OPTIONS(&f, "ignore|ack"),
		{ }
	};
	const char *text;
	int ret;

	ret = parse_options(cmd, specs, argc, argv, &text);
	if (ret != PARSED)
		return ret;
	if (parse_number(text, &pid) || !pid || pid > INT_MAX) {
		fail(text, "not a process id", 0);
		return EXIT_USAGE;
	}
	return watch(pid, grace_ns, &f);
}
