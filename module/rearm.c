// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "acquire.h"
#include "attach.h"
#include "hooks.h"
#include "opctx.h"
#include "rearm.h"
#include "removal.h"
#include "resolve.h"
#include "trace.h"

#define MAX_TRIES	16
#define PIECE		512U	/* granules: as long as VFIO holds its lock, so may a fence wait */

static int may_rearm(struct daxlease *lease, struct dl_range range)
{
	struct inode *inode = lease->gate->inode;

	lockdep_assert_held(&lease->gate->lock);
	if (lease->rearming || lease->brk.id || lease->releasing ||
	    dl_op_barred(lease->gate, range))
		return -EAGAIN;
	if (!IS_DAX(inode) || IS_SWAPFILE(inode))
		return -EOPNOTSUPP;
	return dl_past_end(inode, range) ? -EINVAL : 0;
}

/* Announce the re-arm; no other may be under way. */
static int announce(struct daxlease *lease, struct dl_range range)
{
	struct dl_gate *gate = lease->gate;
	int err;

	err = dl_acquire_lock_inode(gate, false);
	if (err)
		return err;
	spin_lock(&gate->lock);
	err = may_rearm(lease, range);
	if (!err) {
		lease->rearming = true;
		lease->rearm_dead = false;
		lease->rearm = range;
	}
	spin_unlock(&gate->lock);
	dl_acquire_unlock_inode(gate, !err);
	return err;
}

static void retract(struct daxlease *lease)
{
	spin_lock(&lease->gate->lock);
	lease->rearming = false;
	spin_unlock(&lease->gate->lock);
}

/* The lease's extents with those of @range replaced by what the file has now. */
static int record(struct daxlease *lease, const struct dl_window *w, struct dl_extents **ext)
{
	struct dl_extents *old = rcu_dereference_protected(lease->extents, lease->rearming);
	u64 first = w->range.first - lease->range.first,
	    end = w->range.last - lease->range.first + 1;
	int err;

	err = dl_extents_copy(ext, old, 0, first);
	if (!err)
		err = dl_resolve(w, ext, &lease->rearm_dead);
	if (!err)
		err = dl_extents_copy(ext, old, end, dl_range_pages(lease->range));
	return err;
}

/* All that is about to be live was lost before: consumers have nothing of it mapped. */
static bool wholly_lost(const struct daxlease *lease, u64 g0, u64 g1)
{
	return find_next_zero_bit(lease->lost, g1 + 1, g0) > g1;
}

/* Let consumers map [@*g, @g1], until something is to be fenced. @g: out: the first not mapped. */
static int map_again(struct daxlease *lease, u64 *g, u64 g1)
{
	u64 last;
	int err;

	for (; *g <= g1; *g = last + 1) {
		last = min(*g + PIECE - 1, g1);
		if (dl_fence_wanted(lease))
			return -EAGAIN;
		err = dl_attach_rearm(lease, dl_granule_pages(lease->range, *g, last));
		if (err)
			return err;
	}
	return 0;
}

/*
 * Go live. The lost bits are cleared before consumers map: an operation that comes from now on
 * dooms the granules and waits for the fence_lock, behind which it finds them mapped or lost.
 */
static int go_live(struct daxlease *lease, struct dl_range range, struct dl_extents *ext,
		   u64 *generation)
{
	u64 g0 = dl_granule_of(lease->range, range.first),
	    g1 = dl_granule_of(lease->range, range.last);
	struct dl_extents *old = rcu_dereference_protected(lease->extents, lease->rearming);
	struct dl_gate *gate = lease->gate;
	unsigned int noio;
	int err = 0;

	noio = dl_fence_lock(lease);
	spin_lock(&gate->lock);
	if (lease->rearm_dead || lease->releasing || dl_removal_under_way(lease->dev))
		err = -ERESTART;
	else if (lease->brk.id || !wholly_lost(lease, g0, g1))
		err = -EAGAIN;
	else if (!dl_attach_can_rearm(lease))
		err = -EOPNOTSUPP;
	if (!err) {
		rcu_assign_pointer(lease->extents, ext);
		bitmap_clear(lease->lost, g0, g1 - g0 + 1);
		lease->granules_lost -= g1 - g0 + 1;
		*generation = ++lease->generation;
		if (lease->state == DAXLEASE_REVOKED)
			dl_lease_set_state(lease, DAXLEASE_ACTIVE);
	}
	lease->rearming = false;
	spin_unlock(&gate->lock);
	if (!err) {
		err = map_again(lease, &g0, g1);
		if (err)
			dl_fence_undone(lease, g0, g1);
		trace_daxlease_rearm(lease->id, *generation, range.first, range.last, err);
		ext = old;
	}
	dl_fence_unlock(lease, noio);
	synchronize_rcu();
	dl_extents_free(ext);
	return err;
}

