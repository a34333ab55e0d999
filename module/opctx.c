// SPDX-License-Identifier: GPL-2.0
#include <linux/mempool.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "opctx.h"

#define POOL_RESERVE	64

static struct kmem_cache *op_cache;
static mempool_t *op_pool;

/**
 * dl_op_pool_init() - reserve memory for records
 *
 * Return: 0 or -ENOMEM.
 */
int dl_op_pool_init(void)
{
	op_cache = KMEM_CACHE(dl_op, 0);
	if (!op_cache)
		return -ENOMEM;
	op_pool = mempool_create_slab_pool(POOL_RESERVE, op_cache);
	if (!op_pool) {
		kmem_cache_destroy(op_cache);
		return -ENOMEM;
	}
	return 0;
}

/**
 * dl_op_pool_exit() - undo dl_op_pool_init(); no hook runs any more
 */
void dl_op_pool_exit(void)
{
	mempool_destroy(op_pool);
	kmem_cache_destroy(op_cache);
}

/* From here on a task carries nothing out any more, but it may still be on its way out. */
static bool is_void(const struct dl_op *op)
{
	return op->task->flags & PF_EXITING;
}

static bool is_barred(struct dl_gate *gate, struct dl_range r)
{
	struct dl_op *op;

	lockdep_assert_held(&gate->lock);
	list_for_each_entry(op, &gate->ops, on_gate)
		if (!is_void(op) && dl_range_overlaps(op->range, r))
			return true;
	return false;
}

/* The record is off the list: its bar is gone. */
static void cleared(struct dl_gate *gate, struct dl_range r)
{
	struct daxlease *lease;

	lockdep_assert_held(&gate->lock);
	dl_gate_for_each(lease, gate, r)
		if (!is_barred(gate, dl_range_clip(lease->range, r)))
			dl_lease_cleared(lease, r);
	wake_up_all(&gate->wait);
}

static void op_free(struct dl_op *op)
{
	put_task_struct(op->task);
	dl_gate_put(op->gate);
	mempool_free(op, op_pool);
}

/*
 * Records of tasks that died inside their operation are found by the next one that comes along;
 * only when the task is wholly gone, so that nobody ends a record that was swept away.
 */
static void sweep(struct dl_gate *gate)
{
	struct dl_op *op, *next;
	LIST_HEAD(dead);

	spin_lock(&gate->lock);
	list_for_each_entry_safe(op, next, &gate->ops, on_gate) {
		if (!READ_ONCE(op->task->exit_state))
			continue;
		list_move(&op->on_gate, &dead);
		cleared(gate, op->range);
	}
	spin_unlock(&gate->lock);
	list_for_each_entry_safe(op, next, &dead, on_gate) {
		list_del(&op->on_gate);
		op_free(op);	/* not the last reference on the gate: the caller has one */
	}
}

/**
 * dl_op_begin() - record that this task is about to change a range
 * @inode: the file, kept alive by the caller
 * @range: pages of the file; may be empty: the operation changes no block that can be leased
 *
 * Context: process context, no lock but freeze protection; does not wait for memory.
 * Return: the record, or NULL if the inode has no gate, or without memory: then the inner hooks
 * treat the operation as one they were not told of.
 */
struct dl_op *dl_op_begin(struct inode *inode, struct dl_range range)
{
	struct dl_gate *gate = dl_gate_find(inode);
	struct dl_op *op;

	if (!gate)
		return NULL;
	sweep(gate);
	op = mempool_alloc(op_pool, GFP_NOWAIT | __GFP_NOWARN);
	if (!op) {
		dl_gate_put(gate);
		return NULL;
	}
	op->gate = gate;
	op->task = get_task_struct(current);
	op->range = range;
	spin_lock(&gate->lock);
	list_add_tail(&op->on_gate, &gate->ops);
	spin_unlock(&gate->lock);
	return op;
}

/**
 * dl_op_end() - the operation has returned: its bar is gone, and holders are told
 * @op: the record; gone afterwards
 */
void dl_op_end(struct dl_op *op)
{
	struct dl_gate *gate = op->gate;

	spin_lock(&gate->lock);
	list_del(&op->on_gate);
	cleared(gate, op->range);
	spin_unlock(&gate->lock);
	op_free(op);
}

/**
 * dl_op_range() - what the innermost recorded operation of this task on this inode changes
 * @gate: the gate
 * @range: filled
 *
 * Return: false if there is no such record.
 */
bool dl_op_range(struct dl_gate *gate, struct dl_range *range)
{
	struct dl_op *op;
	bool found = false;

	spin_lock(&gate->lock);
	list_for_each_entry_reverse(op, &gate->ops, on_gate) {
		if (op->task != current)
			continue;
		*range = op->range;
		found = true;
		break;
	}
	spin_unlock(&gate->lock);
	return found;
}

/**
 * dl_op_barred() - is part of a range barred from being leased?
 * @gate: the gate
 * @r: pages of the file
 *
 * Context: dl_gate.lock held.
 * Return: true if an operation that changes it has not returned.
 */
bool dl_op_barred(struct dl_gate *gate, struct dl_range r)
{
	return is_barred(gate, r);
}
