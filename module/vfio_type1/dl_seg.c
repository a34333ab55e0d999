// SPDX-License-Identifier: GPL-2.0-only
/*
 * daxlease in VFIO type1: the life of a leased segment (dl_seg.h has its invariants).
 *
 *	acquire, attach -> map -> (fence, rearm, replay)* -> release
 *
 * It calls the daxlease core and never vfio_iommu_type1.c.
 *
 * Locks: see dl_mirror.c. The mirror lock is held for at most DL_HOLD granules at a time.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": daxlease: " fmt

#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "daxlease_consumer.h"
#include "dl_seg.h"

#define DL_RETRY_MS	100U

static_assert(DL_GRANULE == DAXLEASE_GRANULE_PAGES);
static_assert(sizeof(dma_addr_t) == sizeof(u64));

/* ---- what the core calls ---- */

/* End device access to granules [first, end). Those for which that is not confirmed stay live. */
static bool dl_fence_granules(struct dl_seg *seg, unsigned long first, unsigned long end)
{
	unsigned long a, b;
	bool confirmed = true;

	lockdep_assert_held(&seg->c->lock);
	for (a = find_next_bit(seg->live, end, first); a < end;
	     a = find_next_bit(seg->live, end, b)) {
		b = find_next_zero_bit(seg->live, end, a);
		if (dl_table_unmap(seg, a, b))
			bitmap_clear(seg->live, a, b - a);
		else
			confirmed = false;
	}
	return confirmed;
}

static bool dl_bad_range(const struct dl_seg *seg, u64 first, u64 count)
{
	return WARN_ON_ONCE(!count || first >= seg->span.pages || count > seg->span.pages - first);
}

/* daxlease_consumer_ops.fence; allocates nothing */
static bool dl_fence(void *priv, u64 first, u64 count)
{
	struct dl_seg *seg = priv;
	unsigned long g, end, next;
	bool confirmed = true;
	unsigned int noio;

	/* a range that is not ours cannot be confirmed piecemeal: everything goes */
	if (dl_bad_range(seg, first, count)) {
		first = 0;
		count = seg->span.pages;
	}
	end = dl_granule_of(&seg->span, first + count - 1) + 1;
	for (g = dl_granule_of(&seg->span, first); g < end; g = next) {
		next = min(g + DL_HOLD, end);
		noio = dl_lock(seg->c);
		if (!dl_fence_granules(seg, g, next))
			confirmed = false;
		dl_unlock(seg->c, noio);
		cond_resched();
	}
	dl_scratch_kick(seg->c);
	return confirmed;
}

