// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>

#include "attach.h"
#include "break.h"
#include "history.h"
#include "trace.h"

static atomic64_t last_break;

static void note_break(struct daxlease *lease, u32 bits, u64 now)
{
	struct dl_break *brk = &lease->brk;
	struct dl_note note = {
		.bits = bits,
		.flags = brk->flags,
		.reason = brk->reason,
		.generation = lease->generation,
		.break_id = brk->id,
		.hit = brk->hit,
		.lost = brk->lost,
		.now = now,
		.deadline = brk->deadline,
		.breaker = brk->breaker,
		.comm = brk->comm,
	};

	dl_lease_post(lease, &note);
}

static void set_breaker(struct dl_break *brk, enum daxlease_reason reason)
{
	put_pid(brk->breaker);
	brk->breaker = get_task_pid(current, PIDTYPE_TGID);
	get_task_comm(brk->comm, current->group_leader);
	brk->reason = reason;
}

/*
 * At the gate a breaker waits with the inode lock: who wants that lock queues behind it, perhaps
 * with the lock of a directory, and so on to anybody. The user pays for that, whichever his file.
 */
static bool pay_locked(struct daxlease *lease, u64 since, u64 grace)
{
	struct dl_break *brk = &lease->brk;

	brk->user_paid = dl_budget_pay(lease->locks, grace, lease->grace_limit, since);
	return brk->user_paid;
}

static bool pay(struct daxlease *lease, const struct dl_breaker *by, u64 now, u64 grace)
{
	struct dl_break *brk = &lease->brk;
	u64 since = by->since ?: now;

	if (by->locked && !pay_locked(lease, since, grace))
		return false;
	brk->file_paid = dl_budget_pay(lease->gate->budget, grace, lease->grace_limit, since);
	return brk->file_paid;
}

static void settle(struct daxlease *lease, u64 now)
{
	struct dl_break *brk = &lease->brk;

	if (brk->file_paid)
		dl_budget_settle(lease->gate->budget, now);
	if (brk->user_paid)
		dl_budget_settle(lease->locks, now);
	brk->file_paid = false;
	brk->user_paid = false;
}

static void break_open(struct daxlease *lease, const struct dl_breaker *by, u64 now)
{
	struct dl_break *brk = &lease->brk;
	u64 grace = dl_lease_grace(lease);

	brk->id = atomic64_inc_return(&last_break);
	brk->started = now;
	brk->fence = 0;
	brk->flags = by->flags;
	brk->hit = DL_RANGE_NONE;
	brk->lost = DL_RANGE_NONE;
	brk->locked = by->locked;
	brk->cleared_at_fence = !by->barred;
	brk->complained = now;
	lease->gate->open_breaks++;
	if (by->flags || !grace || dl_lease_freezing(lease) ||
	    !pay(lease, by, now, grace)) {
		grace = 0;
		if (!(brk->flags & DAXLEASE_FLAG_EMERGENCY))
			brk->flags |= DAXLEASE_FLAG_NO_GRACE;
	}
	brk->deadline = now + grace;
	dl_lease_set_state(lease, DAXLEASE_BREAKING);
}

/* The filesystem asks again each time it wakes; that is no second operation. */
static bool same_again(const struct daxlease *lease, const struct dl_breaker *by,
		       struct dl_range hit)
{
	u64 g = dl_granule_of(lease->range, hit.first), end;
	u64 last = dl_granule_of(lease->range, hit.last);
	const struct dl_break *brk = &lease->brk;

	if (!brk->id || by->flags || brk->breaker != task_tgid(current) ||
	    (by->locked && !brk->locked) || hit.first < brk->hit.first || hit.last > brk->hit.last)
		return false;
	for_each_clear_bitrange_from(g, end, lease->lost, last + 1)
		if (find_next_zero_bit(lease->doomed, end, g) < end)
			return false;
	return true;
}

/* Flags are those of the break so far: an event tells of everything since the last was read. */
static void break_join(struct daxlease *lease, const struct dl_breaker *by, u64 now)
{
	struct dl_break *brk = &lease->brk;

	brk->flags |= DAXLEASE_FLAG_JOINED | by->flags;
	if (by->locked && !brk->locked && brk->deadline > now &&
	    !pay_locked(lease, now, brk->deadline - now)) {
		brk->flags |= DAXLEASE_FLAG_NO_GRACE;
		brk->deadline = now;
	}
	brk->locked |= by->locked;
	if (by->flags)
		brk->deadline = min(brk->deadline, now);
}

/**
 * dl_break_start() - begin to take back what an operation changes, or join the break that is open
 * @lease: a published lease
 * @by: the operation; this task is the breaker
 *
 * A lease that is still ACQUIRING is marked dead instead: acquire notices and begins again.
 * Context: dl_gate.lock held; atomic, allocates nothing.
 * Return: true if live granules are affected; the caller waits for them with dl_lease_live_in().
 */
