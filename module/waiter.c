// SPDX-License-Identifier: GPL-2.0
#include "compat.h"
#include "waiter.h"

/**
 * dl_waiter_begin() - wait for a range, unless it is clear
 * @gate: the gate
 * @w: not waiting
 * @r: pages of the file; their leases have been broken, and no other can be published meanwhile
 *
 * Context: dl_gate.lock held. dl_waiter_end() is owed if this returns true.
 * Return: false if no device reaches the range through a lease.
 */
bool dl_waiter_begin(struct dl_gate *gate, struct dl_waiter *w, struct dl_range r)
{
	struct daxlease *lease;

	lockdep_assert_held(&gate->lock);
	w->range = r;
	w->live = 0;
	w->busy = NULL;
	init_completion(&w->clear);
	dl_gate_for_each(lease, gate, r)
		w->live += dl_lease_live_in(lease, r);
	if (w->live)
		list_add_tail(&w->on_gate, &gate->waiters);
	return w->live;
}

/**
 * dl_waiter_end() - stop waiting, and let a filesystem go that sleeps on the page
 * @w: has begun
 *
 * Context: dl_gate.lock held.
 */
void dl_waiter_end(struct dl_waiter *w)
{
	struct page *page = w->busy;

	list_del(&w->on_gate);
	w->busy = NULL;
	if (page)
		dl_busy_put(page);
}

/**
 * dl_waiter_lost() - granules are lost: whoever waited for the last of them goes on
 * @lease: a published lease
 * @g0: first granule, all of them were live until now
 * @g1: last granule
 *
 * A lease leaves the count of a waiter with its last live granule in the range. Whoever is woken
 * looks again: a granule that was re-armed meanwhile may have been counted out too early.
 * Context: dl_gate.lock held.
 */
void dl_waiter_lost(struct daxlease *lease, u64 g0, u64 g1)
{
	struct dl_range pages = dl_granule_pages(lease->range, g0, g1);
	struct dl_gate *gate = lease->gate;
	struct dl_waiter *w, *next;

	lockdep_assert_held(&gate->lock);
	list_for_each_entry_safe(w, next, &gate->waiters, on_gate) {
		struct dl_range hit = dl_range_clip(w->range, lease->range);

		if (!dl_range_overlaps(hit, pages) || dl_lease_live_in(lease, hit) || !w->live)
			continue;
		if (--w->live)
			continue;
		if (w->busy)
			dl_waiter_end(w);
		else
			complete(&w->clear);
	}
}
