// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/math.h>
#include <linux/ratelimit.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "gate.h"
#include "trace.h"
#include "waiter.h"

/**
 * dl_gate_break() - start a break of every lease that an operation meets
 * @gate: the gate
 * @by: the operation
 *
 * All of them at once, so that the operation pays one grace and not their sum: whatever time it
 * takes to tell each holder, they pay for the same.
 * Context: takes dl_gate.lock; atomic otherwise.
 * Return: how many leases have live granules in the range.
 */
unsigned int dl_gate_break(struct dl_gate *gate, const struct dl_breaker *by)
{
	struct dl_breaker at = *by;
	struct daxlease *lease;
	unsigned int hit = 0;

	spin_lock(&gate->lock);
	at.since = ktime_get_ns();
	dl_gate_for_each(lease, gate, at.range)
		hit += dl_break_start(lease, &at);
	spin_unlock(&gate->lock);
	return hit;
}

static bool clear(struct dl_gate *gate, struct dl_range r)
{
	struct daxlease *lease;

	lockdep_assert_held(&gate->lock);
	dl_gate_for_each(lease, gate, r)
		if (dl_lease_live_in(lease, r))
			return false;
	return true;
}

/**
 * dl_gate_trespass() - an operation begins whose caller has no right to break a lease
 * @gate: the gate; the operation is recorded, so that nothing is leased from now on
 * @by: the operation
 *
 * Whoever is about to lease something in the range begins again.
 * Context: takes dl_gate.lock; atomic otherwise.
 * Return: true if nothing is leased there; else the operation must not go on.
 */
bool dl_gate_trespass(struct dl_gate *gate, const struct dl_breaker *by)
{
	struct daxlease *lease;
	bool may;

	spin_lock(&gate->lock);
	may = clear(gate, by->range);
	if (may)
		dl_gate_for_each(lease, gate, by->range)
			dl_break_start(lease, by);	/* which only marks it: nothing is live */
	spin_unlock(&gate->lock);
	return may;
}

/**
 * dl_gate_clear() - can no device reach a range through a lease?
 * @gate: the gate
 * @r: pages of the file
 *
 * Context: takes dl_gate.lock.
 * Return: true if every granule under @r is lost or was never leased.
 */
bool dl_gate_clear(struct dl_gate *gate, struct dl_range r)
{
	bool ret;

	spin_lock(&gate->lock);
	ret = clear(gate, r);
	spin_unlock(&gate->lock);
	return ret;
}

/**
 * dl_gate_breaking() - is a break of this file open, so that somebody may be waiting for a holder?
 * @gate: the gate
 *
 * Return: true if so at this moment.
 */
bool dl_gate_breaking(struct dl_gate *gate)
{
	return READ_ONCE(gate->open_breaks);
}

/**
 * dl_gate_wait() - wait until a range is clear
 * @gate: the gate; the breaks have been started, so deadline work bounds the wait
 * @r: pages of the file
 * @reason: the operation, for the trace
 *
 * Killable, not interruptible: io_uring signals its tasks for ordinary completions, and
 * -ERESTARTSYS from its workers would reach the user.
 * Context: process context, no lock but freeze protection.
 * Return: 0 or -EINTR.
 */
int dl_gate_wait(struct dl_gate *gate, struct dl_range r, enum daxlease_reason reason)
{
	struct dl_waiter w;
	int err = 0;

	spin_lock(&gate->lock);
	while (!err && dl_waiter_begin(gate, &w, r)) {
		spin_unlock(&gate->lock);
		trace_daxlease_wait(gate->inode, reason, r.first, r.last, true, 0);
		err = wait_for_completion_killable(&w.clear) ? -EINTR : 0;
		trace_daxlease_wait(gate->inode, reason, r.first, r.last, false, err);
		spin_lock(&gate->lock);
		dl_waiter_end(&w);
	}
	spin_unlock(&gate->lock);
	return err;
}

/* XFS asks again at once, without sleeping, when it locks two inodes: then it sleeps here. */
static bool spins(struct dl_gate *gate)
{
	bool again = gate->asker == current && gate->asked_live == gate->fs.live;

	lockdep_assert_held(&gate->lock);
	gate->asker = current;
	gate->asked_live = gate->fs.live;
	return again;
}

/* A page of any lease that is live in the range will do: it is let go when all of them are lost. */
static struct page *choose_page(struct dl_gate *gate, struct dl_range r, u64 *pgoff)
{
	struct page *page = NULL;
	struct daxlease *lease;