bool dl_break_start(struct daxlease *lease, const struct dl_breaker *by)
{
	struct dl_range hit = dl_range_clip(lease->range, by->range);
	struct dl_break *brk = &lease->brk;
	u64 now = ktime_get_ns();
	u64 first, last, g, end;

	lockdep_assert_held(&lease->gate->lock);
	if (lease->state == DAXLEASE_ACQUIRING) {
		lease->dead |= !dl_range_empty(hit);
		return false;
	}
	if (lease->rearming && dl_range_overlaps(lease->rearm, by->range))
		lease->rearm_dead = true;
	if (!dl_lease_live_in(lease, by->range))
		return false;
	first = dl_granule_of(lease->range, hit.first);
	last = dl_granule_of(lease->range, hit.last);
	if (brk->id)
		brk->cleared_at_fence &= !by->barred;
	if (same_again(lease, by, hit))
		return true;
	if (!brk->id)
		break_open(lease, by, now);
	else
		break_join(lease, by, now);
	set_breaker(brk, by->reason);
	brk->hit = dl_range_span(brk->hit, hit);
	g = first;
	for_each_clear_bitrange_from(g, end, lease->lost, last + 1)
		bitmap_set(lease->doomed, g, end - g);
	brk->lost = dl_range_span(brk->lost, dl_granule_pages(lease->range, first, last));
	trace_daxlease_break(lease->id, brk->id, brk->reason, brk->flags, brk->hit.first,
			     brk->hit.last, brk->deadline - now);
	note_break(lease, DAXLEASE_EVENT_BREAK, now);
	dl_deadline_queue(lease, now);
	return true;
}

/**
 * dl_break_page() - a page of a lease for the filesystem to sleep on
 * @lease: a published lease with a break open
 * @pgoff: filled: page of the file
 *
 * It is a page of a granule that is still live: the filesystem sees a busy page of this very file,
 * no page of ours that somebody else could reuse.
 * Context: dl_gate.lock held.
 * Return: the page, no reference taken; NULL if everything doomed is lost already.
 */
struct page *dl_break_page(struct daxlease *lease, u64 *pgoff)
{
	u64 nr = dl_granule_count(lease->range);
	struct daxlease_run run;
	bool found;
	u64 g;

	lockdep_assert_held(&lease->gate->lock);
	g = find_first_bit(lease->doomed, nr);
	if (g >= nr)
		return NULL;
	*pgoff = dl_granule_pages(lease->range, g, g).first;
	rcu_read_lock();
	found = dl_extents_at(rcu_dereference(lease->extents), *pgoff - lease->range.first, &run);
	rcu_read_unlock();
	return WARN_ON_ONCE(!found) ? NULL : pfn_to_page(run.pfn);
}

static u64 first_noticed(const struct daxlease *lease, u64 fence)
{
	struct dl_slot *slot;
	u64 when, first = fence;

	list_for_each_entry(slot, &lease->slots, on_lease) {
		when = dl_slot_noticed(slot, lease->brk.id);
		if (when)
			first = min(first, when);
	}
	return first;
}

static void remember(const struct daxlease *lease, u64 now)
{
	const struct dl_break *brk = &lease->brk;
	struct dl_ended ended = {
		.break_id = brk->id,
		.lease = lease->id,
		.started = brk->started,
		.noticed = first_noticed(lease, brk->fence ?: now),
		.fence = brk->fence ?: now,
		.ended = now,
		.deadline = brk->deadline,
		.granules_lost = lease->granules_lost,
		.reason = brk->reason,
		.flags = brk->flags,
		.dev = lease->gate->inode->i_sb->s_dev,
		.ino = lease->gate->inode->i_ino,
		.holder = pid_nr(lease->holder),
		.breaker = pid_nr(brk->breaker),
	};

	memcpy(ended.holder_comm, lease->comm, sizeof(ended.holder_comm));
	memcpy(ended.breaker_comm, brk->comm, sizeof(ended.breaker_comm));
	dl_history_add(&ended);
}

/**
 * dl_break_close() - everything doomed is lost: the break is over
 * @lease: a published lease, with or without an open break
 *
 * Context: dl_gate.lock held; the caller has a reference.
 */
void dl_break_close(struct daxlease *lease)
{
	struct dl_break *brk = &lease->brk;
	u64 now = ktime_get_ns();
	bool all = lease->granules_lost == dl_granule_count(lease->range);
	u32 bits = DAXLEASE_EVENT_FENCED;

	lockdep_assert_held(&lease->gate->lock);
	if (!brk->id)
		return;
	lease->gate->open_breaks--;
	settle(lease, now);
	remember(lease, now);
	dl_lease_set_state(lease, all ? DAXLEASE_REVOKED : DAXLEASE_ACTIVE);
	bits |= all ? DAXLEASE_EVENT_REVOKED : 0;
	bits |= brk->cleared_at_fence ? DAXLEASE_EVENT_CLEARED : 0;
	note_break(lease, bits, now);
	trace_daxlease_fenced(lease->id, brk->id, lease->granules_lost, now - brk->started);
	brk->last_id = brk->id;
	brk->id = 0;
	brk->deadline = 0;
	put_pid(brk->breaker);
	brk->breaker = NULL;
	dl_deadline_cancel(lease);
}

/**
 * dl_lease_cleared() - the operation that broke a range has returned, and no other bars it
 * @lease: a published lease
 * @r: pages of the file that the operation had barred
 *
 * Context: dl_gate.lock held.
 */
void dl_lease_cleared(struct daxlease *lease, struct dl_range r)
{
	struct dl_range hit = dl_range_clip(lease->range, r);
	struct dl_note note = {
		.bits = DAXLEASE_EVENT_CLEARED,
		.reason = lease->brk.reason,
		.generation = lease->generation,
		.break_id = lease->brk.last_id,
		.hit = hit,
		.lost = DL_RANGE_NONE,
		.now = ktime_get_ns(),
	};
	u64 nr;

	lockdep_assert_held(&lease->gate->lock);
	if (dl_range_empty(hit))
		return;
	if (lease->brk.id) {	/* not fenced yet, its breaker was killed: say so with the fence */
		lease->brk.cleared_at_fence = true;
		return;
	}
	if (!lease->granules_lost)
		return;
	nr = dl_granule_count(lease->range);
	note.lost = dl_granule_pages(lease->range, find_first_bit(lease->lost, nr),
				     find_last_bit(lease->lost, nr));
	dl_lease_post(lease, &note);
}
