/* SPDX-License-Identifier: GPL-2.0 */
/* Which breaks wait for a reaction, and until when. Pure: the time comes from the caller. */
#ifndef DAXLEASE_REACTIONS_H
#define DAXLEASE_REACTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libdaxlease.h>

/**
 * struct reaction - a break that waits for one
 * @id: the lease: there is one reaction at most for each
 * @generation: for the ack
 * @break_id: for the ack
 * @due_ns: when
 */
struct reaction {
	uint64_t id;
	uint64_t generation;
	uint64_t break_id;
	uint64_t due_ns;
};

/**
 * struct reactions - all of them; zeroed: none
 * @list: in no order
 * @count: how many
 */
struct reactions {
	struct reaction *list;
	size_t count;
};

int reactions_plan(struct reactions *r, const struct daxlease_event *event, uint64_t due_ns);
bool reactions_take(struct reactions *r, uint64_t now_ns, struct reaction *reaction);
uint64_t reactions_next(const struct reactions *r);
void reactions_free(struct reactions *r);

#endif /* DAXLEASE_REACTIONS_H */
