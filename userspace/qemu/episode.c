// SPDX-License-Identifier: GPL-2.0
/*
 * Fails safe: whatever QEMU, the hook or the guest do not do in time is said, and left to the kernel, which fences at the
 * deadline. Only a machine that is known to stand still makes us give way early.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "episode.h"
#include "hook.h"
#include "steps.h"
#include "tool.h"

#define CONT_NS		5000000000	/* QEMU keeps the order of commands: later is late, and not lost */
#define DONE_HOOK_NS	10000000000

static struct json_object *say(const struct companion *c, const char *name)
{
	return step(name, c->start_ns);
}

static void say_problem(const struct companion *c, const char *name, const char *why)
{
	struct json_object *record = say(c, name);

	put_text(record, "problem", why);
	record_print_line(record);
}

static const char *qmp_problem(const struct companion *c, int err)
{
	return err == -ETIMEDOUT ? "no answer in time" :
	       err == -EBUSY ? "it runs on, or sleeps and may wake" :
	       err == -EREMOTEIO ? c->machine.qmp.error : strerrordesc_np(-err);
}

static void say_event(const struct companion *c, const struct daxlease_event *event)
{
	struct json_object *record = say(c, event->bits & DAXLEASE_EVENT_BREAK ? "break" : "event");

	put_number(record, "id", event->id);
	put_bits(record, "bits", event->bits, daxlease_event_bit_name);
	put_bits(record, "flags", event->flags, daxlease_event_flag_name);
	put_name(record, "reason", event->reason, daxlease_reason_name(event->reason));
	put_bytes(record, "lost_offset", event->lost_offset);
	put_bytes(record, "lost_length", event->lost_length);
	put_clock(record, "deadline_ns", event->deadline_ns);
	put_number(record, "pid", event->pid);
	put_text(record, "comm", event->comm);
	record_print_line(record);
}

/**
 * episode_event - take an event in
 * @c: the companion
 * @event: new
 *
 * Return: 0 or -ENOMEM.
 */
int episode_event(struct companion *c, const struct daxlease_event *event)
{
	char pid[16];

	if (!c->start_ns) {
		c->start_ns = event->time_ns;
		/* For hooks */
		snprintf(pid, sizeof(pid), "%" PRIu64, (uint64_t)event->pid);
		setenv("DAXLEASE_BREAKER", pid, 1);
		setenv("DAXLEASE_REASON", daxlease_reason_name(event->reason) ?: "unknown", 1);
	}
	say_event(c, event);
	return broken_note(&c->broken, event);
}

/* What is left until @deadline_ns, divided; at least a moment, so that "no time" is not "for ever" */
static uint64_t share(uint64_t deadline_ns, unsigned int part)
{
	uint64_t now = now_ns();

	return deadline_ns > now ? (deadline_ns - now) / part + 1 : 1;
}

static void run_hook(struct companion *c, const char *name, uint64_t time_ns)
{
	struct json_object *record;
	int ret;

	if (!c->settings->hook)
		return;
	ret = hook_run(c->settings->hook, name, time_ns);
	record = say(c, "hook");
	put_text(record, "step", name);
	if (ret == -ETIMEDOUT)
		put_text(record, "problem", "killed: it took too long");
	else if (ret < 0)
		put_text(record, "problem", strerrordesc_np(-ret));
	else
		put_number(record, "status", ret);
	record_print_line(record);
}

static void unplug(struct companion *c, uint64_t deadline_ns)
{
	uint64_t time_ns = c->settings->unplug_ns ? c->settings->unplug_ns : share(deadline_ns, 2);
	int ret;

	ret = machine_unplug(&c->machine, &c->settings->policy, now_ns() + time_ns);
	if (ret)
		say_problem(c, "device_del", qmp_problem(c, ret));
	else
		record_print_line(say(c, "device_del"));
}

/* True if the machine stands still, or need not */
static bool stop(struct companion *c, uint64_t deadline_ns)
{
	uint64_t asked_ns = now_ns();
	struct json_object *record;
	int ret;

	ret = machine_stop(&c->machine, deadline_ns);
	if (c->machine.ours && !c->stopped_ns)
		c->stopped_ns = asked_ns;
	if (ret < 0) {
		say_problem(c, "stop", qmp_problem(c, ret));
		return false;
	}
	record = say(c, "stop");
	put_text(record, "machine", ret ? "stood already" : "stopped");
	put_span(record, "took_ns", now_ns() - asked_ns);
	record_print_line(record);
	return true;
}

