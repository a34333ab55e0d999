// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>

#include "broken.h"

static struct broken *find(struct broken_list *l, uint64_t id)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->list[i].id == id)
			return &l->list[i];
	return NULL;
}

static struct broken *add(struct broken_list *l, uint64_t id)
{
	struct broken *list = reallocarray(l->list, l->count + 1, sizeof(*list));

	if (!list)
		return NULL;
	l->list = list;
	list[l->count] = (struct broken){ .id = id };
	return &list[l->count++];
}

/**
 * broken_note - see what an event means for the list
 * @l: the list
 * @event: bits may be coalesced: a break without a fence is open now, whatever else came before it
 *
 * Return: 0 or -ENOMEM.
 */
int broken_note(struct broken_list *l, const struct daxlease_event *event)
{
	struct broken *b = find(l, event->id);

	if (!b)
		b = add(l, event->id);
	if (!b)
		return -ENOMEM;
	b->generation = event->generation;
	b->reason = event->reason;
	b->kept = false;
	if (event->bits & DAXLEASE_EVENT_BREAK) {
		b->break_id = event->break_id;
		b->deadline_ns = event->deadline_ns;
		b->unanswered = true;
		b->cleared = false;
		b->asked = false;
	}
	if (event->bits & (DAXLEASE_EVENT_FENCED | DAXLEASE_EVENT_REVOKED))
		b->unanswered = false;
	if (event->bits & DAXLEASE_EVENT_CLEARED && !b->unanswered)
		b->cleared = true;
	return 0;
}

/**
 * broken_drop - forget one: it has everything back, or is gone
 * @l: the list
 * @b: in it; the last takes its place
 */
void broken_drop(struct broken_list *l, struct broken *b)
{
	*b = l->list[--l->count];
}

/**
 * broken_free - forget all
 * @l: the list, empty afterwards
 */
void broken_free(struct broken_list *l)
{
	free(l->list);
	*l = (struct broken_list){ 0 };
}

/**
 * broken_unanswered - does a break wait for us?
 * @l: the list
 * @deadline_ns: out: the earliest deadline
 *
 * Return: true if one does.
 */
bool broken_unanswered(const struct broken_list *l, uint64_t *deadline_ns)
{
	bool any = false;

	*deadline_ns = UINT64_MAX;
	for (size_t i = 0; i < l->count; i++) {
		if (!l->list[i].unanswered)
			continue;
		any = true;
		if (l->list[i].deadline_ns < *deadline_ns)
			*deadline_ns = l->list[i].deadline_ns;
	}
	return any;
}

/**
 * broken_open - what the machine waits for
 * @l: the list
 *
 * Return: how many leases are neither whole nor left as they are.
 */
size_t broken_open(const struct broken_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->count; i++)
		n += !l->list[i].kept;
	return n;
}
