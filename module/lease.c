// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "lease.h"
#include "quota.h"
#include "trace.h"

#define GATE_BITS	14	/* 100,000 leased files are six in a chain, and others walk those */

static DEFINE_HASHTABLE(gates, GATE_BITS);
static DEFINE_SPINLOCK(table_lock);	/* gates, writers */
static DEFINE_XARRAY(leases);		/* by id; reserved by alloc, stored while published */
static atomic64_t last_id;
static struct kmem_cache *lease_cache;	/* of its own: kmalloc would round it up to 1 KiB */

/**
 * dl_lease_init() - before the first lease
 *
 * Return: 0 or -ENOMEM.
 */
int dl_lease_init(void)
{
	lease_cache = KMEM_CACHE(daxlease, SLAB_ACCOUNT);
	return lease_cache ? 0 : -ENOMEM;
}

/**
 * dl_lease_exit() - undo dl_lease_init(); no lease is left
 */
void dl_lease_exit(void)
{
	kmem_cache_destroy(lease_cache);	/* waits for those that RCU is about to free */
}

/**
 * dl_gate_exists() - is there anything to redirect for this inode?
 * @inode: any inode
 *
 * Called for every DAX inode that passes a hooked function, from ftrace: does not trace, lock or
 * sleep, and rcu_read_lock() might be traced.
 * Context: any.
 * Return: true if the inode has a gate at this moment.
 */
bool notrace dl_gate_exists(const struct inode *inode)
{
	struct dl_gate *gate;
	bool found = false;

	preempt_disable_notrace();
	hash_for_each_possible_rcu_notrace(gates, gate, hash, (unsigned long)inode) {
		found = gate->inode == inode;
		if (found)
			break;
	}
	preempt_enable_notrace();
	return found;
}

/**
 * dl_gate_find() - the gate of an inode
 * @inode: an inode that the caller keeps alive
 *
 * Return: a reference, or NULL if there is no gate.
 */
struct dl_gate *dl_gate_find(const struct inode *inode)
{
	struct dl_gate *gate;

	rcu_read_lock();
	hash_for_each_possible_rcu(gates, gate, hash, (unsigned long)inode)
		if (gate->inode == inode && kref_get_unless_zero(&gate->ref))
			goto found;
	gate = NULL;
found:
	rcu_read_unlock();
	return gate;
}

/**
 * dl_gate_create() - the gate of an inode, made if need be
 * @inode: an inode that the caller keeps alive as long as its reference
 *
 * Context: process context, may sleep.
 * Return: a reference, or NULL without memory.
 */
struct dl_gate *dl_gate_create(struct inode *inode)
{
	struct dl_gate *fresh, *gate;

	gate = dl_gate_find(inode);
	if (gate)
		return gate;
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->budget = dl_budget_of_file(inode);
	if (!fresh->budget) {
		kfree(fresh);
		return NULL;
	}
	kref_init(&fresh->ref);
	fresh->inode = inode;
	spin_lock_init(&fresh->lock);
	init_waitqueue_head(&fresh->wait);
	fresh->leases = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&fresh->ops);
	INIT_LIST_HEAD(&fresh->waiters);

	spin_lock(&table_lock);
	hash_for_each_possible(gates, gate, hash, (unsigned long)inode)
		if (gate->inode == inode && kref_get_unless_zero(&gate->ref))
			goto found;
	hash_add_rcu(gates, &fresh->hash, (unsigned long)inode);
	spin_unlock(&table_lock);
	return fresh;
found:
	spin_unlock(&table_lock);
	dl_budget_put(fresh->budget);
	kfree(fresh);
	return gate;
}

static void gate_free(struct kref *ref)
{
	struct dl_gate *gate = container_of(ref, struct dl_gate, ref);

	WARN_ON(!RB_EMPTY_ROOT(&gate->leases.rb_root) || !list_empty(&gate->ops) ||
		!list_empty(&gate->waiters));
	spin_lock(&table_lock);
	hash_del_rcu(&gate->hash);
	spin_unlock(&table_lock);
	dl_budget_put(gate->budget);
	kfree_rcu(gate, rcu);
}