	dl_gate_for_each(lease, gate, r) {
		if (dl_lease_live_in(lease, r))
			page = dl_break_page(lease, pgoff);
		if (page)
			break;
	}
	return page;
}

/**
 * dl_gate_busy_page() - a page that makes the filesystem wait, while a range is not clear
 * @gate: the gate; dl_gate_unbusy() has been called
 * @r: pages of the file, broken before
 *
 * Context: i_rwsem and invalidate lock of the inode held exclusively; may sleep a tick.
 * Return: a page whose reference is dropped when the range is clear, or NULL: it is.
 */
struct page *dl_gate_busy_page(struct dl_gate *gate, struct dl_range r)
{
	struct dl_waiter *w = &gate->fs;
	struct page *page = NULL;
	bool again = false;

	spin_lock(&gate->lock);
	if (!WARN_ON_ONCE(w->busy) && dl_waiter_begin(gate, w, r)) {
		page = choose_page(gate, r, &w->busy_at);
		w->busy = page;
		if (page)
			dl_busy_get(page);
		else
			dl_waiter_end(w);
		again = page && spins(gate);
	}
	spin_unlock(&gate->lock);
	if (again)
		schedule_timeout_uninterruptible(1);
	return page;
}

/**
 * dl_gate_unbusy() - drop the page that an earlier waiter of this inode has left behind
 * @gate: the gate
 *
 * Context: i_rwsem of the inode held exclusively: an earlier waiter is gone or is this task.
 */
void dl_gate_unbusy(struct dl_gate *gate)
{
	spin_lock(&gate->lock);
	if (gate->fs.busy)
		dl_waiter_end(&gate->fs);
	spin_unlock(&gate->lock);
}

/* What is live under some pages of a lease: the span of its granules, clipped to @r */
static struct dl_range live_span(const struct daxlease *lease, struct dl_range r)
{
	u64 last = dl_granule_of(lease->range, r.last), first;

	/* Not one step per granule: a file may have many leases of which nothing is left */
	if (lease->granules_lost == dl_granule_count(lease->range))
		return DL_RANGE_NONE;
	first = find_next_zero_bit(lease->lost, last + 1, dl_granule_of(lease->range, r.first));
	if (first > last)
		return DL_RANGE_NONE;
	while (test_bit(last, lease->lost))
		last--;
	return dl_range_clip(dl_granule_pages(lease->range, first, last), r);
}

/* The span of the live (or nearly), unexplained granules of a lease under @r, clipped to @r. */
static struct dl_range unexplained(const struct daxlease *lease, struct dl_range r,
				   const struct dl_range *explained)
{
	struct dl_range hit = dl_range_clip(lease->range, r);
	struct dl_range meant = dl_range_clip(lease->range, explained ? *explained : r);
	struct dl_range nearly = DL_RANGE_NONE;

	if (dl_range_empty(hit) || dl_range_empty(meant))
		return DL_RANGE_NONE;
	meant = dl_granule_pages(lease->range, dl_granule_of(lease->range, meant.first),
				 dl_granule_of(lease->range, meant.last));
	hit = dl_range_clip(hit, meant);
	if (dl_range_empty(hit) || lease->state == DAXLEASE_ACQUIRING)
		return hit;
	if (lease->rearming)
		nearly = dl_range_clip(hit, lease->rearm);
	return dl_range_span(nearly, live_span(lease, hit));
}

/*
 * The page that a filesystem sleeps on may be of a granule that is lost already; before its DAX
 * entry goes, which is no larger than a granule, the reference must. Who slept on it asks again.
 */
static void let_go(struct dl_gate *gate, struct dl_range r)
{
	struct dl_waiter *w = &gate->fs;
	struct dl_range entry = { .first = round_down(w->busy_at, DL_GRANULE_PAGES) };

	lockdep_assert_held(&gate->lock);
	entry.last = entry.first + DL_GRANULE_PAGES - 1;
	if (w->busy && dl_range_overlaps(r, entry))
		dl_waiter_end(w);
}

/* The next lease after @prev, whose reference is given up; from the start if @prev is gone. */
static struct daxlease *emergency_next(struct dl_gate *gate, struct daxlease *prev,
				       struct dl_range r, const struct dl_range *explained)
{
	struct daxlease *lease;