/* Whether it is safe to give way: everything that was asked for has happened */
static bool prepare(struct companion *c, uint64_t deadline_ns)
{
	const struct policy *p = &c->settings->policy;
	bool must_stop = p->fallback == ACTION_STOP;
	int ret;

	if (!policy_is_uniform(p)) {
		ret = machine_find_devices(&c->machine, deadline_ns);
		if (ret) {
			say_problem(c, "devices", qmp_problem(c, ret));
			return false;
		}
		/* What does DMA, and is none of them, is a device all the same */
		must_stop = c->machine.unlisted || (!c->machine.nr_devices && p->fallback != ACTION_ACK);
		if (machine_wants(&c->machine, p, ACTION_DEL))
			unplug(c, deadline_ns);
		/* A guest that did not agree is stopped like the others */
		must_stop |= machine_wants(&c->machine, p, ACTION_STOP) || machine_wants(&c->machine, p, ACTION_DEL);
	}
	return !must_stop || stop(c, deadline_ns);
}

static void drain(struct companion *c, uint64_t deadline_ns)
{
	uint64_t ns = share(deadline_ns, 2);
	struct timespec ts;

	if (!c->settings->drain_ns || !c->stopped_ns)
		return;
	if (c->settings->drain_ns < ns)
		ns = c->settings->drain_ns;
	ts = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	record_print_line(say(c, "drained"));
}

static void ack(struct companion *c, struct broken *b)
{
	uint64_t asked_ns = now_ns();
	struct json_object *record;
	int ret;

	ret = daxlease_lease_ack(c->ctx, b->id, b->generation, b->break_id);
	record = say(c, "ack");
	put_number(record, "id", b->id);
	put_text(record, "result", !ret ? "fenced" : ret == -ENOENT ? "gone" : ret == -ESTALE ? "late" : "failed");
	put_span(record, "took_ns", now_ns() - asked_ns);
	if (ret && ret != -ENOENT && ret != -ESTALE)
		put_text(record, "problem", daxlease_explain(DAXLEASE_CMD_ACK, ret));
	record_print_line(record);
	b->unanswered = false;
	if (ret == -ENOENT)
		broken_drop(&c->broken, b);
}

/* Once for all breaks that are open, since one machine stops once */
static void answer(struct companion *c, uint64_t deadline_ns)
{
	bool ready;

	run_hook(c, "break", c->settings->hook_ns ? c->settings->hook_ns : share(deadline_ns, 4));
	ready = prepare(c, deadline_ns);
	if (ready)
		drain(c, deadline_ns);
	else
		say_problem(c, "no-ack", "the kernel fences at the deadline");
	for (size_t i = c->broken.count; i-- > 0; ) {
		struct broken *b = &c->broken.list[i];

		if (!b->unanswered)
			continue;
		if (ready)
			ack(c, b);
		else
			b->unanswered = false;	/* FENCED will come */
	}
}

/* By granule, after the whole was refused; *@lost: out: how many did not come back. -EAGAIN: one may, later */
static int rearm_granules(struct companion *c, uint64_t id, const struct daxlease_query *query, uint64_t *lost)
{
	uint64_t offset, length, generation;
	int ret;

	for (uint64_t n = 0; n < query->granules; n++) {
		if (daxlease_granule_range(query, DAXLEASE_GRANULE, n, &offset, &length))
			continue;
		ret = daxlease_lease_rearm(c->ctx, id, offset, length, &generation);
		if (ret == -EAGAIN)
			return ret;
		*lost += !!ret;
	}
	return 0;
}

/*
 * Not for ever if somebody has the file locked, or something is to be fenced: then at the next tick. Afterwards it may be
 * gone from the list
 */
