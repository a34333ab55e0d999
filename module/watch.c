// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "break.h"
#include "params.h"
#include "quota.h"
#include "watch.h"

struct watch {
	struct list_head list;		/* watches; watch_lock */
	struct dl_queue *queue;		/* referenced */
	struct mm_struct *mm;		/* mmgrab()bed: an identity, not its memory; NULL: all */
	u64 grace;			/* ns */
	kuid_t uid;			/* who pays for it: dl_quota_payer() */
};

static LIST_HEAD(watches);
static DEFINE_MUTEX(watch_lock);

static bool covers(const struct watch *w, const struct mm_struct *mm)
{
	return !w->mm || w->mm == mm;
}

static struct watch *find(const struct dl_queue *queue, const struct mm_struct *mm)
{
	struct watch *w;

	lockdep_assert_held(&watch_lock);
	list_for_each_entry(w, &watches, list)
		if (w->queue == queue && w->mm == mm)
			return w;
	return NULL;
}

/* The watch by which a queue listens to an address space: its own, or that of all */
static struct watch *covering(const struct dl_queue *queue, const struct mm_struct *mm)
{
	return find(queue, mm) ?: find(queue, NULL);
}

/* Each implicit lease looks at all watches, and each watch keeps an mm_struct. */
static bool too_many(kuid_t uid)
{
	unsigned int n = 0;
	struct watch *w;

	lockdep_assert_held(&watch_lock);
	list_for_each_entry(w, &watches, list)
		n += uid_eq(w->uid, uid);
	return n >= dl_watches_per_user() && !ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE);
}

static void put_watch(struct watch *w)
{
	if (w->mm)
		mmdrop(w->mm);
	dl_queue_put(w->queue);
	kfree(w);
}

/* A watch of one address space says more than a watch of all by the same context. */
static u64 grace_of(const struct watch *w, const struct mm_struct *mm)
{
	const struct watch *own = find(w->queue, mm);

	return own ? own->grace : w->grace;
}

/* One slot for each context that watches, whatever the number of its watches. */
static int listen(struct daxlease *lease, const struct watch *w)
{
	u64 grace = grace_of(w, lease->mm);
	struct dl_slot *slot;

	if (dl_lease_regrace(lease, w->queue, grace))
		return 0;
	slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	if (!slot)
		return -ENOMEM;
	dl_slot_init(slot, w->queue, lease->id, 0, grace);
	dl_lease_add_slot(lease, slot);
	return 0;
}

static int listen_all(struct daxlease *lease)
{
	struct watch *w;
	int err = 0;

	list_for_each_entry(w, &watches, list)
		if (covers(w, lease->mm))
			err = listen(lease, w) ?: err;
	return err;
}

/* A watch does not cover a lease (any more): its context listens for another that does, or not. */
static void unlisten(struct daxlease *lease, const struct watch *w)
{
	const struct watch *left = covering(w->queue, lease->mm);

	if (left)
		dl_lease_regrace(lease, w->queue, left->grace);
	else
		dl_lease_drop_slot(lease, w->queue);
}

/* The lease is not in this address space (any more). */
static void drop_watchers(struct daxlease *lease, const struct mm_struct *mm)
{
	struct watch *w;

	list_for_each_entry(w, &watches, list)
		if (covers(w, mm))
			unlisten(lease, w);
}

/* Breaks that waited for the answer of a watcher who does not listen any more end. */
static void reconsider_all(void)
{
	struct daxlease *lease = NULL;

	while ((lease = dl_lease_next(lease)))
		if (lease->implicit)
			dl_break_reconsider(lease);
}

/**
 * dl_watch_add() - listen to the implicit leases of an address space
 * @queue: where events go; a reference is taken
 * @mm: the address space; its identity is kept. NULL: all
 * @grace: ns that these leases give from now on
 *
 * A second watch of the same queue and address space is refused, so that slots do not pile up.
 * CAP_SYS_RESOURCE lifts the limit of the user.
 * Context: process context, may sleep.
 * Return: 0, or -EEXIST, -ENOSPC, -ENOMEM: there is no such watch.
 */
int dl_watch_add(struct dl_queue *queue, struct mm_struct *mm, u64 grace)
{
	struct daxlease *lease = NULL;
	struct watch *w;
	int err = 0;

	w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	if (!w)
		return -ENOMEM;
	w->uid = dl_quota_payer();
	mutex_lock(&watch_lock);
	if (find(queue, mm))
		err = -EEXIST;
	else if (too_many(w->uid))
		err = -ENOSPC;
	if (err) {
		mutex_unlock(&watch_lock);
		kfree(w);
		return err;
	}
	kref_get(&queue->ref);
	if (mm)
		mmgrab(mm);
	w->queue = queue;
	w->mm = mm;
	w->grace = grace;
	list_add_tail(&w->list, &watches);
	while ((lease = dl_lease_next(lease)))
		if (lease->implicit && covers(w, lease->mm))
			err = listen(lease, w) ?: err;
	if (err) {
		list_del(&w->list);
		while ((lease = dl_lease_next(lease)))
			if (lease->implicit && covers(w, lease->mm))
				unlisten(lease, w);
	}
	mutex_unlock(&watch_lock);
	if (err) {
		reconsider_all();
		put_watch(w);
	}
	return err;
}

/**
 * dl_watch_remove_all() - a context closes
 * @queue: its queue, closed before: the slots that leases still have are dead
 */
void dl_watch_remove_all(struct dl_queue *queue)
{
	struct watch *w, *next;
	bool any = false;

	mutex_lock(&watch_lock);
	list_for_each_entry_safe(w, next, &watches, list) {
		if (w->queue != queue)
			continue;
		any = true;
		list_del(&w->list);
		put_watch(w);
	}
	mutex_unlock(&watch_lock);
	if (any)
		reconsider_all();
}

/**
 * dl_watch_covers() - may this context act for an implicit lease?
 * @queue: the context's
 * @lease: the lease
 *
 * Return: true if it watches its address space.
 */
bool dl_watch_covers(struct dl_queue *queue, const struct daxlease *lease)
{
	bool covered;

	mutex_lock(&watch_lock);
	covered = covering(queue, lease->mm);
	mutex_unlock(&watch_lock);
	return covered;
}

/**
 * dl_watch_adopt() - give a new implicit lease its listeners
 * @lease: published, not yet ACTIVE
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int dl_watch_adopt(struct daxlease *lease)
{
	int err;

	mutex_lock(&watch_lock);
	err = listen_all(lease);
	mutex_unlock(&watch_lock);
	return err;
}

/**
 * dl_watch_move() - an implicit lease belongs to another address space from now on
 * @lease: a published lease
 * @mm: the address space
 *
 * Whoever watches the former one, and neither this one nor all, does not hear of the lease any
 * more: a break that is open ends at once unless somebody else listens.
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM: the lease is where it was.
 */
int dl_watch_move(struct daxlease *lease, struct mm_struct *mm)
{
	struct mm_struct *former, *other = mm;
	int err;

	mutex_lock(&watch_lock);
	former = lease->mm;
	lease->mm = mm;
	err = listen_all(lease);
	if (err)
		lease->mm = former;
	else
		other = former;
	if (former != mm)
		drop_watchers(lease, other);
	if (!err)
		mmgrab(mm);
	mutex_unlock(&watch_lock);
	if (!err)
		mmdrop(former);
	dl_break_reconsider(lease);
	return err;
}
