// SPDX-License-Identifier: GPL-2.0-only
/*
 * daxlease in VFIO type1: scratch memory in place of what was fenced.
 *
 * A device that accesses a fenced granule gets a fault, and on some machines a DMA fault is fatal
 * to more than the device. With the module parameter fenced_access=scratch, fenced granules of all
 * leased mappings are mapped, a little later, to scratch memory: at most 2 MiB, zeroed, one for a
 * container, which all its fenced granules share. What a device writes there its container's
 * devices may read; nobody else ever does.
 *
 * A fence does not know of it: it unmaps what is live, and what has scratch memory is not live. The
 * memory is mapped by a work item that each fence queues, because that allocates, and unmapped
 * before a granule is re-armed or released. Between fence and work, an access faults.
 *
 * Invariant: a granule has scratch memory only while it is not live, and its bit in seg->scratch is
 * set as long as any of that may be mapped. In each domain whose reach it is in, the whole granule
 * is mapped, by calls that do not leave it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": daxlease: " fmt

#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "dl_seg.h"

#define DL_SCRATCH_ORDER	9	/* a granule */
#define DL_SCRATCH_HOLD		64	/* granules: under one hold of the mirror lock */

static struct workqueue_struct *dl_scratch_wq;
static bool dl_scratch_on;

static int dl_scratch_set(const char *val, const struct kernel_param *kp)
{
	if (sysfs_streq(val, "scratch"))
		WRITE_ONCE(dl_scratch_on, true);
	else if (sysfs_streq(val, "fault"))
		WRITE_ONCE(dl_scratch_on, false);
	else
		return -EINVAL;
	return 0;
}

static int dl_scratch_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", READ_ONCE(dl_scratch_on) ? "scratch" : "fault");
}

static const struct kernel_param_ops dl_scratch_param = {
	.set = dl_scratch_set,
	.get = dl_scratch_get,
};
module_param_cb(fenced_access, &dl_scratch_param, NULL, 0644);
MODULE_PARM_DESC(fenced_access,
		 "What a device meets where a lease was fenced from now on: fault (default), or scratch: zeroed memory of its container.");

static int dl_scratch_map_in(struct dl_seg *seg, struct dl_domain *dd, unsigned long g)
{
	u64 page = dl_granule_start(&seg->span, g), stop = dl_granule_start(&seg->span, g + 1);
	struct dl_container *c = seg->c;
	u64 n;
	int ret;

	for (; page < stop; page += n) {
		n = min(1ULL << c->scratch_order, stop - page);
		ret = iommu_map(dd->domain, dl_seg_iova(seg, page), page_to_phys(c->scratch),
				n << PAGE_SHIFT, seg->prot | IOMMU_CACHE, GFP_KERNEL_ACCOUNT);
		if (ret) {
			seg->suspect = true;
			return ret;
		}
	}
	return 0;
}

/**
 * dl_scratch_replay - map the scratch memory of some granules into the incoming domain
 * @seg: the segment
 * @dd: the domain
 * @first: granule
 * @end: granule
 *
 * Context: mirror lock held.
 *
 * Return: 0, or an error: the domain has to go.
 */
int dl_scratch_replay(struct dl_seg *seg, struct dl_domain *dd, unsigned long first,
		      unsigned long end)
{
	unsigned long g = first;
	int ret = 0;

	lockdep_assert_held(&seg->c->lock);
	for_each_set_bit_from(g, seg->scratch, end) {
		ret = dl_scratch_map_in(seg, dd, g);
		if (ret)
			break;
	}
	return ret;
}

/**
 * dl_scratch_unmap - take the scratch memory of some granules away
 * @seg: the segment
 * @first: granule
 * @end: granule
 *
 * Context: mirror lock held.
 *
 * Return: true when it is confirmed that none is mapped.
 */
