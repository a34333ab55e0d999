// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/bitmap.h>
#include <linux/ktime.h>

#include "attach.h"
#include "break.h"
#include "waiter.h"

#define FREEZE_POLL	(HZ / 10)	/* how soon a freeze ends a grace */
#define RETRY		HZ		/* between attempts at a fence that was not confirmed */
#define COMPLAIN_NS	(10 * NSEC_PER_SEC)

static struct workqueue_struct *deadline_wq;

/**
 * dl_lease_freezing() - does somebody freeze the filesystem? Then nobody has a grace
 * @lease: the lease
 *
 * Return: true if so.
 */
bool dl_lease_freezing(const struct daxlease *lease)
{
	return READ_ONCE(lease->gate->inode->i_sb->s_writers.frozen) != SB_UNFROZEN;
}

/**
 * dl_deadline_queue() - see to it that the fence comes at the deadline, or when a freeze begins
 * @lease: the lease, a break open
 * @now: ns, CLOCK_MONOTONIC
 *
 * Context: dl_gate.lock held.
 */
void dl_deadline_queue(struct daxlease *lease, u64 now)
{
	unsigned long delay = 0;

	lockdep_assert_held(&lease->gate->lock);
	if (lease->brk.deadline > now && !dl_lease_freezing(lease))
		delay = min_t(u64, nsecs_to_jiffies64(lease->brk.deadline - now) + 1, FREEZE_POLL);
	/* Queued work has a reference; it was not queued before unless mod_delayed_work says so. */
	dl_lease_get(lease);
	if (mod_delayed_work(deadline_wq, &lease->brk.work, delay))
		dl_lease_put(lease);
}

/**
 * dl_deadline_cancel() - the break was closed before its deadline
 * @lease: the lease; the caller has a reference
 *
 * Context: dl_gate.lock held.
 */
void dl_deadline_cancel(struct daxlease *lease)
{
	lockdep_assert_held(&lease->gate->lock);
	if (cancel_delayed_work(&lease->brk.work))
		dl_lease_put(lease);	/* not the last: the caller has one */
}

/* The first run of doomed granules in [@from, @nr) */
static bool next_doomed(struct daxlease *lease, u64 from, u64 nr, u64 *first, u64 *end)
{
	lockdep_assert_held(&lease->gate->lock);
	*first = find_next_bit(lease->doomed, nr, from);
	*end = find_next_zero_bit(lease->doomed, nr, *first);
	return *first < nr;
}

static bool any_doomed(struct daxlease *lease)
{
	u64 nr = dl_granule_count(lease->range);

	lockdep_assert_held(&lease->gate->lock);
	return find_first_bit(lease->doomed, nr) < nr;
}

static void complain(struct daxlease *lease)
{
	u64 now = ktime_get_ns();

	if (now - lease->brk.complained < COMPLAIN_NS)
		return;
	lease->brk.complained = now;
	pr_err("lease %llu: fence of inode %lu on %s not confirmed; the operation keeps waiting\n",
	       lease->id, lease->gate->inode->i_ino, lease->gate->inode->i_sb->s_id);
}

static void retry_later(struct daxlease *lease)
{
	dl_lease_get(lease);
	if (!queue_delayed_work(deadline_wq, &lease->brk.work, RETRY))
		dl_lease_put(lease);
}

/*
 * Every doomed run in [@from, @nr) once, so that one consumer that does not let go holds up no
 * other granule.
 */
static bool fence_pass(struct daxlease *lease, u64 from, u64 nr)
{
	struct dl_gate *gate = lease->gate;
	bool ok = true, done;
	u64 first, end;

	for (; next_doomed(lease, from, nr, &first, &end); from = end) {
		spin_unlock(&gate->lock);
		done = dl_attach_fence(lease, dl_granule_pages(lease->range, first, end - 1));
		spin_lock(&gate->lock);
		ok &= done;
		if (!done)
			continue;
		bitmap_set(lease->lost, first, end - first);
		bitmap_clear(lease->doomed, first, end - first);
		lease->granules_lost += end - first;
		dl_waiter_lost(lease, first, end - 1);
	}
	return ok;
}

/**
 * dl_fence() - end device access to everything doomed, in this order: consumers, state, sleepers
 * @lease: a published lease; the caller has a reference
 * @break_id: only if this break is still open; 0: whatever is doomed
 *
 * Idempotent; with another fence running it waits for that one. If the lease is being released and
 * nothing of it is left, it is unpublished here.
 * Context: process context, may sleep, filesystem locks may be held: allocates nothing, waits for
 * no user space. dl_gate.lock not held.
 * Return: false if a consumer did not confirm; the doomed granules stay doomed, call again.
 */
bool dl_fence(struct daxlease *lease, u64 break_id)
{
	struct dl_gate *gate = lease->gate;
	unsigned int noio = dl_fence_lock(lease);
	bool ok = true;

	spin_lock(&gate->lock);
	if (break_id && lease->brk.id != break_id)
		goto out;
	if (lease->brk.id && !lease->brk.fence)
		lease->brk.fence = ktime_get_ns();
	do
		ok = fence_pass(lease, 0, dl_granule_count(lease->range));
	while (ok && any_doomed(lease));
	if (ok) {
		dl_break_close(lease);
		if (lease->releasing && lease->state != DAXLEASE_RELEASED)
			dl_lease_unpublish(lease);
	} else {
		complain(lease);
	}
out:
	spin_unlock(&gate->lock);
	dl_fence_unlock(lease, noio);
	return ok;
}

