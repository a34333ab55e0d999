// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading events, exactly one record with each read(2): nothing is buffered here, so the descriptor
 * is readable whenever there is an event, and threads need no lock. The kernel promises the size of
 * a record.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "ctx.h"
#include "syscall.h"

#define EVENT_SIZE	128	/* for ever, also if the structure has grown */

static int read_event(struct daxlease_ctx *ctx, struct daxlease_event *event, size_t size)
{
	struct daxlease_event record;
	ssize_t n = daxlease_sys_read(ctx->fd, &record, EVENT_SIZE);

	if (n < 0)
		return n;
	if (n != EVENT_SIZE || record.size != EVENT_SIZE)
		return -EPROTO;
	memset(event, 0, size);
	memcpy(event, &record, EVENT_SIZE);
	return 1;
}

static int wait_readable(struct daxlease_ctx *ctx, int timeout_ms)
{
	struct pollfd pfd = { .fd = ctx->fd, .events = POLLIN };
	int ret;

	ret = daxlease_sys_poll(&pfd, 1, timeout_ms);
	if (ret <= 0)
		return ret;
	return pfd.revents & POLLIN ? 1 : -EIO;
}

/* Rounded up, so as not to spin through the last millisecond. */
static int remaining_ms(uint64_t deadline_ns)
{
	uint64_t now = daxlease_sys_now_ns();
	uint64_t ms = now < deadline_ns ? (deadline_ns - now + 999999) / 1000000 : 0;

	return ms < INT_MAX ? ms : INT_MAX;
}

/**
 * daxlease_next_event - take the next event
 * @ctx: the context
 * @event: out
 * @size: sizeof(*event); what is beyond the kernel's record is zeroed
 * @timeout_ms: how long to wait for one: 0 not at all, negative without limit
 *
 * Each lease has at most one event waiting, with all that happened since it was read last.
 *
 * Return: 1 with an event; 0 if there was none in time; -EINTR if a signal handler ran; -EPROTO
 * for a record that makes no sense; -EINVAL for a @size below a record's; another -errno.
 */
int daxlease_next_event(struct daxlease_ctx *ctx, struct daxlease_event *event, size_t size,
			int timeout_ms)
{
	uint64_t deadline = 0;
	int ret;

	if (size < EVENT_SIZE)
		return -EINVAL;
	if (timeout_ms > 0)
		deadline = daxlease_sys_now_ns() + timeout_ms * 1000000ULL;
	for (;;) {
		ret = read_event(ctx, event, size);
		if (ret != -EAGAIN)
			return ret;
		/* Another thread may have been faster: back here with what is left of the time. */
		ret = wait_readable(ctx, timeout_ms > 0 ? remaining_ms(deadline) : timeout_ms);
		if (ret <= 0)
			return ret;
	}
}