static void rearm(struct companion *c, struct broken *b)
{
	struct daxlease_query query = { 0 };
	uint64_t asked_ns = now_ns(), generation = 0, lost = 0;
	struct json_object *record;
	int ret;

	ret = daxlease_lease_query(c->ctx, b->id, &query, sizeof(query), NULL, 0);
	if (!ret)
		ret = daxlease_lease_rearm(c->ctx, b->id, query.offset, query.length, &generation);
	if (ret == -EAGAIN)
		return;
	if (ret && ret != -ENOENT && rearm_granules(c, b->id, &query, &lost))
		return;
	record = say(c, ret == -ENOENT ? "gone" : "rearm");
	put_number(record, "id", b->id);
	if (ret != -ENOENT) {
		put_number(record, "generation", generation);
		put_number(record, "lost", query.granules_lost);
		put_number(record, "still_lost", lost);
		put_span(record, "took_ns", now_ns() - asked_ns);
	}
	if (lost)
		put_text(record, "problem", daxlease_explain(DAXLEASE_CMD_REARM, ret));
	record_print_line(record);
	c->loss |= lost;
	b->kept = lost;
	if (!lost)
		broken_drop(&c->broken, b);
}

static bool wanted_back(const struct companion *c, const struct broken *b)
{
	if (b->asked)
		return true;
	switch (c->settings->rearm) {
	case REARM_ALWAYS:
		return true;
	case REARM_CLONE:
		return b->reason == DAXLEASE_REASON_REMAP;
	default:
		return false;
	}
}

static void keep(struct companion *c, struct broken *b)
{
	struct json_object *record = say(c, "left-lost");

	put_number(record, "id", b->id);
	record_print_line(record);
	b->kept = true;
}

static void bring_back(struct companion *c)
{
	struct daxlease_query query;

	/* From the end, since what is dropped is replaced by the last */
	for (size_t i = c->broken.count; i-- > 0; ) {
		struct broken *b = &c->broken.list[i];

		if (b->kept)
			continue;
		if (b->cleared && !wanted_back(c, b))
			keep(c, b);
		else if (b->cleared)
			rearm(c, b);
		else if (daxlease_lease_query(c->ctx, b->id, &query, sizeof(query), NULL, 0) == -ENOENT)
			broken_drop(&c->broken, b);
	}
}

static void cont(struct companion *c, const char *why)
{
	uint64_t since = c->stopped_ns;
	struct json_object *record;
	int ret;

	if (!since)
		return;
	ret = machine_cont(&c->machine, now_ns() + CONT_NS);
	c->stopped_ns = 0;
	c->pause_ns += now_ns() - since;
	record = say(c, "cont");
	put_text(record, "why", why);
	put_span(record, "pause_ns", c->pause_ns);
	if (ret)
		put_text(record, "problem", qmp_problem(c, ret));
	record_print_line(record);
}

static void finish(struct companion *c)
{
	if (c->loss && c->settings->on_loss == LOSS_STOP && c->stopped_ns) {
		say_problem(c, "left-stopped", "not everything came back");
		c->machine.ours = false;
		c->stopped_ns = 0;
	}
	cont(c, c->loss ? "the rest stays lost" : "all is back");
	record_print_line(say(c, "done"));
	run_hook(c, "done", c->settings->hook_ns ? c->settings->hook_ns : DONE_HOOK_NS);
	c->start_ns = 0;
	c->pause_ns = 0;
	c->loss = false;
}

/**
 * episode_proceed - do what can be done now
 * @c: the companion
 *
 * Called after each event and, while something is open, at each tick.
 */
void episode_proceed(struct companion *c)
{
	uint64_t deadline_ns;

	if (!c->start_ns)
		return;
	if (broken_unanswered(&c->broken, &deadline_ns))
		answer(c, deadline_ns);
	bring_back(c);
	if (!broken_open(&c->broken))
		finish(c);
	else if (c->settings->pause_max_ns && c->stopped_ns &&
		 now_ns() - c->stopped_ns > c->settings->pause_max_ns)
		cont(c, "the operation takes too long");
}

/**
 * episode_rearm_kept - what was left lost is wanted back
 * @c: the companion
 */
void episode_rearm_kept(struct companion *c)
{
	if (!c->start_ns)
		c->start_ns = now_ns();
	for (size_t i = 0; i < c->broken.count; i++) {
		struct broken *b = &c->broken.list[i];

		b->asked = b->cleared;
		b->kept &= !b->asked;
	}
}

/**
 * episode_abandon - we are leaving: the machine must not stand for ever
 * @c: the companion
 */
void episode_abandon(struct companion *c)
{
	cont(c, "daxlease-qemu ends");
}
