/* SPDX-License-Identifier: GPL-2.0 */
/*
 * event: notice to holders, without allocation.
 *
 * A queue belongs to one open of the device. A slot joins one lease to one queue and holds at most
 * one coalesced record; it is allocated with the lease or the watch, so that posting cannot fail.
 * Lock order: gate lock > queue lock. A slot is linked to its lease under the gate lock and to the
 * queue's pending list under the queue lock. A slot keeps the queue's memory; a closed queue takes
 * no records.
 */
#ifndef _DAXLEASE_EVENT_H
#define _DAXLEASE_EVENT_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <daxlease.h>

#include "range.h"

struct pid;

struct dl_queue {
	struct kref ref;
	spinlock_t lock;		/* pending, closed, records of the slots */
	struct list_head pending;	/* dl_slot.pending */
	bool closed;
	wait_queue_head_t wait;		/* readers */
};

/* What happened to a lease. Times in ns of CLOCK_MONOTONIC, ranges in pages. */
struct dl_note {
	u32 bits;
	u32 flags;
	u32 reason;
	u64 generation;
	u64 break_id;
	struct dl_range hit;
	struct dl_range lost;
	u64 now;
	u64 deadline;			/* 0: as noted before */
	struct pid *breaker;		/* borrowed; NULL: as noted before */
	const char *comm;		/* borrowed; with breaker */
};

/*
 * What a reader is told next, since it was told last; times and ranges as in struct dl_note. As it
 * is told, a struct daxlease_event, it would be a third larger.
 */
struct dl_record {
	u32 bits;			/* 0: nothing */
	u32 flags;
	u32 reason;
	char comm[DAXLEASE_COMM_LEN];
	u64 generation;
	u64 break_id;
	struct dl_range hit;
	struct dl_range lost;
	u64 first;			/* when the first bit was set */
	u64 deadline;
	struct pid *breaker;		/* referenced while bits */
};

struct dl_slot {
	struct list_head on_lease;	/* dl_lease.slots; gate lock */
	struct list_head pending;	/* queue lock */
	struct dl_queue *queue;		/* referenced */
	u64 grace;			/* ns that this holder wants */
	u64 id;
	u64 cookie;
	struct dl_record record;	/* queue lock */
	u64 posts;			/* counts additions to the record; queue lock */
	u64 noticed_break;		/* last break that a reader has heard of; queue lock */
	u64 noticed;			/* ns: when; queue lock */
};

struct dl_queue *dl_queue_alloc(void);
void dl_queue_close(struct dl_queue *queue);
void dl_queue_put(struct dl_queue *queue);
bool dl_queue_peek(struct dl_queue *queue, struct daxlease_event *ev, u64 *posts);
void dl_queue_consume(struct dl_queue *queue, u64 id, u64 posts);
bool dl_queue_ready(struct dl_queue *queue);

void dl_slot_init(struct dl_slot *slot, struct dl_queue *queue, u64 id, u64 cookie, u64 grace);
void dl_slot_fini(struct dl_slot *slot);
u64 dl_slot_noticed(struct dl_slot *slot, u64 break_id);
void dl_slot_post(struct dl_slot *slot, const struct dl_note *note);

/** dl_slot_live() - does somebody still listen? */
static inline bool dl_slot_live(const struct dl_slot *slot)
{
	return !READ_ONCE(slot->queue->closed);
}

#endif /* _DAXLEASE_EVENT_H */