/**
 * dl_fence_wanted() - is something doomed, so that somebody may be waiting for the fence_lock?
 * @lease: a published lease
 *
 * Context: takes dl_gate.lock.
 * Return: true if so at this moment.
 */
bool dl_fence_wanted(struct daxlease *lease)
{
	bool wanted;

	spin_lock(&lease->gate->lock);
	wanted = any_doomed(lease);
	spin_unlock(&lease->gate->lock);
	return wanted;
}

/**
 * dl_fence_undone() - take back granules that a re-arm has made live, but not every consumer has
 * mapped
 * @lease: a published lease
 * @g0: first granule
 * @g1: last granule
 *
 * Those and no others: what else a break has doomed meanwhile keeps its grace.
 * Context: daxlease.fence_lock held, since they are live; dl_gate.lock not.
 */
void dl_fence_undone(struct daxlease *lease, u64 g0, u64 g1)
{
	lockdep_assert_held(&lease->fence_lock);
	spin_lock(&lease->gate->lock);
	bitmap_set(lease->doomed, g0, g1 - g0 + 1);
	if (!fence_pass(lease, g0, g1 + 1)) {
		complain(lease);
		retry_later(lease);
	} else if (lease->brk.id) {
		if (!any_doomed(lease))
			dl_break_close(lease);
	} else if (lease->granules_lost == dl_granule_count(lease->range)) {
		dl_lease_set_state(lease, DAXLEASE_REVOKED);
	}
	spin_unlock(&lease->gate->lock);
}

/**
 * dl_fence_insist() - dl_fence() for a caller that cannot fail or be killed
 * @lease: as for dl_fence()
 *
 * Context: as for dl_fence(); sleeps uninterruptibly until the fence is confirmed, and complains.
 */
void dl_fence_insist(struct daxlease *lease)
{
	while (!dl_fence(lease, 0))
		schedule_timeout_uninterruptible(RETRY);
}

static void deadline_work(struct work_struct *work)
{
	struct daxlease *lease = container_of(to_delayed_work(work), struct daxlease, brk.work);
	struct dl_gate *gate = lease->gate;
	u64 now = ktime_get_ns();
	bool due;
	u64 id;

	/* Nothing is due when the break was closed meanwhile. */
	spin_lock(&gate->lock);
	id = lease->brk.id;
	due = id || lease->releasing || any_doomed(lease);
	if (id && lease->brk.deadline > now && !lease->releasing) {
		due = dl_lease_freezing(lease);
		if (due)
			lease->brk.flags |= DAXLEASE_FLAG_NO_GRACE;
		else
			dl_deadline_queue(lease, now);
	}
	spin_unlock(&gate->lock);

	if (due && !dl_fence(lease, id))
		retry_later(lease);
	dl_lease_put(lease);
}

/**
 * dl_break_reconsider() - a listener has left: nobody may be there any more to use the grace
 * @lease: a published lease
 *
 * Context: takes dl_gate.lock.
 */
void dl_break_reconsider(struct daxlease *lease)
{
	u64 now = ktime_get_ns();

	spin_lock(&lease->gate->lock);
	if (lease->brk.id && lease->brk.deadline > now && !dl_lease_grace(lease)) {
		lease->brk.deadline = now;
		lease->brk.flags |= DAXLEASE_FLAG_NO_GRACE;
		dl_deadline_queue(lease, now);
	}
	spin_unlock(&lease->gate->lock);
}

/**
 * dl_lease_end() - the holder gives a published lease up
 * @lease: the lease; the caller keeps its reference and drops it afterwards
 *
 * Context: process context, may sleep for the fence, never for user space.
 * Return: false if a consumer did not confirm: the kernel goes on trying meanwhile.
 */
bool dl_lease_end(struct daxlease *lease)
{
	u64 nr = dl_granule_count(lease->range);
	struct dl_gate *gate = lease->gate;

	spin_lock(&gate->lock);
	lease->releasing = true;
	if (lease->state == DAXLEASE_ACQUIRING) {
		dl_lease_unpublish(lease);
		spin_unlock(&gate->lock);
		return true;
	}
	bitmap_complement(lease->doomed, lease->lost, nr);
	spin_unlock(&gate->lock);
	if (dl_fence(lease, 0))
		return true;
	retry_later(lease);
	return false;
}

/**
 * dl_break_prepare() - the part of dl_lease_alloc() that belongs to breaks
 * @lease: fresh
 */
void dl_break_prepare(struct daxlease *lease)
{
	INIT_DELAYED_WORK(&lease->brk.work, deadline_work);
}

/**
 * dl_break_init() - the queue for deadlines
 *
 * Filesystem operations and so memory reclaim may wait for it: WQ_MEM_RECLAIM.
 * Return: 0 or -ENOMEM.
 */
int dl_break_init(void)
{
	deadline_wq = alloc_workqueue("daxlease", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return deadline_wq ? 0 : -ENOMEM;
}

/**
 * dl_break_exit() - undo dl_break_init(); no lease is left
 */
void dl_break_exit(void)
{
	destroy_workqueue(deadline_wq);
}
