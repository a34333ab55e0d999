// SPDX-License-Identifier: GPL-2.0
#include <linux/build_bug.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "event.h"

/**
 * dl_queue_alloc() - a new event queue
 *
 * Context: process context, may sleep.
 * Return: the queue with one reference, or NULL.
 */
struct dl_queue *dl_queue_alloc(void)
{
	struct dl_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);

	if (!queue)
		return NULL;
	kref_init(&queue->ref);
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->pending);
	init_waitqueue_head(&queue->wait);
	return queue;
}

static void queue_free(struct kref *ref)
{
	kfree(container_of(ref, struct dl_queue, ref));
}

/**
 * dl_queue_put() - drop a reference
 * @queue: the queue
 */
void dl_queue_put(struct dl_queue *queue)
{
	kref_put(&queue->ref, queue_free);
}

static void forget(struct dl_slot *slot)
{
	lockdep_assert_held(&slot->queue->lock);
	list_del_init(&slot->pending);
	put_pid(slot->record.breaker);
	slot->record = (struct dl_record){};
}

/**
 * dl_queue_close() - stop taking records and drop those pending
 * @queue: the queue; the caller keeps its reference
 */
void dl_queue_close(struct dl_queue *queue)
{
	struct dl_slot *slot, *next;

	spin_lock(&queue->lock);
	WRITE_ONCE(queue->closed, true);
	list_for_each_entry_safe(slot, next, &queue->pending, pending)
		forget(slot);
	spin_unlock(&queue->lock);
}

/**
 * dl_queue_ready() - would dl_queue_pop() return a record?
 * @queue: the queue
 *
 * Return: true if so at this moment.
 */
bool dl_queue_ready(struct dl_queue *queue)
{
	return !list_empty_careful(&queue->pending);
}

/* A range as user space is told of it: bytes, none for an empty one */
static void tell_range(struct dl_range r, __u64 *offset, __u64 *length)
{
	BUILD_BUG_ON(DL_PAGE_SIZE != PAGE_SIZE);
	*offset = dl_range_empty(r) ? 0 : r.first << DL_PAGE_SHIFT;
	*length = dl_range_pages(r) << DL_PAGE_SHIFT;
}

/* As seen from the pid namespace of the caller */
static void tell(const struct dl_slot *slot, struct daxlease_event *ev)
{
	const struct dl_record *rec = &slot->record;

	lockdep_assert_held(&slot->queue->lock);
	*ev = (struct daxlease_event){
		.size = sizeof(*ev),
		.bits = rec->bits,
		.flags = rec->flags,
		.reason = rec->reason,
		.id = slot->id,
		.cookie = slot->cookie,
		.generation = rec->generation,
		.break_id = rec->break_id,
		.time_ns = rec->first,
		.deadline_ns = rec->deadline,
		.pid = pid_nr_ns(rec->breaker, task_active_pid_ns(current)),
	};
	tell_range(rec->hit, &ev->hit_offset, &ev->hit_length);
	tell_range(rec->lost, &ev->lost_offset, &ev->lost_length);
	if (ev->pid)
		memcpy(ev->comm, rec->comm, sizeof(ev->comm));
}

/**
 * dl_queue_peek() - look at the oldest record
 * @queue: the queue
 * @ev: filled; the breaker as seen from the pid namespace of the caller
 * @posts: filled for dl_queue_consume()
 *
 * Return: false if there is none.
 */
bool dl_queue_peek(struct dl_queue *queue, struct daxlease_event *ev, u64 *posts)
{
	struct dl_slot *slot;

	spin_lock(&queue->lock);
	slot = list_first_entry_or_null(&queue->pending, struct dl_slot, pending);
	if (slot) {
		tell(slot, ev);
		*posts = slot->posts;
	}
	spin_unlock(&queue->lock);
	return slot;
}

/**
 * dl_queue_consume() - the oldest record has reached its reader
 * @queue: the queue
 * @id: lease id of the record
 * @posts: as dl_queue_peek() said; if more was added since, the record stays and is read again
 */