/**
 * dl_gate_put() - drop a reference
 * @gate: the gate, or NULL; the caller still keeps the inode alive
 */
void dl_gate_put(struct dl_gate *gate)
{
	if (gate)
		kref_put(&gate->ref, gate_free);
}

static int alloc_bits(struct daxlease *lease, struct dl_range range)
{
	size_t longs = BITS_TO_LONGS(dl_granule_count(range));

	lease->lost = lease->few;
	if (longs > 1)
		lease->lost = kvcalloc(2 * longs, sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!lease->lost)
		return -ENOMEM;
	lease->doomed = lease->lost + longs;
	return 0;
}

static void free_bits(struct daxlease *lease)
{
	if (lease->lost != lease->few)
		kvfree(lease->lost);
}

/**
 * dl_lease_alloc() - a new lease in state ACQUIRING, not yet published
 * @gate: where it will live; a reference is taken
 * @file: the file; a reference is taken
 * @range: pages of the file, not empty
 *
 * All that a break of this lease will ever need is allocated here.
 * Context: process context, may sleep.
 * Return: the lease with one reference, or ERR_PTR.
 */
struct daxlease *dl_lease_alloc(struct dl_gate *gate, struct file *file, struct dl_range range)
{
	dev_t dev = gate->inode->i_sb->s_dev;
	struct daxlease *lease;
	int err;

	lease = kmem_cache_zalloc(lease_cache, GFP_KERNEL);
	if (!lease)
		return ERR_PTR(-ENOMEM);
	err = alloc_bits(lease, range);
	if (err)
		goto out_lease;
	lease->id = atomic64_inc_return(&last_id);
	lease->uid = dl_quota_payer();
	err = dl_quota_charge(lease->uid, dev);
	if (err)
		goto out_bits;
	err = -ENOMEM;
	lease->locks = dl_budget_of_user(lease->uid, dev);
	if (!lease->locks)
		goto out_quota;
	err = xa_reserve(&leases, lease->id, GFP_KERNEL_ACCOUNT);
	if (err)
		goto out_budget;
	kref_init(&lease->ref);
	kref_get(&gate->ref);
	lease->gate = gate;
	lease->file = get_file(file);
	lease->range = range;
	lease->state = DAXLEASE_ACQUIRING;
	lease->generation = 1;
	INIT_LIST_HEAD(&lease->slots);
	INIT_LIST_HEAD(&lease->attachments);
	mutex_init(&lease->fence_lock);
	lease->holder = get_task_pid(current, PIDTYPE_TGID);
	get_task_comm(lease->comm, current->group_leader);
	return lease;

out_budget:
	dl_budget_put(lease->locks);
out_quota:
	dl_quota_uncharge(lease->uid, dev);
out_bits:
	free_bits(lease);
out_lease:
	kmem_cache_free(lease_cache, lease);
	return ERR_PTR(err);
}

/**
 * dl_lease_get() - take a reference
 * @lease: the lease
 */
void dl_lease_get(struct daxlease *lease)
{
	kref_get(&lease->ref);
}

static void lease_free(struct kref *ref)
{
	struct daxlease *lease = container_of(ref, struct daxlease, ref);
	dev_t dev = lease->gate->inode->i_sb->s_dev;
	struct dl_slot *slot, *next;
	kuid_t uid = lease->uid;

	WARN_ON(!list_empty(&lease->attachments) || lease->brk.id);
	list_for_each_entry_safe(slot, next, &lease->slots, on_lease) {
		list_del(&slot->on_lease);
		dl_slot_fini(slot);
		if (slot != &lease->slot)
			kfree(slot);
	}
	xa_release(&leases, lease->id);
	dl_extents_free(rcu_dereference_protected(lease->extents, true));
	if (lease->mm)
		mmdrop(lease->mm);
	put_pid(lease->holder);
	put_device(lease->dev);
	dl_gate_put(lease->gate);
	dl_budget_put(lease->locks);
	fput(lease->file);	/* after the gate: the file keeps the inode alive */
	dl_quota_uncharge(uid, dev);
	free_bits(lease);
	kfree_rcu(lease, rcu);
}

/**
 * dl_lease_put() - drop a reference
 * @lease: the lease, unpublished if this is the last one
 *
 * Context: process context; a hook may do so, the file is closed later.
 */
