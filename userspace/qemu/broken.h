/* SPDX-License-Identifier: GPL-2.0 */
/* The leases that are being taken back, or have lost something. Pure: nothing of the system is asked. */
#ifndef DAXLEASE_QEMU_BROKEN_H
#define DAXLEASE_QEMU_BROKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libdaxlease.h>

/**
 * struct broken - one of them
 * @id: the lease
 * @generation: for ACK
 * @break_id: for ACK
 * @deadline_ns: of the open break
 * @reason: enum daxlease_reason of the last break
 * @unanswered: a break is open, and waits for us or its deadline
 * @cleared: the operation is over: re-arming makes sense
 * @asked: re-arm whatever the settings say
 * @kept: what it lost stays lost until somebody asks for it; the machine does not wait
 */
struct broken {
	uint64_t id;
	uint64_t generation;
	uint64_t break_id;
	uint64_t deadline_ns;
	uint32_t reason;
	bool unanswered;
	bool cleared;
	bool asked;
	bool kept;
};

/**
 * struct broken_list - all of them; zeroed: none
 * @list: in no order
 * @count: how many
 */
struct broken_list {
	struct broken *list;
	size_t count;
};

int broken_note(struct broken_list *l, const struct daxlease_event *event);
void broken_drop(struct broken_list *l, struct broken *b);
void broken_free(struct broken_list *l);
bool broken_unanswered(const struct broken_list *l, uint64_t *deadline_ns);
size_t broken_open(const struct broken_list *l);

#endif /* DAXLEASE_QEMU_BROKEN_H */
