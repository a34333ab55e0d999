// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>

#include "reactions.h"

static struct reaction *find(struct reactions *r, uint64_t id)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].id == id)
			return &r->list[i];
	return NULL;
}

static void drop(struct reactions *r, struct reaction *reaction)
{
	*reaction = r->list[--r->count];
}

static struct reaction *add(struct reactions *r)
{
	struct reaction *list = reallocarray(r->list, r->count + 1, sizeof(*list));

	if (!list)
		return NULL;
	r->list = list;
	return &list[r->count++];
}

/**
 * reactions_plan - see what an event means for the plan
 * @r: the plan
 * @event: a break is planned for; a fence ends what was planned for its lease
 * @due_ns: when to react to it. A break that is planned for already (another operation has joined
 *	it) keeps its time, as it keeps its deadline
 *
 * Return: 0 or -ENOMEM.
 */
int reactions_plan(struct reactions *r, const struct daxlease_event *event, uint64_t due_ns)
{
	struct reaction *reaction = find(r, event->id);

	if (event->bits & (DAXLEASE_EVENT_FENCED | DAXLEASE_EVENT_REVOKED)) {
		if (reaction)
			drop(r, reaction);
		return 0;
	}
	if (!(event->bits & DAXLEASE_EVENT_BREAK))
		return 0;
	if (reaction && reaction->break_id == event->break_id)
		return 0;
	if (!reaction)
		reaction = add(r);
	if (!reaction)
		return -ENOMEM;
	reaction->id = event->id;
	reaction->generation = event->generation;
	reaction->break_id = event->break_id;
	reaction->due_ns = due_ns;
	return 0;
}

/**
 * reactions_take - take one that is due out of the plan
 * @r: the plan
 * @now_ns: the time
 * @reaction: out
 *
 * Return: true if one was due.
 */
bool reactions_take(struct reactions *r, uint64_t now_ns, struct reaction *reaction)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->list[i].due_ns > now_ns)
			continue;
		*reaction = r->list[i];
		drop(r, &r->list[i]);
		return true;
	}
	return false;
}

/**
 * reactions_next - when the next one is due
 * @r: the plan
 *
 * Return: the time, or UINT64_MAX if nothing is planned.
 */
uint64_t reactions_next(const struct reactions *r)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].due_ns < next)
			next = r->list[i].due_ns;
	return next;
}

/**
 * reactions_free - forget all
 * @r: the plan, empty afterwards
 */
void reactions_free(struct reactions *r)
{
	free(r->list);
	r->list = NULL;
	r->count = 0;
}