bool dl_scratch_unmap(struct dl_seg *seg, unsigned long first, unsigned long end)
{
	unsigned long a, b;
	bool confirmed = true;

	lockdep_assert_held(&seg->c->lock);
	for (a = find_next_bit(seg->scratch, end, first); a < end;
	     a = find_next_bit(seg->scratch, end, b)) {
		b = find_next_zero_bit(seg->scratch, end, a);
		if (dl_table_unmap(seg, a, b))
			bitmap_clear(seg->scratch, a, b - a);
		else
			confirmed = false;
	}
	return confirmed;
}

static int dl_scratch_map(struct dl_seg *seg, unsigned long g)
{
	struct dl_domain *dd;
	int ret = 0;

	__set_bit(g, seg->scratch);
	list_for_each_entry(dd, &seg->c->domains, node) {
		if (g < dl_seg_reach(seg, dd))
			ret = dl_scratch_map_in(seg, dd, g);
		if (ret)
			break;
	}
	if (ret)
		dl_scratch_unmap(seg, g, g + 1);
	return ret;
}

/* Some of what is to be done for a container. > 0: there is more, < 0: it does not work now */
static int dl_scratch_some(struct dl_container *c)
{
	unsigned int budget = DL_SCRATCH_HOLD;
	struct dl_seg *seg;
	unsigned long g;
	int ret;

	lockdep_assert_held(&c->lock);
	list_for_each_entry(seg, &c->segs, on_container) {
		g = 0;
		for_each_clear_bit_from(g, seg->live, seg->mapped) {
			if (test_bit(g, seg->scratch))
				continue;
			if (!budget--)
				return 1;
			ret = dl_scratch_map(seg, g);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static bool dl_scratch_alloc(struct dl_container *c)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;

	if (c->scratch)
		return true;
	c->scratch_order = DL_SCRATCH_ORDER;
	c->scratch = alloc_pages(gfp | __GFP_NORETRY, c->scratch_order);
	if (!c->scratch) {
		c->scratch_order = 0;
		c->scratch = alloc_pages(gfp, c->scratch_order);
	}
	return c->scratch;
}

static void dl_scratch_work(struct work_struct *work)
{
	struct dl_container *c = container_of(work, struct dl_container, scratch_work);
	unsigned int noio;
	int ret = dl_scratch_alloc(c) ? 1 : -ENOMEM;

	while (ret > 0 && READ_ONCE(dl_scratch_on)) {
		noio = dl_lock(c);
		ret = dl_scratch_some(c);
		dl_unlock(c, noio);
		cond_resched();
	}
	if (ret < 0)
		pr_warn_ratelimited("no scratch memory (%d): accesses to what was fenced fault\n",
				    ret);
	dl_container_put(c);
}

/**
 * dl_scratch_kick - something was fenced: have it mapped to scratch memory, if that is wanted
 * @c: the container; the caller has a use of it
 *
 * Context: any in which a lease may be fenced; allocates nothing.
 */
void dl_scratch_kick(struct dl_container *c)
{
	if (!READ_ONCE(dl_scratch_on))
		return;
	refcount_inc(&c->users);
	if (!queue_work(dl_scratch_wq, &c->scratch_work))
		refcount_dec(&c->users);
}

/**
 * dl_scratch_setup - scratch memory of a new container: none yet
 * @c: the container
 */
void dl_scratch_setup(struct dl_container *c)
{
	INIT_WORK(&c->scratch_work, dl_scratch_work);
	c->scratch = NULL;
}

/**
 * dl_scratch_free - free the scratch memory
 * @c: the container; it has no segment left, and no work
 */
void dl_scratch_free(struct dl_container *c)
{
	if (c->scratch)
		__free_pages(c->scratch, c->scratch_order);
}

/**
 * dl_init - before the driver is registered
 *
 * Return: 0 or -ENOMEM.
 */
int dl_init(void)
{
	dl_scratch_wq = alloc_workqueue("daxlease_scratch", WQ_UNBOUND, 0);
	return dl_scratch_wq ? 0 : -ENOMEM;
}

/**
 * dl_exit - after it is unregistered; waits for work that a dead container has left
 */
void dl_exit(void)
{
	destroy_workqueue(dl_scratch_wq);
}
