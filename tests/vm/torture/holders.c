// SPDX-License-Identifier: GPL-2.0
/* Those who hear of breaks, and answer as they like */
#include "torture.h"
#include "lease.h"

#include <errno.h>
#include <unistd.h>

#define PATIENCE_MS	20	/* for an event, before something else is done */
#define EVENTS_A_LIFE	10	/* of a watching context */

/* 1 ns stands for none: 0 would be the default */
static uint64_t grace(struct actor *a)
{
	uint64_t ms = pick(a, 6);

	return ms ? ms * MS : 1;
}

bool rearmed(struct torture *t, int ret)
{
	switch (ret) {
	case 0:
		t->n.rearms++;
		return true;
	case -EAGAIN:	/* barred, or the next break has begun */
	case -ENODATA:	/* a read lease, and a hole */
	case -EFAULT:	/* no blocks for the hole */
		t->n.rearms_refused++;
		return false;
	default:
		CHECK_RET(ret, 0, "re-arm");
		return false;
	}
}

/* -ENOENT: the mapper was faster */
static void take_back(struct actor *a, int ctx, const struct daxlease_event *ev)
{
	int ret = ev->lost_length ? lease_rearm(ctx, ev->id, ev->lost_offset, ev->lost_length, NULL) : -ENOENT;

	if (ret != -ENOENT)
		rearmed(a->t, ret);
}

/*
 * All that is done to the file is announced, so the gate has no break to begin: what is live there has come back
 * behind a bar. Impatient holders try just that.
 */
static void answer(struct actor *a, int ctx, const struct daxlease_event *ev)
{
	struct torture *t = a->t;
	int ret;

	if (ev->bits & DAXLEASE_EVENT_BREAK) {
		CHECK(ev->reason != DAXLEASE_REASON_LAYOUT, "an operation has met a lease behind its bar");
		t->n.breaks++;
		if (one_in(a, 2)) {
			ret = lease_ack(ctx, ev->id, ev->generation, ev->break_id);
			CHECK(!ret || ret == -ESTALE || ret == -ENOENT, "ACK: %s", ret_name(ret));
			t->n.acks += !ret;
			if (!ret && one_in(a, 2))
				take_back(a, ctx, ev);
		}
	}
	if ((ev->bits & DAXLEASE_EVENT_CLEARED) && one_in(a, 2))
		take_back(a, ctx, ev);
}

/* Its context comes and goes, also with breaks open, and each has another grace */
void *watcher_actor(void *actor)
{
	struct actor *a = actor;
	struct daxlease_event ev;
	int ctx, ret;

	while (!a->t->stop) {
		ctx = lease_open_watching(grace(a));
		a->t->n.contexts++;
		for (int i = 0; i < EVENTS_A_LIFE && !a->t->stop; i++) {
			ret = lease_event(ctx, &ev, PATIENCE_MS);
			CHECK(ret >= 0, "read of events: %s", ret_name(ret));
			if (ret)
				answer(a, ctx, &ev);
		}
		close(ctx);
	}
	return NULL;
}

/* Explicit leases, no device behind them, on what the mappings have leased as well */
void *lessee_actor(void *actor)
{
	struct actor *a = actor;
	struct torture *t = a->t;
	struct daxlease_acquire got;
	struct daxlease_event ev;
	int ctx = lease_open(), ret;
	uint64_t first, n;

	while (!t->stop) {
		n = 1 + pick(a, 4 * MIB / PAGE);
		first = pick(a, ARENA / PAGE - n + 1);
		ret = lease_acquire(ctx, t->fd, first * PAGE, n * PAGE,
				    (one_in(a, 4) ? DAXLEASE_READ : DAXLEASE_WRITE) | (one_in(a, 2) ? DAXLEASE_WAIT : 0),
				    grace(a), &got);
		if (ret) {
			CHECK(ret == -EAGAIN || ret == -EFAULT || ret == -ENODATA, "ACQUIRE: %s", ret_name(ret));
			t->n.acquires_refused++;
			wait_batches(t, 4);
			continue;
		}
		t->n.acquires++;
		while (pick(a, 4)) {
			ret = lease_event(ctx, &ev, PATIENCE_MS);
			CHECK(ret >= 0, "read of events: %s", ret_name(ret));
			if (ret && ev.id == got.id)
				answer(a, ctx, &ev);
		}
		CHECK_RET(lease_release(ctx, got.id), 0);
	}
	close(ctx);
	return NULL;
}