	spin_lock(&gate->lock);
	if (prev && prev->state != DAXLEASE_RELEASED)
		lease = dl_gate_next(prev, r);
	else
		lease = dl_gate_first(gate, r);
	for (; lease; lease = dl_gate_next(lease, r)) {
		struct dl_breaker by = {
			.range = unexplained(lease, r, explained),
			.reason = DAXLEASE_REASON_INVALIDATE,
			.flags = DAXLEASE_FLAG_EMERGENCY,
		};

		if (dl_range_empty(by.range) || !dl_break_start(lease, &by))
			continue;
		dl_lease_get(lease);
		break;
	}
	if (!lease)
		let_go(gate, r);
	spin_unlock(&gate->lock);
	if (prev)
		dl_lease_put(prev);
	return lease;
}

/**
 * dl_gate_emergency() - fence now what is about to lose its blocks unannounced
 * @gate: the gate
 * @r: pages of the file
 * @explained: what a recorded operation of this task changes: granules outside it are not
 *	meant, whatever the filesystem rounds to; NULL: nothing is explained
 *
 * Context: any filesystem lock may be held; sleeps uninterruptibly until the fence is confirmed.
 * Return: how many leases were hit.
 */
unsigned int dl_gate_emergency(struct dl_gate *gate, struct dl_range r,
			       const struct dl_range *explained)
{
	struct daxlease *lease = NULL;
	unsigned int hit = 0;

	while ((lease = emergency_next(gate, lease, r, explained))) {
		pr_warn_ratelimited("lease %llu: fenced unasked: %s changes inode %lu on %s\n",
				    lease->id, current->comm, gate->inode->i_ino,
				    gate->inode->i_sb->s_id);
		dl_fence_insist(lease);
		hit++;
	}
	return hit;
}

/**
 * dl_gate_revoke() - take leases away at once, whole and without grace
 * @dev: those on a device; NULL: all of the machine
 * @reason: why
 *
 * A lease that is still ACQUIRING is marked dead.
 * Context: process context; sleeps uninterruptibly until the fences are confirmed.
 */
void dl_gate_revoke(const struct device *dev, enum daxlease_reason reason)
{
	struct dl_breaker by = {
		.range = DL_RANGE_ALL,
		.reason = reason,
		.flags = DAXLEASE_FLAG_NO_GRACE,
	};
	struct daxlease *lease = NULL;

	while ((lease = dl_lease_next(lease))) {
		if (dev && lease->dev != dev)
			continue;
		spin_lock(&lease->gate->lock);
		dl_break_start(lease, &by);
		spin_unlock(&lease->gate->lock);
		dl_fence_insist(lease);
	}
}

/* Break what a lease has of failed memory. True if it has some, and a device may reach it. */
static bool break_failed(struct daxlease *lease, u64 pfn, u64 count)
{
	struct dl_breaker by = {
		.reason = DAXLEASE_REASON_FAILURE,
		.flags = DAXLEASE_FLAG_NO_GRACE,
	};
	const struct dl_extents *ext;

	lockdep_assert_held(&lease->gate->lock);
	/* Whoever is looking for pages begins again, and finds the mark that is on them by now. */
	if (lease->state == DAXLEASE_ACQUIRING)
		lease->dead = true;
	if (lease->rearming)
		lease->rearm_dead = true;
	rcu_read_lock();
	ext = rcu_dereference(lease->extents);
	by.range = dl_extents_with(ext, pfn, count);
	rcu_read_unlock();
	if (dl_range_empty(by.range))
		return false;
	by.range.first += lease->range.first;
	by.range.last += lease->range.first;
	return dl_break_start(lease, &by);
}

/**
 * dl_gate_failure() - memory has failed: end device access to it, without grace
 * @pfn: first page frame, marked PageHWPoison as all of them
 * @count: how many
 *
 * Costs a look at each run of each lease of the machine. A fence that is not confirmed is tried
 * again by the deadline's work: no blocks are freed, so the caller need not wait for it.
 * Context: process context, may sleep.
 */
void dl_gate_failure(u64 pfn, u64 count)
{
	struct daxlease *lease = NULL;
	bool hit;

	while ((lease = dl_lease_next(lease))) {
		spin_lock(&lease->gate->lock);
		hit = break_failed(lease, pfn, count);
		spin_unlock(&lease->gate->lock);
		if (hit)
			dl_fence(lease, 0);
	}
}