void dl_lease_put(struct daxlease *lease)
{
	kref_put(&lease->ref, lease_free);
}

/**
 * dl_lease_publish() - let operations on the file see the lease
 * @lease: in state ACQUIRING
 *
 * Context: the inode's i_rwsem held exclusively, so that no operation stands between its check and
 * its deed; and dl_gate.lock, under which the caller has seen that nothing bars the range.
 */
void dl_lease_publish(struct daxlease *lease)
{
	struct dl_gate *gate = lease->gate;

	lockdep_assert_held_write(&gate->inode->i_rwsem);
	lockdep_assert_held(&gate->lock);
	interval_tree_insert(&lease->node, &gate->leases);
	xa_store(&leases, lease->id, lease, GFP_NOWAIT);	/* reserved: cannot fail */
}

/**
 * dl_lease_unpublish() - the opposite; the lease is RELEASED
 * @lease: published, nothing of it mapped any more
 *
 * Context: dl_gate.lock held.
 */
void dl_lease_unpublish(struct daxlease *lease)
{
	struct dl_gate *gate = lease->gate;

	lockdep_assert_held(&gate->lock);
	dl_lease_set_state(lease, DAXLEASE_RELEASED);
	interval_tree_remove(&lease->node, &gate->leases);
	xa_erase(&leases, lease->id);
}

/**
 * dl_lease_set_state() - one step in the life of a lease
 * @lease: the lease
 * @state: next state; a step that is not in the table of state.c is a bug
 *
 * Context: dl_gate.lock held.
 */
void dl_lease_set_state(struct daxlease *lease, enum daxlease_state state)
{
	lockdep_assert_held(&lease->gate->lock);
	WARN_ON_ONCE(!dl_state_may(lease->state, state));
	trace_daxlease_state(lease->id, lease->state, state);
	lease->state = state;
}

/**
 * dl_lease_grace() - the grace a break of this lease gives
 * @lease: the lease
 *
 * The longest that anybody who still listens has asked for; nobody listens: none.
 * Context: dl_gate.lock held.
 * Return: ns.
 */
u64 dl_lease_grace(const struct daxlease *lease)
{
	struct dl_slot *slot;
	u64 grace = 0;

	lockdep_assert_held(&lease->gate->lock);
	if (lease->implicit && !lease->may_grace)
		return 0;
	list_for_each_entry(slot, &lease->slots, on_lease)
		if (dl_slot_live(slot))
			grace = max(grace, slot->grace);
	return grace;
}

/**
 * dl_lease_post() - tell everybody who listens
 * @lease: the lease
 * @note: what happened
 *
 * Context: dl_gate.lock held.
 */
void dl_lease_post(struct daxlease *lease, const struct dl_note *note)
{
	struct dl_slot *slot;

	lockdep_assert_held(&lease->gate->lock);
	trace_daxlease_event(lease->id, note->bits, note->flags, note->break_id);
	list_for_each_entry(slot, &lease->slots, on_lease)
		dl_slot_post(slot, note);
}

/**
 * dl_lease_add_slot() - add a listener
 * @lease: the lease
 * @slot: initialised; kmalloc()ed or the lease's own; belongs to the lease from now on
 *
 * Listeners that have left are swept out, so that coming and going does not pile up memory.
 * Context: process context; takes dl_gate.lock.
 */
void dl_lease_add_slot(struct daxlease *lease, struct dl_slot *slot)
{
	struct dl_slot *old, *next;
	LIST_HEAD(gone);

	spin_lock(&lease->gate->lock);
	list_for_each_entry_safe(old, next, &lease->slots, on_lease)
		if (old != &lease->slot && !dl_slot_live(old))
			list_move(&old->on_lease, &gone);
	list_add_tail(&slot->on_lease, &lease->slots);
	spin_unlock(&lease->gate->lock);
	list_for_each_entry_safe(old, next, &gone, on_lease) {
		list_del_init(&old->on_lease);
		dl_slot_fini(old);
		kfree(old);
	}
}

