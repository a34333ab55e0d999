// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>

#include "follow.h"
#include "output.h"
#include "tool.h"

#define NEVER	UINT64_MAX

enum step {
	GO_ON,
	DONE,
	FAILED,	/* and said so */
};

/**
 * follow_signals - take SIGINT and SIGTERM as a file descriptor, so that none gets lost
 *
 * Return: the descriptor or -errno.
 */
int follow_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void print_event(const struct daxlease_event *event)
{
	struct json_object *record = record_event("event");

	put_bits(record, "bits", event->bits, daxlease_event_bit_name);
	put_bits(record, "flags", event->flags, daxlease_event_flag_name);
	put_name(record, "reason", event->reason, daxlease_reason_name(event->reason));
	put_number(record, "id", event->id);
	put_number(record, "generation", event->generation);
	put_number(record, "break_id", event->break_id);
	put_bytes(record, "hit_offset", event->hit_offset);
	put_bytes(record, "hit_length", event->hit_length);
	put_bytes(record, "lost_offset", event->lost_offset);
	put_bytes(record, "lost_length", event->lost_length);
	put_clock(record, "time_ns", event->time_ns);
	put_clock(record, "deadline_ns", event->deadline_ns);
	put_number(record, "pid", event->pid);
	put_text(record, "comm", event->comm);
	record_print_line(record);
}

static enum step take_events(struct follow *f)
{
	struct daxlease_event event;
	int ret;

	while ((ret = daxlease_next_event(f->ctx, &event, sizeof(event), 0)) > 0) {
		print_event(&event);
		if (f->on_break != ON_BREAK_IGNORE &&
		    reactions_plan(&f->reactions, &event, now_ns() + f->after_ns)) {
			fail_system("event", -ENOMEM);
			return FAILED;
		}
		if (f->lease == event.id && event.bits & DAXLEASE_EVENT_REVOKED)
			return DONE;
		if (f->count && !--f->count)
			return DONE;
	}
	if (ret < 0 && ret != -EINTR) {
		fail_system("reading events", ret);
		return FAILED;
	}
	return GO_ON;
}

static enum step ack(struct follow *f, const struct reaction *reaction)
{
	struct json_object *record;
	int ret;

	ret = daxlease_lease_ack(f->ctx, reaction->id, reaction->generation, reaction->break_id);
	/* The break, or an implicit lease, may have ended while the ack was on its way. */
	if (ret && ret != -ESTALE && ret != -ENOENT) {
		fail_lease("acknowledging a break", DAXLEASE_CMD_ACK, ret);
		return FAILED;
	}
	record = record_event("ack");
	put_number(record, "id", reaction->id);
	put_number(record, "break_id", reaction->break_id);
	put_text(record, "result", ret ? "late" : "fenced");
	record_print_line(record);
	return GO_ON;
}

static enum step react(struct follow *f)
{
	struct reaction reaction;

	while (reactions_take(&f->reactions, now_ns(), &reaction)) {
		if (f->on_break == ON_BREAK_RELEASE)
			return DONE;
		if (ack(f, &reaction) == FAILED)
			return FAILED;
	}
	return GO_ON;
}

static int poll_until(struct pollfd *fds, nfds_t nr_fds, uint64_t until_ns)
{
	uint64_t now = now_ns(), left = until_ns > now ? until_ns - now : 0;
	struct timespec ts = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };

	return ppoll(fds, nr_fds, until_ns == NEVER ? NULL : &ts, NULL) < 0 ? -errno : 0;
}

static enum step follow_once(struct follow *f, int signals, uint64_t end_ns)
{
	struct pollfd fds[] = {
		{ .fd = daxlease_fd(f->ctx), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
		{ .fd = f->pidfd, .events = POLLIN },	/* poll() ignores -1 */
	};
	uint64_t next_ns;
	enum step step;
	int ret;

	step = react(f);
	if (step != GO_ON)
		return step;
	next_ns = reactions_next(&f->reactions);
	ret = poll_until(fds, ARRAY_SIZE(fds), next_ns < end_ns ? next_ns : end_ns);
	if (ret && ret != -EINTR) {
		fail_system("waiting for events", ret);
		return FAILED;
	}
	/* Before the other ends: what has happened is printed even so. */
	step = take_events(f);
	if (step != GO_ON)
		return step;
	return fds[1].revents || fds[2].revents || now_ns() >= end_ns ? DONE : GO_ON;
}

/**
 * follow - print events and react to breaks until one of the ends is met
 * @f: what and how long
 * @signals: from follow_signals()
 *
 * Return: EXIT_OK, or EXIT_ERROR after a message.
 */
int follow(struct follow *f, int signals)
{
	uint64_t start = now_ns(), end_ns = NEVER;
	enum step step;

	if (f->timeout_ns && f->timeout_ns < NEVER - start)
		end_ns = start + f->timeout_ns;
	do {
		step = follow_once(f, signals, end_ns);
	} while (step == GO_ON);
	reactions_free(&f->reactions);
	return step == DONE ? EXIT_OK : EXIT_ERROR;
}