static int try_rearm(struct daxlease *lease, struct dl_range range, u64 *generation)
{
	struct dl_window w = { .file = lease->file, .range = range, .write = lease->write };
	struct dl_extents *ext = NULL;
	int err;

	/* Once before looking, so that nothing is allocated in a range that is being punched. */
	spin_lock(&lease->gate->lock);
	err = may_rearm(lease, range);
	spin_unlock(&lease->gate->lock);
	if (!err)
		err = dl_window_open(&w);
	if (!err)
		err = dl_populate(&w);
	if (!err)
		err = announce(lease, range);
	if (!err) {
		err = record(lease, &w, &ext);
		if (!err && lease->sync)
			err = vfs_fsync_range(w.file, range.first << PAGE_SHIFT,
					      ((range.last + 1) << PAGE_SHIFT) - 1, 0);
		if (err)
			retract(lease);
	}
	dl_window_close(&w);
	if (!err)
		return go_live(lease, range, ext, generation);
	dl_extents_free(ext);
	return err;
}

static bool lost_granules(struct daxlease *lease, struct dl_range r, struct dl_range *pages)
{
	u64 last = dl_granule_of(lease->range, r.last), first, end;

	spin_lock(&lease->gate->lock);
	first = find_next_bit(lease->lost, last + 1, dl_granule_of(lease->range, r.first));
	end = find_next_zero_bit(lease->lost, last + 1, first);
	spin_unlock(&lease->gate->lock);
	if (first > last)
		return false;
	*pages = dl_granule_pages(lease->range, first, end - 1);
	return true;
}

/**
 * dl_rearm() - map lost granules again
 * @lease: a published lease; the caller has a reference and acts for its holder
 * @range: pages of the file within the lease: every lost granule under it comes back, others
 *	are not touched
 * @generation: out: the lease's generation
 *
 * Lost granules that are not neighbours come back one run after the other, each under a generation
 * of its own; after an error those done before stay.
 * Context: process context with an mm, may sleep, no locks.
 * Return: 0; -EACCES: the caller may not open the file; -EAGAIN: the range is barred, a break is
 * open or comes meanwhile, another re-arm is under way, or a consumer is about to detach; -EINVAL:
 * past the end of the file; -EOPNOTSUPP: a consumer that cannot; else as acquire.
 */
int dl_rearm(struct daxlease *lease, struct dl_range range, u64 *generation)
{
	struct dl_range pages;
	int err, tries = 0;

	/* The context may have been passed on: its window must not open a file to who may not. */
	if (inode_permission(file_mnt_idmap(lease->file), lease->gate->inode,
			     MAY_READ | (lease->write ? MAY_WRITE : 0)))
		return -EACCES;
	err = dl_hooks_get(lease->gate->inode->i_sb, lease->dev);
	if (err)
		return err;
	*generation = READ_ONCE(lease->generation);
	while (!err && lost_granules(lease, range, &pages)) {
		err = try_rearm(lease, pages, generation);
		if (err != -ERESTART)
			continue;
		err = ++tries < MAX_TRIES ? 0 : -EAGAIN;
		/* An operation is under way, or the removal of the device */
		schedule_timeout_killable(1);
	}
	dl_hooks_put();
	return err;
}