/**
 * dl_lease_live_in() - does a device still reach any granule that a range touches?
 * @lease: a lease; nothing is live before it is ACTIVE and after it is RELEASED
 * @r: pages of the file
 *
 * Context: dl_gate.lock held.
 * Return: true if a granule under @r is not lost.
 */
bool dl_lease_live_in(const struct daxlease *lease, struct dl_range r)
{
	struct dl_range hit = dl_range_clip(lease->range, r);
	u64 first, last;

	lockdep_assert_held(&lease->gate->lock);
	if (dl_range_empty(hit) || lease->state == DAXLEASE_ACQUIRING ||
	    lease->state == DAXLEASE_RELEASED)
		return false;
	first = dl_granule_of(lease->range, hit.first);
	last = dl_granule_of(lease->range, hit.last);
	return find_next_zero_bit(lease->lost, last + 1, first) <= last;
}

/**
 * dl_lease_drop_slot() - a listener does not listen any more
 * @lease: the lease
 * @queue: where its slot, kmalloc()ed, has posted to; what is pending there is forgotten
 *
 * Context: process context; takes dl_gate.lock.
 */
void dl_lease_drop_slot(struct daxlease *lease, const struct dl_queue *queue)
{
	struct dl_slot *slot, *found = NULL;

	spin_lock(&lease->gate->lock);
	list_for_each_entry(slot, &lease->slots, on_lease)
		if (slot->queue == queue)
			found = slot;
	if (found)
		list_del_init(&found->on_lease);
	spin_unlock(&lease->gate->lock);
	if (!found)
		return;
	dl_slot_fini(found);
	kfree(found);
}

/**
 * dl_lease_regrace() - a listener wants another grace, if it listens
 * @lease: the lease
 * @queue: of the listener
 * @grace: ns, for breaks that begin from now on
 *
 * Context: takes dl_gate.lock.
 * Return: false if the queue has no slot on the lease.
 */
bool dl_lease_regrace(struct daxlease *lease, const struct dl_queue *queue, u64 grace)
{
	struct dl_slot *slot;
	bool found = false;

	spin_lock(&lease->gate->lock);
	list_for_each_entry(slot, &lease->slots, on_lease) {
		if (slot->queue != queue)
			continue;
		slot->grace = grace;
		found = true;
	}
	spin_unlock(&lease->gate->lock);
	return found;
}

/**
 * dl_lease_new_holder() - the current process has taken a lease over
 * @lease: the lease
 * @may_grace: it passes the owner rule
 * @grace_limit: ns that it may ask for
 *
 * What the former holder was refused stays refused. Charged is who acquired the lease.
 * Context: takes dl_gate.lock.
 */
void dl_lease_new_holder(struct daxlease *lease, bool may_grace, u64 grace_limit)
{
	struct pid *holder = get_task_pid(current, PIDTYPE_TGID);

	spin_lock(&lease->gate->lock);
	swap(lease->holder, holder);
	get_task_comm(lease->comm, current->group_leader);
	lease->may_grace &= may_grace;
	lease->grace_limit = min(lease->grace_limit, grace_limit);
	spin_unlock(&lease->gate->lock);
	put_pid(holder);
}

static struct daxlease *get_found(struct daxlease *lease)
{
	return lease && kref_get_unless_zero(&lease->ref) ? lease : NULL;
}

/**
 * dl_lease_find() - a published lease by its id
 * @id: the id
 *
 * Return: a reference, or NULL.
 */
struct daxlease *dl_lease_find(u64 id)
{
	struct daxlease *lease;

	rcu_read_lock();
	lease = get_found(xa_load(&leases, id));
	rcu_read_unlock();
	return lease;
}

/**
 * dl_lease_next() - walk all published leases in the order of their ids
 * @lease: the previous one, its reference is given up; NULL to begin
 *
 * Return: the next lease with a reference, or NULL.
 */
struct daxlease *dl_lease_next(struct daxlease *lease)
{
	unsigned long id = lease ? lease->id : 0;
	struct daxlease *next, *found;

	if (lease)
		dl_lease_put(lease);
	rcu_read_lock();
	do {
		next = xa_find_after(&leases, &id, ULONG_MAX, XA_PRESENT);
		found = get_found(next);
	} while (next && !found);
	rcu_read_unlock();
	return found;
}
