// SPDX-License-Identifier: GPL-2.0-only
/*
 * daxlease in VFIO type1: leased mappings.
 *
 * A VFIO_IOMMU_MAP_DMA whose whole range lies in one shared mapping of an fs-dax file is mapped
 * from an implicit lease instead of pinned pages. Anything else is stock's, and so are mixed ranges
 * and private mappings, which stock refuses. The lease can be taken back by granules at any time;
 * the address range stays taken until it is unmapped.
 *
 * This file owns struct dl_dma, one per leased struct vfio_dma. It calls dl_mirror.c, the IOMMU
 * core and daxlease_consumer.h, and nothing of vfio_iommu_type1.c.
 *
 * Invariants
 *  - A granule of a mapping is *live* until it is fenced. Live granules below dl->mapped are mapped
 *    whole, in each domain of the mirror; nothing else is mapped. Hence no unmap meets a hole, and
 *    none cuts a page of the IOMMU (dl_granule.h): both do harm on VT-d.
 *  - When the page tables may be otherwise, since a map or an unmap call failed, the mapping is
 *    *suspect*: from then on it is unmapped by looking at each page first.
 *  - A lease is put only when it is confirmed that none of its pages is mapped.
 *
 * Locks: see dl_mirror.c. The mirror lock is held for at most DL_HOLD granules at a time.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": daxlease: " fmt

#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "daxlease_consumer.h"
#include "dl_granule.h"
#include "dl_type1.h"

#define DL_HOLD		512UL	/* granules, 1 GiB: under one hold of the mirror lock */
#define DL_RETRY_MS	100U

static_assert(DL_GRANULE == DAXLEASE_GRANULE_PAGES);
static_assert(sizeof(dma_addr_t) == sizeof(u64));

/*
 * One leased mapping. Born in dl_map_begin(), owned from then on by its caller, later by a struct
 * vfio_dma; dl_dma_free() ends it. Members without a remark do not change once the attachment
 * exists.
 */
struct dl_dma {
	struct dl_container *c;			/* counted in c->users */
	struct dl_span span;
	int prot;
	struct daxlease *lease;
	struct daxlease_attachment *att;
	unsigned long granules;
	unsigned long *live;			/* c->lock */
	unsigned long mapped;			/* c->lock: that dl_dma_map() went through */
	bool counted;				/* c->lock: in c->leased */
	bool suspect;				/* c->lock */
};

/* ---- the page tables of one domain ---- */

static u64 dl_iova(const struct dl_dma *dl, u64 page)
{
	return (dl->span.iova_page + page) << PAGE_SHIFT;
}

/*
 * Unmap whatever is mapped in [iova, end), without trusting what should be. A page of the IOMMU
 * that translates one of its pages translates them all, so a stretch of translated pages is whole
 * ones.
 */
static bool dl_sweep(struct iommu_domain *domain, u64 iova, u64 end)
{
	u64 at, next;

	for (at = iova; at < end; at = next) {
		next = at + PAGE_SIZE;
		if (!iommu_iova_to_phys(domain, at))
			continue;
		while (next < end && iommu_iova_to_phys(domain, next))
			next += PAGE_SIZE;
		iommu_unmap(domain, at, next - at);
	}
	iommu_flush_iotlb_all(domain);

	for (at = iova; at < end; at += PAGE_SIZE)
		if (iommu_iova_to_phys(domain, at))
			return false;
	return true;
}

/* Unmap live, mapped granules [first, end) in one domain. Returns true when that is confirmed. */
static bool dl_unmap_domain(struct dl_dma *dl, struct iommu_domain *domain, unsigned long first,
			    unsigned long end)
{
	u64 iova = dl_iova(dl, dl_granule_start(&dl->span, first));
	u64 stop = dl_iova(dl, dl_granule_start(&dl->span, end));
	size_t done;

	lockdep_assert_held(&dl->c->lock);
	if (!dl->suspect) {
		done = iommu_unmap(domain, iova, stop - iova);
		if (done == stop - iova && !iommu_iova_to_phys(domain, iova) &&
		    !iommu_iova_to_phys(domain, stop - PAGE_SIZE))
			return true;
		pr_err("iommu_unmap of [%#llx, %#llx) unmapped %#zx bytes, looking at each page\n",
		       iova, stop, done);
		dl->suspect = true;
	}
	return dl_sweep(domain, iova, stop);
}

