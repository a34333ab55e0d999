// SPDX-License-Identifier: GPL-2.0
/*
 * FIEMAP is the one way to a filesystem's block map that every filesystem has, and it writes to
 * user space. So fiemap_fill_next_extent() is redirected for the calls we cause ourselves; they are
 * known by an address of the kernel where a user's would be. Without the redirect it fails with
 * -EFAULT, and there is no lease.
 */
#include <linux/blkdev.h>
#include <linux/dax.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/pfn_t.h>
#include <linux/sched/signal.h>

#include "hook_blocks.h"
#include "hook_ops.h"

/* Where the answers of one call go; its address stands in fi_extents_start. */
struct answers {
	struct dl_range range;		/* pages of the file that are asked for */
	const struct dl_extents *ext;	/* what they are believed to be */
	u64 base;			/* of range.first in @ext */
	u32 at;				/* of the run of @ext that was compared last */
	struct dax_device *dax;
	u64 start;			/* of the filesystem on @dax, bytes */
	u64 next;			/* page of the file that comes next */
	int err;
	struct dl_range stale;		/* with -ESTALE: the first pages that are not as believed */
};

/**
 * orig_fiemap_extent() - the function itself
 * @info: as for fiemap_fill_next_extent()
 * @logical: bytes
 * @phys: bytes
 * @len: bytes
 * @flags: FIEMAP_EXTENT_*
 *
 * Return: as fiemap_fill_next_extent().
 */
noinline __noclone int orig_fiemap_extent(struct fiemap_extent_info *info, u64 logical, u64 phys,
					  u64 len, u32 flags)
{
	int ret = fiemap_fill_next_extent(info, logical, phys, len, flags);

	barrier();
	return ret;
}

/* -EHWPOISON: the medium is bad there; -EFAULT: it is gone. */
static int pfn_at(const struct answers *a, u64 phys, u64 *pfn)
{
	long nr;
	pfn_t p;
	int id;

	id = dax_read_lock();
	nr = dax_direct_access(a->dax, (a->start + phys) >> PAGE_SHIFT, 1, DAX_ACCESS, NULL, &p);
	dax_read_unlock(id);
	if (nr < 1)
		return nr == -EHWPOISON ? nr : -EFAULT;
	*pfn = pfn_t_to_pfn(p);
	return 0;
}

/* Is @ext as the filesystem says: pages @r of the file at @pfn? */
static int compare(struct answers *a, struct dl_range r, u64 pfn)
{
	struct daxlease_run run;
	u64 page = r.first;

	while (page <= r.last) {
		if (!dl_extents_walk(a->ext, &a->at, a->base + page - a->range.first, &run))
			return -ENODATA;
		if (run.pfn != pfn + (page - r.first)) {
			a->stale.first = page;
			a->stale.last = min(r.last, page + run.count - 1);
			return -ESTALE;
		}
		page += run.count;
	}
	return 0;
}

static int answer(struct answers *a, u64 logical, u64 phys, u64 len, u32 flags)
{
	struct dl_range extent = { logical >> PAGE_SHIFT, ((logical + len) >> PAGE_SHIFT) - 1 };
	struct dl_range r = dl_range_clip(a->range, extent);
	u64 pfn;
	int err;

	if (dl_range_empty(r))
		return 0;
	a->stale = r;
	if (r.first != a->next) {	/* a hole is not mentioned */
		if (r.first > a->next)
			a->stale = (struct dl_range){ a->next, r.first - 1 };
		return -ENODATA;
	}
	a->next = r.last + 1;
	if (flags & FIEMAP_EXTENT_SHARED)
		return -EMLINK;
	if (flags & ~(FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED))
		return -ENODATA;
	err = pfn_at(a, phys + ((r.first - extent.first) << PAGE_SHIFT), &pfn);
	return err ?: compare(a, r, pfn);
}

/**
 * hook_fiemap_extent() - stands for fiemap_fill_next_extent() in calls of our own
 * @info: fi_extents_start is our struct answers
 * @logical: bytes
 * @phys: bytes
 * @len: bytes
 * @flags: FIEMAP_EXTENT_*
 *
 * Return: 1 to end the walk, or 0.
 */
int hook_fiemap_extent(struct fiemap_extent_info *info, u64 logical, u64 phys, u64 len, u32 flags)
{
	struct answers *a = (void __force *)info->fi_extents_start;
	int ret = 1;

	dl_hook_enter();
	if ((void *)a == &dl_test_hits) {
		atomic_inc(&dl_test_hits);
	} else if (!a->err) {	/* the last extent is told even after the walk was ended */
		a->err = answer(a, logical, phys, len, flags);
		ret = !!a->err;
	}
	dl_hook_leave();
	return ret;
}

/*
 * XFS takes i_rwsem to answer, and cannot be killed while it waits for it; a breaker at the gate
 * may hold it for long. So first see that it is free; what comes between lasts a grace at most.
 */
static int inode_is_free(struct inode *inode)
{
	while (!inode_trylock_shared(inode)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		schedule_timeout_killable(1);
	}
	inode_unlock_shared(inode);
	return 0;
}

/**
 * dl_blocks_check() - are pages what the filesystem says that they are?
 * @inode: the file
 * @range: pages of the file
 * @ext: the extents that are believed to be theirs
 * @base: page of @ext that stands for the first of @range
 * @stale: with an error of the first three below: where it was met first
 *
 * Whatever changes the answer from now on is seen by the hooks, if a lease is published.
 * Context: process context, may sleep; no locks. XFS takes i_rwsem shared.
 * Return: 0; -ESTALE: another block is there; -EMLINK: blocks shared with another file; -ENODATA: a
 * hole or unwritten blocks; -EHWPOISON: bad medium; -EFAULT: it is gone; -EINTR; or what the
 * filesystem says.
 */
int dl_blocks_check(struct inode *inode, struct dl_range range, const struct dl_extents *ext,
		    u64 base, struct dl_range *stale)
{
	struct answers a = { .range = range, .ext = ext, .base = base, .next = range.first };
	struct fiemap_extent_info info = {
		.fi_extents_max = 1,
		.fi_extents_start = (void __user *)&a,
	};
	int err;

	if (!inode->i_op->fiemap)
		return -EOPNOTSUPP;
	err = inode_is_free(inode);
	if (err)
		return err;
	a.dax = fs_dax_get_by_bdev(inode->i_sb->s_bdev, &a.start, NULL, NULL);
	if (!a.dax)
		return -EFAULT;
	err = inode->i_op->fiemap(inode, &info, range.first << PAGE_SHIFT,
				  dl_range_pages(range) << PAGE_SHIFT);
	fs_put_dax(a.dax, NULL);
	if (!err)
		err = a.err;
	if (!err && a.next <= range.last) {
		a.stale = (struct dl_range){ a.next, range.last };
		err = -ENODATA;
	}
	*stale = a.stale;
	return err;
}

/**
 * dl_blocks_selftest() - is the redirect at work?
 *
 * Context: process context; the caller serialises.
 * Return: true if so.
 */
bool dl_blocks_selftest(void)
{
	struct fiemap_extent_info info = {
		.fi_extents_max = 1,
		.fi_extents_start = (void __user *)&dl_test_hits,
	};

	/* The original cannot write to such an address. */
	return fiemap_fill_next_extent(&info, 0, 0, PAGE_SIZE, 0) == 1 && dl_test_hit(1);
}