/* Make dead granules among [first, end) live and map them. After an error the core fences them. */
static int dl_rearm_granules(struct dl_seg *seg, unsigned long first, unsigned long end)
{
	struct dl_domain *dd;
	unsigned long a, b;
	int ret = 0;

	lockdep_assert_held(&seg->c->lock);
	if (seg->closed)
		return -EAGAIN;		/* it is being unmapped, and its lease about to go */
	if (!dl_scratch_unmap(seg, first, end))
		return -EIO;
	for (a = find_next_zero_bit(seg->live, end, first); a < end;
	     a = find_next_zero_bit(seg->live, end, b)) {
		b = find_next_bit(seg->live, end, a);
		bitmap_set(seg->live, a, b - a);
		list_for_each_entry(dd, &seg->c->domains, node) {
			if (a < dl_seg_reach(seg, dd))
				ret = dl_table_map(seg, dd, a, min(b, dl_seg_reach(seg, dd)));
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* daxlease_consumer_ops.rearm */
static int dl_rearm(void *priv, u64 first, u64 count)
{
	struct dl_seg *seg = priv;
	unsigned long g, end, next;
	unsigned int noio;
	int ret = 0;

	if (dl_bad_range(seg, first, count))
		return -EINVAL;
	end = dl_granule_of(&seg->span, first + count - 1) + 1;
	for (g = dl_granule_of(&seg->span, first); g < end && !ret; g = next) {
		next = min(g + DL_HOLD, end);
		noio = dl_lock(seg->c);
		ret = dl_rearm_granules(seg, g, next);
		dl_unlock(seg->c, noio);
		cond_resched();
	}
	return ret;
}

static const struct daxlease_consumer_ops dl_ops = {
	.name = "vfio_iommu_type1",
	.fence = dl_fence,
	.rearm = dl_rearm,
};

/* ---- acquire, map, replay, release ---- */

/**
 * dl_seg_acquire - take the lease and listen to fences
 * @seg: fresh, with container, vaddr, prot, pages and place in the device's address space
 *
 * Context: no lock; faults pages in and waits, killably, until the range is not barred.
 *
 * Return: 0, or an error. In any case the segment is good for dl_seg_release().
 */
int dl_seg_acquire(struct dl_seg *seg)
{
	struct daxlease_attachment *att;
	struct daxlease *lease;
	size_t longs;

	lease = daxlease_acquire_vma(seg->vaddr, seg->span.pages << PAGE_SHIFT,
				     seg->prot & IOMMU_WRITE ? DAXLEASE_ACQ_WRITE : 0);
	if (IS_ERR(lease))
		return PTR_ERR(lease);
	seg->lease = lease;
	seg->span.pgoff = daxlease_pgoff(lease);
	seg->granules = dl_granules(&seg->span);
	longs = BITS_TO_LONGS(seg->granules);
	seg->live = kvcalloc(2 * longs, sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!seg->live)
		return -ENOMEM;
	seg->scratch = seg->live + longs;
	bitmap_set(seg->live, 0, seg->granules);

	/* fences from here on; until dl_seg_map() they only have bits to clear */
	att = daxlease_attach(lease, 0, seg->span.pages, &dl_ops, seg);
	if (IS_ERR(att))
		return PTR_ERR(att);
	seg->att = att;
	return 0;
}

/**
 * dl_seg_map - map what is live of a segment into all domains
 * @seg: the segment, acquired
 * @small_pages: one page per call, for the module parameter disable_hugepages
 *
 * Context: iommu->lock held.
 *
 * Return: 0, or an error, after which the segment is good for dl_seg_release() only.
 */
int dl_seg_map(struct dl_seg *seg, bool small_pages)
{
	struct dl_container *c = seg->c;
	unsigned long first, end;
	struct dl_domain *dd;
	unsigned int noio;
	int ret = 0;

	lockdep_assert_held(c->iommu_lock);
	seg->small_pages = small_pages;
	for (first = 0; first < seg->granules && !ret; first = end) {
		end = min(first + DL_HOLD, seg->granules);
		noio = dl_lock(c);
		if (list_empty(&seg->on_container))
			list_add_tail(&seg->on_container, &c->segs);
		list_for_each_entry(dd, &c->domains, node) {
			ret = dl_table_map(seg, dd, first, end);
			if (ret)
				break;
		}
		seg->mapped = end;
		dl_unlock(c, noio);
		cond_resched();
	}
	dl_scratch_kick(c);	/* for what was fenced before */
	return ret;
}

/**
 * dl_domain_add - add a domain to the mirror, with nothing leased mapped in it
 * @c: the container
 * @dd: daxlease's part of the domain
 * @domain: the domain; mappings are replayed into it next, and fences reach it from now on
 *
 * Context: iommu->lock held, until dl_domain_ready() or dl_domain_del().
 *
 * Return: 0, or -EOPNOTSUPP: there are leased mappings, and this domain could not be fenced.
 */
int dl_domain_add(struct dl_container *c, struct dl_domain *dd, struct iommu_domain *domain)
{
	struct dl_seg *seg;
	unsigned int noio;
	int ret = 0;

	lockdep_assert_held(c->iommu_lock);
	noio = dl_lock(c);
	dd->domain = domain;
	list_add_tail(&dd->node, &c->domains);
	c->incoming = dd;
	list_for_each_entry(seg, &c->segs, on_container)
		seg->replayed = 0;
	if (!list_empty(&c->segs))
		ret = dl_domains_fit(c);
	dl_unlock(c, noio);
	return ret;
}

/**
 * dl_seg_replay - map what is live of a segment into the incoming domain
 * @seg: the segment, mapped
 *
 * Context: iommu->lock held, after dl_domain_add().
 *
 * Return: 0, or an error: the domain has to go, see dl_domain_del().
 */
int dl_seg_replay(struct dl_seg *seg)
{
	struct dl_container *c = seg->c;
	unsigned long first, end;
	unsigned int noio;
	int ret = 0;

	lockdep_assert_held(c->iommu_lock);
	for (first = 0; first < seg->granules && !ret; first = end) {
		end = min(first + DL_HOLD, seg->granules);
		noio = dl_lock(c);
		ret = dl_table_map(seg, c->incoming, first, end) ?:
		      dl_scratch_replay(seg, c->incoming, first, end);
		seg->replayed = end;
		dl_unlock(c, noio);
		cond_resched();
	}
	return ret;
}

/* Unmap everything. True when that is confirmed. */
static bool dl_seg_unmap(struct dl_seg *seg)
{
	unsigned long first, end;
	bool confirmed = true;
	unsigned int noio;

	for (first = 0; first < seg->granules; first = end) {
		end = min(first + DL_HOLD, seg->granules);
		noio = dl_lock(seg->c);
		confirmed &= dl_fence_granules(seg, first, end);
		confirmed &= dl_scratch_unmap(seg, first, end);
		dl_unlock(seg->c, noio);
		cond_resched();
	}
	return confirmed;
}

/**
 * dl_seg_release - unmap a segment everywhere and give its lease back
 * @seg: the segment, whatever has become of it; its span remains
 *
 * Never fails: a lease whose pages a device may still reach is not given back, so this waits until
 * the unmapping is confirmed. Idempotent.
 *
 * Context: iommu->lock may be held; the mirror lock not. Waits for a running fence of this lease.
 */
void dl_seg_release(struct dl_seg *seg)
{
	struct dl_container *c = seg->c;
	unsigned int noio, tries = 0;

	if (!seg->lease)
		return;
	noio = dl_lock(c);
	seg->closed = true;
	list_del_init(&seg->on_container);
	dl_unlock(c, noio);

	while (seg->live && !dl_seg_unmap(seg)) {
		if (tries++ % (10 * MSEC_PER_SEC / DL_RETRY_MS) == 0)
			pr_err("cannot unmap [%#llx, %#llx), keeping its lease and trying again\n",
			       dl_seg_iova(seg, 0), dl_seg_end(seg));
		msleep(DL_RETRY_MS);
	}
	if (seg->att)
		daxlease_detach(seg->att);	/* no fence runs or comes after this */
	daxlease_put(seg->lease);
	seg->att = NULL;
	seg->lease = NULL;
	kvfree(seg->live);
	seg->live = NULL;
}