/* Map the live granules among [first, end) in one domain. On error some of them may be mapped. */
static int dl_map_domain(struct dl_dma *dl, struct iommu_domain *domain, unsigned long first,
			 unsigned long end, bool small_pages)
{
	unsigned long sizes = domain->pgsize_bitmap & ~(2 * DL_GRANULE * PAGE_SIZE - 1);
	u64 larger = sizes ? (1UL << __ffs(sizes)) >> PAGE_SHIFT : 0;
	unsigned long a, b;
	int ret;

	lockdep_assert_held(&dl->c->lock);
	for (a = find_next_bit(dl->live, end, first); a < end;
	     a = find_next_bit(dl->live, end, b)) {
		u64 page = dl_granule_start(&dl->span, a), stop, count, skip;

		b = find_next_zero_bit(dl->live, end, a);
		stop = dl_granule_start(&dl->span, b);
		for (; page < stop; page += count) {
			struct daxlease_run run;

			if (!daxlease_run_at(dl->lease, page, &run))
				return -EFAULT;
			skip = page - run.first;
			if (WARN_ON_ONCE(skip >= run.count))
				return -EFAULT;
			count = min(dl_call_end(&dl->span, page, larger), stop) - page;
			count = min(count, run.count - skip);
			if (small_pages)
				count = 1;
			ret = iommu_map(domain, dl_iova(dl, page), PFN_PHYS(run.pfn + skip),
					count << PAGE_SHIFT, dl->prot | IOMMU_CACHE,
					GFP_KERNEL_ACCOUNT);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* ---- fence ---- */

/* End device access to granules [first, end). Those for which that is not confirmed stay live. */
static bool dl_fence_granules(struct dl_dma *dl, unsigned long first, unsigned long end)
{
	struct dl_domain *dd;
	unsigned long a, b;
	bool confirmed = true;

	lockdep_assert_held(&dl->c->lock);
	for (a = find_next_bit(dl->live, end, first); a < end;
	     a = find_next_bit(dl->live, end, b)) {
		bool gone = true;

		b = find_next_zero_bit(dl->live, end, a);
		if (a < dl->mapped) {
			b = min(b, dl->mapped);
			list_for_each_entry(dd, &dl->c->domains, node)
				if (!dl_unmap_domain(dl, dd->domain, a, b))
					gone = false;
		}
		if (gone)
			bitmap_clear(dl->live, a, b - a);
		else
			confirmed = false;
	}
	return confirmed;
}

/* daxlease_consumer_ops.fence; allocates nothing */
static bool dl_fence(void *priv, u64 first, u64 count)
{
	struct dl_dma *dl = priv;
	unsigned long g, end, next;
	bool confirmed = true;
	unsigned int noio;

	/* a range that is not ours cannot be confirmed piecemeal: everything goes */
	if (WARN_ON_ONCE(!count || first >= dl->span.pages || count > dl->span.pages - first)) {
		first = 0;
		count = dl->span.pages;
	}
	end = dl_granule_of(&dl->span, first + count - 1) + 1;
	for (g = dl_granule_of(&dl->span, first); g < end; g = next) {
		next = min(g + DL_HOLD, end);
		noio = dl_lock(dl->c);
		if (!dl_fence_granules(dl, g, next))
			confirmed = false;
		dl_unlock(dl->c, noio);
		cond_resched();
	}
	return confirmed;
}

static const struct daxlease_consumer_ops dl_ops = {
	.name = "vfio_iommu_type1",
	.fence = dl_fence,
};

/* ---- leased mappings ---- */

/* Is [vaddr, vaddr + size) within one shared mapping of an fs-dax file? < 0: killed. */
static int dl_vma_fits(unsigned long vaddr, size_t size)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret;

	if (!mm)
		return 0;
	ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	vma = vma_lookup(mm, vaddr);
	ret = vma && (vma->vm_flags & VM_MAYSHARE) && vma_is_fsdax(vma) &&
	      size <= vma->vm_end - vaddr;
	mmap_read_unlock(mm);
	return ret;
}

/* Take the lease and listen to fences. On error @dl is left to dl_dma_free(). */
static int dl_dma_acquire(struct dl_dma *dl, unsigned long vaddr)
{
	struct daxlease_attachment *att;
	struct daxlease *lease;

	lease = daxlease_acquire_vma(vaddr, dl->span.pages << PAGE_SHIFT,
				     dl->prot & IOMMU_WRITE ? DAXLEASE_ACQ_WRITE : 0);
	if (IS_ERR(lease))
		return PTR_ERR(lease);
	dl->lease = lease;
	dl->span.pgoff = daxlease_pgoff(lease);
	dl->granules = dl_granules(&dl->span);
	dl->live = kvcalloc(BITS_TO_LONGS(dl->granules), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!dl->live)
		return -ENOMEM;
	bitmap_set(dl->live, 0, dl->granules);

	/* fences from here on; until dl_dma_map() they only have bits to clear */
	att = daxlease_attach(lease, 0, dl->span.pages, &dl_ops, dl);
	if (IS_ERR(att))
		return PTR_ERR(att);
	dl->att = att;
	return 0;
}

/**
 * dl_map_begin - a new mapping is about to be made: take its lease, if it is to have one
 * @c: the container
 * @dlp: in: NULL, or what an earlier call has put there; out: the mapping to be handed to the
 *	struct vfio_dma, or NULL for stock to go on. The caller owns it whatever is returned:
 *	dl_dma_free()
 * @iova: device address
 * @vaddr: address in current's mm
 * @size: bytes; with @iova and @vaddr checked for alignment and overflow
 * @prot: IOMMU_READ, IOMMU_WRITE
 *
 * Without an IOMMU domain stock pins nothing and so does not object to fs-dax memory: no lease
 * then.
 *
 * Context: iommu->lock held. When there is a lease to take, the lock is dropped for it: taking it
 * faults pages in and waits, killably, until the range is not barred.
 *
 * Return: 0: go on; 1: the lock was dropped, and what was checked under it must be checked again;
 * or an error, after which the caller may unlock iommu->lock and look at nothing else.
 */
int dl_map_begin(struct dl_container *c, struct dl_dma **dlp, dma_addr_t iova, unsigned long vaddr,
		 size_t size, int prot)
{
	struct dl_dma *dl;
	int ret;

	lockdep_assert_held(c->iommu_lock);
	if (*dlp || list_empty(&c->domains))
		return 0;
	ret = dl_vma_fits(vaddr, size);
	if (ret <= 0)
		return ret;
	ret = dl_domains_fit(c);
	if (ret)
		return ret;

	dl = kzalloc(sizeof(*dl), GFP_KERNEL_ACCOUNT);
	if (!dl)
		return -ENOMEM;
	refcount_inc(&c->users);
	dl->c = c;
	dl->span.iova_page = iova >> PAGE_SHIFT;
	dl->span.pages = size >> PAGE_SHIFT;
	dl->prot = prot;
	*dlp = dl;

	/* VFIO drops the driver's module when the last group leaves, which may be while we wait */
	__module_get(THIS_MODULE);
	mutex_unlock(c->iommu_lock);
	ret = dl_dma_acquire(dl, vaddr);
	mutex_lock(c->iommu_lock);
	module_put(THIS_MODULE);
	if (ret)
		return ret;

	/* the last domain gone: the container may be on its way out, without iommu->lock */
	return dl_domains_fit(c) ?: 1;
}

/**
 * dl_dma_map - map what is live of a leased mapping into all domains
 * @dl: the mapping
 * @small_pages: one page per call, for the module parameter disable_hugepages
 *
 * Context: iommu->lock held.
 *
 * Return: 0, or an error, after which @dl is good for dl_dma_free() only.
 */
int dl_dma_map(struct dl_dma *dl, bool small_pages)
{
	struct dl_container *c = dl->c;
	unsigned long first, end;
	struct dl_domain *dd;
	unsigned int noio;
	int ret = 0;

	lockdep_assert_held(c->iommu_lock);
	for (first = 0; first < dl->granules && !ret; first = end) {
		end = min(first + DL_HOLD, dl->granules);
		noio = dl_lock(c);
		if (!dl->counted) {
			dl->counted = true;
			c->leased++;
		}
		list_for_each_entry(dd, &c->domains, node) {
			ret = dl_map_domain(dl, dd->domain, first, end, small_pages);
			if (ret)
				break;
		}
		/* VT-d leaves entries behind when iommu_map() fails half-way: do not guess which */
		if (ret)
			dl->suspect = true;
		dl->mapped = end;
		dl_unlock(c, noio);
		cond_resched();
	}
	return ret;
}

/**
 * dl_dma_free - unmap a leased mapping everywhere, give its lease back, free it
 * @dl: the mapping, or NULL
 *
 * Never fails: a lease whose pages a device may still reach is not given back, so this waits until
 * the unmapping is confirmed.
 *
 * Context: iommu->lock may be held; the mirror lock not. Waits for a running fence of this mapping.
 */
void dl_dma_free(struct dl_dma *dl)
{
	struct dl_container *c;
	unsigned int noio;
	unsigned int tries = 0;

	if (!dl)
		return;
	c = dl->c;
	while (dl->live && !dl_fence(dl, 0, dl->span.pages)) {
		if (tries++ % (10 * MSEC_PER_SEC / DL_RETRY_MS) == 0)
			pr_err("cannot unmap [%#llx, %#llx), keeping its lease and trying again\n",
			       dl_iova(dl, 0), dl_iova(dl, dl->span.pages));
		msleep(DL_RETRY_MS);
	}
	if (dl->att)
		daxlease_detach(dl->att);	/* no fence runs or comes after this */
	if (dl->lease)
		daxlease_put(dl->lease);
	if (dl->counted) {
		noio = dl_lock(c);
		c->leased--;
		dl_unlock(c, noio);
	}
	kvfree(dl->live);
	kfree(dl);
	dl_container_put(c);
}

/* modinfo shows which vfio_iommu_type1 this is */
MODULE_INFO(daxlease, "revocable leases for fs-dax memory");
