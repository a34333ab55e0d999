// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/ratelimit.h>
#include <linux/sched/signal.h>

#include "gate.h"
#include "trace.h"

/**
 * dl_gate_break() - start a break of every lease that an operation meets
 * @gate: the gate
 * @by: the operation
 *
 * All of them at once, so that the operation pays one grace and not their sum.
 * Context: takes dl_gate.lock; atomic otherwise.
 * Return: how many leases have live granules in the range.
 */
unsigned int dl_gate_break(struct dl_gate *gate, const struct dl_breaker *by)
{
	struct daxlease *lease;
	unsigned int hit = 0;

	spin_lock(&gate->lock);
	dl_gate_for_each(lease, gate, by->range)
		hit += dl_break_start(lease, by);
	spin_unlock(&gate->lock);
	return hit;
}

static struct daxlease *live_lease(struct dl_gate *gate, struct dl_range r)
{
	struct daxlease *lease;

	dl_gate_for_each(lease, gate, r)
		if (lease->state != DAXLEASE_ACQUIRING && dl_lease_live_in(lease, r))
			return lease;
	return NULL;
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
	bool clear;

	spin_lock(&gate->lock);
	clear = !live_lease(gate, r);
	spin_unlock(&gate->lock);
	return clear;
}

/**
 * dl_gate_breaking() - is a break of this file open, so that somebody may be waiting for a holder?
 * @gate: the gate
 *
 * Context: takes dl_gate.lock.
 * Return: true if so.
 */
bool dl_gate_breaking(struct dl_gate *gate)
{
	struct daxlease *lease;
	bool open = false;

	spin_lock(&gate->lock);
	dl_gate_for_each(lease, gate, DL_RANGE_ALL)
		open |= lease->brk.id;
	spin_unlock(&gate->lock);
	return open;
}

/**
 * dl_gate_wait() - wait until a range is clear
 * @gate: the gate; the breaks have been started, so deadline work bounds the wait
 * @r: pages of the file
 *
 * Killable, not interruptible: io_uring signals its tasks for ordinary completions, and
 * -ERESTARTSYS from its workers would reach the user.
 * Context: process context, no lock but freeze protection.
 * Return: 0 or -EINTR.
 */
int dl_gate_wait(struct dl_gate *gate, struct dl_range r)
{
	int err;

	trace_daxlease_wait(gate->inode, r.first, r.last, true);
	err = wait_event_killable(gate->wait, dl_gate_clear(gate, r));
	trace_daxlease_wait(gate->inode, r.first, r.last, false);
	return err ? -EINTR : 0;
}

/* XFS asks again at once, without sleeping, when it locks two inodes: then it sleeps here. */
static bool spins(struct dl_gate *gate, u64 break_id)
{
	bool again = gate->spinner == current && gate->spinner_break == break_id;

	lockdep_assert_held(&gate->lock);
	gate->spinner = current;
	gate->spinner_break = break_id;
	return again;
}

/**
 * dl_gate_busy_page() - a page that makes the filesystem wait, while a range is not clear
 * @gate: the gate
 * @r: pages of the file, broken before
 *
 * Context: i_rwsem and invalidate lock of the inode held exclusively; may sleep a tick.
 * Return: a page whose reference is dropped at the fence, or NULL when the range is clear.
 */
struct page *dl_gate_busy_page(struct dl_gate *gate, struct dl_range r)
{
	struct page *page = NULL;
	struct daxlease *lease;
	bool again = false;

	spin_lock(&gate->lock);
	dl_gate_for_each(lease, gate, r) {
		if (lease->state == DAXLEASE_ACQUIRING || !dl_lease_live_in(lease, r))
			continue;
		page = dl_break_busy(lease);
		if (page) {
			again = spins(gate, lease->brk.id);
			break;
		}
	}
	spin_unlock(&gate->lock);
	if (again)
		schedule_timeout_uninterruptible(1);
	return page;
}

/**
 * dl_gate_unbusy() - drop the pages that an earlier waiter of this inode has left behind
 * @gate: the gate
 *
 * Context: i_rwsem of the inode held exclusively: an earlier waiter is gone or is this task.
 */
void dl_gate_unbusy(struct dl_gate *gate)
{
	struct daxlease *lease;

	spin_lock(&gate->lock);
	dl_gate_for_each(lease, gate, DL_RANGE_ALL)
		dl_break_unbusy(lease);
	spin_unlock(&gate->lock);
}

/* The span of the live (or nearly), unexplained granules of a lease under @r, clipped to @r. */
static struct dl_range unexplained(const struct daxlease *lease, struct dl_range r,
				   const struct dl_range *explained)
{
	struct dl_range hit = dl_range_clip(lease->range, r);
	struct dl_range out = DL_RANGE_NONE;
	u64 g, last;

	if (dl_range_empty(hit))
		return out;
	last = dl_granule_of(lease->range, hit.last);
	for (g = dl_granule_of(lease->range, hit.first); g <= last; g++) {
		struct dl_range pages = dl_granule_pages(lease->range, g, g);

		if (lease->state != DAXLEASE_ACQUIRING && !dl_lease_live_in(lease, pages) &&
		    !(lease->rearming && dl_range_overlaps(lease->rearm, pages)))
			continue;
		if (explained && !dl_range_overlaps(pages, *explained))
			continue;
		out = dl_range_span(out, dl_range_clip(pages, hit));
	}
	return out;
}

static struct daxlease *emergency_start(struct dl_gate *gate, struct dl_range r,
					const struct dl_range *explained)
{
	struct daxlease *lease;

	spin_lock(&gate->lock);
	dl_gate_for_each(lease, gate, r) {
		struct dl_breaker by = {
			.range = unexplained(lease, r, explained),
			.reason = DAXLEASE_REASON_INVALIDATE,
			.flags = DAXLEASE_EVENT_EMERGENCY,
		};

		if (dl_range_empty(by.range) || !dl_break_start(lease, &by))
			continue;
		dl_lease_get(lease);
		break;
	}
	spin_unlock(&gate->lock);
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
	struct daxlease *lease;
	unsigned int hit = 0;

	while ((lease = emergency_start(gate, r, explained))) {
		pr_warn_ratelimited("lease %llu: fenced unasked: %s changes inode %lu on %s\n",
				    lease->id, current->comm, gate->inode->i_ino,
				    gate->inode->i_sb->s_id);
		dl_fence_insist(lease);
		dl_lease_put(lease);
		hit++;
	}
	return hit;
}