void dl_queue_consume(struct dl_queue *queue, u64 id, u64 posts)
{
	struct dl_slot *slot;

	spin_lock(&queue->lock);
	slot = list_first_entry_or_null(&queue->pending, struct dl_slot, pending);
	if (slot && slot->id == id && slot->record.bits & DAXLEASE_EVENT_BREAK &&
	    slot->noticed_break != slot->record.break_id) {
		slot->noticed_break = slot->record.break_id;
		slot->noticed = ktime_get_ns();
	}
	if (slot && slot->id == id && slot->posts == posts)
		forget(slot);
	spin_unlock(&queue->lock);
}

/**
 * dl_slot_noticed() - when did a reader hear of a break?
 * @slot: the slot
 * @break_id: the break
 *
 * Context: dl_gate.lock may be held.
 * Return: ns, CLOCK_MONOTONIC; 0: not yet.
 */
u64 dl_slot_noticed(struct dl_slot *slot, u64 break_id)
{
	u64 when;

	spin_lock(&slot->queue->lock);
	when = slot->noticed_break == break_id ? slot->noticed : 0;
	spin_unlock(&slot->queue->lock);
	return when;
}

/**
 * dl_slot_init() - prepare a slot
 * @slot: zeroed memory
 * @queue: where its records go; a reference is taken
 * @id: of the lease
 * @cookie: of the lease
 * @grace: ns that the holder behind @queue wants
 */
void dl_slot_init(struct dl_slot *slot, struct dl_queue *queue, u64 id, u64 cookie, u64 grace)
{
	kref_get(&queue->ref);
	slot->queue = queue;
	slot->id = id;
	slot->cookie = cookie;
	slot->grace = grace;
	INIT_LIST_HEAD(&slot->on_lease);
	INIT_LIST_HEAD(&slot->pending);
}

/**
 * dl_slot_fini() - take a slot out of use
 * @slot: initialised, on no lease; its memory is the caller's again
 */
void dl_slot_fini(struct dl_slot *slot)
{
	struct dl_queue *queue = slot->queue;

	spin_lock(&queue->lock);
	forget(slot);
	spin_unlock(&queue->lock);
	dl_queue_put(queue);
}

/**
 * dl_slot_post() - add to the record of a slot and wake its readers
 * @slot: the slot
 * @note: what happened; what it borrows is copied or referenced
 *
 * Context: atomic; the gate lock may be held. Never fails, never allocates.
 */
void dl_slot_post(struct dl_slot *slot, const struct dl_note *note)
{
	struct dl_queue *queue = slot->queue;
	struct dl_record *rec = &slot->record;

	spin_lock(&queue->lock);
	if (queue->closed)
		goto out;
	if (!rec->bits) {
		rec->first = note->now;
		rec->hit = DL_RANGE_NONE;
		rec->lost = DL_RANGE_NONE;
		list_add_tail(&slot->pending, &queue->pending);
	}
	slot->posts++;
	/* Of an earlier break: what this one takes is not fenced, and would pass for it */
	if (note->bits & DAXLEASE_EVENT_BREAK)
		rec->bits = 0;
	rec->bits |= note->bits;
	rec->flags |= note->flags;
	rec->reason = note->reason;
	rec->generation = note->generation;
	rec->break_id = note->break_id;
	if (note->deadline)
		rec->deadline = note->deadline;
	rec->hit = dl_range_span(rec->hit, note->hit);
	rec->lost = dl_range_span(rec->lost, note->lost);
	if (note->breaker) {
		put_pid(rec->breaker);
		rec->breaker = get_pid(note->breaker);
		strscpy_pad(rec->comm, note->comm, sizeof(rec->comm));
	}
out:
	spin_unlock(&queue->lock);
	wake_up_interruptible_poll(&queue->wait, EPOLLIN | EPOLLRDNORM);
}
