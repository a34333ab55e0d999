// SPDX-License-Identifier: GPL-2.0-only
/*
 * daxlease in VFIO type1: the leased segments of a struct vfio_dma, and the gaps between them.
 *
 * A VFIO_IOMMU_MAP_DMA may show any mixture of memory. Each part that lies in one shared mapping of
 * an fs-dax file is a segment, mapped from an implicit lease instead of pinned pages, and can be
 * taken back by granules at any time. What is between the segments is a gap, and stock's: it pins
 * it, never beyond its end (stock drops a whole chunk when it runs into fs-dax), and unmaps it
 * after the segments are unmapped (an unmap over what a fence has unmapped does harm on VT-d). The
 * whole address range stays taken until it is unmapped, whatever has been fenced. A private mapping
 * of an fs-dax file makes all of the request fail, as in stock.
 *
 * This file owns struct dl_dma, one for each struct vfio_dma with leased memory.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <daxlease_consumer.h>

#include "dl_seg.h"

/*
 * Born in dl_map_begin(), owned from then on by its caller, later by a struct vfio_dma. Does not
 * change until dl_dma_free(): after dl_dma_release() the segments still say where the gaps are.
 * Keeps this module, too: VFIO drops its reference on the driver when the last group leaves, which
 * may be while a lease is waited for, or given back since that failed.
 */
struct dl_dma {
	struct dl_container *c;		/* counted in c->users */
	struct list_head segs;		/* struct dl_seg, ascending, not empty */
};

static struct dl_dma *dl_dma_alloc(struct dl_container *c)
{
	struct dl_dma *dl = kzalloc(sizeof(*dl), GFP_KERNEL_ACCOUNT);

	if (!dl)
		return NULL;
	INIT_LIST_HEAD(&dl->segs);
	dl->c = c;
	refcount_inc(&c->users);
	__module_get(THIS_MODULE);
	return dl;
}

static int dl_dma_add(struct dl_dma *dl, unsigned long vaddr, u64 iova, size_t size, int prot)
{
	struct dl_seg *seg = kzalloc(sizeof(*seg), GFP_KERNEL_ACCOUNT);

	if (!seg)
		return -ENOMEM;
	INIT_LIST_HEAD(&seg->on_container);
	seg->c = dl->c;
	seg->span.iova_page = iova >> PAGE_SHIFT;
	seg->span.pages = size >> PAGE_SHIFT;
	seg->vaddr = vaddr;
	seg->prot = prot;
	list_add_tail(&seg->on_dma, &dl->segs);
	return 0;
}

/* Find the segments. NULL: there are none. What changes in the mm afterwards, acquire notices. */
static struct dl_dma *dl_dma_find(struct dl_container *c, u64 iova, unsigned long vaddr,
				  size_t size, int prot)
{
	unsigned long first, end, last = vaddr + size - 1;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct dl_dma *dl = NULL;
	int ret = 0;

	if (!mm)
		return NULL;
	ret = mmap_read_lock_killable(mm);
	if (ret)
		return ERR_PTR(ret);
	VMA_ITERATOR(vmi, mm, vaddr);
	for_each_vma_range(vmi, vma, last) {
		if (!vma_is_fsdax(vma))
			continue;
		ret = -EOPNOTSUPP;
		if (!(vma->vm_flags & VM_MAYSHARE))
			break;
		ret = -ENOMEM;
		dl = dl ?: dl_dma_alloc(c);
		if (!dl)
			break;
		first = max(vma->vm_start, vaddr);
		end = min(vma->vm_end - 1, last) + 1;
		ret = dl_dma_add(dl, first, iova + (first - vaddr), end - first, prot);
		if (ret)
			break;
	}
	mmap_read_unlock(mm);
	if (!ret)
		return dl;
	dl_dma_free(dl);
	return ERR_PTR(ret);
}

/**
 * dl_map_begin - a new mapping is about to be made: take its leases, if it is to have any
 * @c: the container
 * @dlp: in: NULL, or what an earlier call has put there; out: the segments to be handed to the
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
 * Context: iommu->lock held. When there are leases to take, the lock is dropped for it: taking one
 * faults pages in and waits, killably, until the range is not barred.
 *
 * Return: 0: go on; 1: the lock was dropped, and what was checked under it must be checked again;
 * or an error, after which the caller may unlock iommu->lock and look at nothing else.
 */
int dl_map_begin(struct dl_container *c, struct dl_dma **dlp, dma_addr_t iova, unsigned long vaddr,
		 size_t size, int prot)
{
	struct dl_dma *dl;
	struct dl_seg *seg;
	int ret;

	lockdep_assert_held(c->iommu_lock);
	if (*dlp || list_empty(&c->domains))
		return 0;
	dl = dl_dma_find(c, iova, vaddr, size, prot);
	if (IS_ERR_OR_NULL(dl))
		return PTR_ERR_OR_ZERO(dl);
	*dlp = dl;
	ret = dl_domains_fit(c);
	if (ret)
		return ret;

	mutex_unlock(c->iommu_lock);
	list_for_each_entry(seg, &dl->segs, on_dma) {
		ret = dl_seg_acquire(seg);
		if (ret)
			break;
	}
	mutex_lock(c->iommu_lock);
	if (ret)
		return ret;

	/* the last domain gone: the container may be on its way out, without iommu->lock */
	return dl_domains_fit(c) ?: 1;
}

/* The segment that @iova is in, or the first one above it, or NULL */
static struct dl_seg *dl_seg_from(const struct dl_dma *dl, dma_addr_t iova)
{
	struct dl_seg *seg;

	if (!dl)
		return NULL;
	list_for_each_entry(seg, &dl->segs, on_dma)
		if (dl_seg_end(seg) - 1 >= iova)
			return seg;
	return NULL;
}

/* The segment that begins at @iova; else NULL, and *@size ends at the next one at the latest */
static struct dl_seg *dl_seg_at(const struct dl_dma *dl, dma_addr_t iova, size_t *size)
{
	struct dl_seg *seg = dl_seg_from(dl, iova);
	u64 start;

	if (!seg)
		return NULL;
	start = dl_seg_iova(seg, 0);
	if (iova < start) {
		*size = min_t(u64, *size, start - iova);
		return NULL;
	}
	*size = seg->span.pages << PAGE_SHIFT;
	return seg;
}

/**
 * dl_dma_new_owner - the calling process has become the owner of a mapping
 * @dl: of the mapping, or NULL
 *
 * Stock has charged locked memory to the new owner, which may fail; we hand the leases over, so
 * that who watches it hears of them. What is leased stays: a vaddr update cannot make the device
 * reach other blocks.
 *
 * Context: iommu->lock held; may sleep.
 *
 * Return: 0 or -ENOMEM: the call can be repeated.
 */
int dl_dma_new_owner(struct dl_dma *dl)
{
	struct dl_seg *seg;
	int ret = 0;

	if (!dl)
		return 0;
	list_for_each_entry(seg, &dl->segs, on_dma)
		ret = ret ?: daxlease_new_owner(seg->lease);
	return ret;
}

/**
 * dl_dma_map_at - map the segment that begins at an address, if there is one
 * @dl: the segments, or NULL
 * @iova: the address: the start of the mapping, or where the part before has ended
 * @size: in: bytes left; out: bytes mapped, or if 0 is returned: for stock to map at most
 * @small_pages: the module parameter disable_hugepages
 *
 * Context: iommu->lock held.
 *
 * Return: 1: mapped; 0: stock's turn; or an error.
 */
int dl_dma_map_at(struct dl_dma *dl, dma_addr_t iova, size_t *size, bool small_pages)
{
	struct dl_seg *seg = dl_seg_at(dl, iova, size);

	if (!seg)
		return 0;
	return dl_seg_map(seg, small_pages) ?: 1;
}

/**
 * dl_dma_replay_at - the same for the incoming domain
 * @dl: the segments, or NULL
 * @iova: the address: the start of the mapping, or where the part before has ended
 * @size: in: bytes left; out: bytes mapped, or if 0 is returned: for stock to map at most
 *
 * Context: iommu->lock held.
 *
 * Return: 1: mapped; 0: stock's turn; or an error. -EOPNOTSUPP: the last domain had gone, and the
 * leases with it; stock could not pin this memory either.
 */
int dl_dma_replay_at(struct dl_dma *dl, dma_addr_t iova, size_t *size)
{
	struct dl_seg *seg = dl_seg_at(dl, iova, size);

	if (!seg)
		return 0;
	if (!seg->lease)
		return -EOPNOTSUPP;
	return dl_seg_replay(seg) ?: 1;
}

/**
 * dl_dma_release - unmap the segments in all domains, give their leases back
 * @dl: the segments, or NULL; still good for dl_dma_skip() and its like
 *
 * Context: as for dl_seg_release().
 */
void dl_dma_release(struct dl_dma *dl)
{
	struct dl_seg *seg;

	if (!dl)
		return;
	list_for_each_entry(seg, &dl->segs, on_dma)
		dl_seg_release(seg);
}

/**
 * dl_dma_skip - where the next gap begins
 * @dl: the segments, or NULL
 * @iova: an address
 *
 * Return: @iova, or the end of the segment that it is in and of those that follow without a gap.
 */
dma_addr_t dl_dma_skip(const struct dl_dma *dl, dma_addr_t iova)
{
	struct dl_seg *seg = dl_seg_from(dl, iova);

	if (!seg)
		return iova;
	list_for_each_entry_from(seg, &dl->segs, on_dma) {
		if (iova < dl_seg_iova(seg, 0))
			break;
		iova = dl_seg_end(seg);
	}
	return iova;
}

/**
 * dl_dma_unmap_gaps - iommu_unmap() of what stock has mapped of a range
 * @dl: the segments, or NULL
 * @domain: the domain
 * @iova: start of the mapping
 * @size: bytes of it that are mapped
 */
void dl_dma_unmap_gaps(const struct dl_dma *dl, struct iommu_domain *domain, dma_addr_t iova,
		       size_t size)
{
	u64 end = iova + size;
	size_t n;

	for (iova = dl_dma_skip(dl, iova); iova < end; iova = dl_dma_skip(dl, iova + n)) {
		n = end - iova;
		dl_seg_at(dl, iova, &n);
		iommu_unmap(domain, iova, n);
	}
}

/**
 * dl_dma_leases - whether an address is in a segment: nobody may pin pages behind a lease
 * @dl: the segments, or NULL
 * @iova: the address
 *
 * Return: true if it is.
 */
bool dl_dma_leases(const struct dl_dma *dl, dma_addr_t iova)
{
	return dl_dma_skip(dl, iova) != iova;
}

/**
 * dl_dma_free - release the segments and free them
 * @dl: the segments, or NULL
 *
 * Context: as for dl_seg_release().
 */
void dl_dma_free(struct dl_dma *dl)
{
	struct dl_seg *seg, *next;

	if (!dl)
		return;
	dl_dma_release(dl);
	list_for_each_entry_safe(seg, next, &dl->segs, on_dma)
		kfree(seg);
	dl_container_put(dl->c);
	kfree(dl);
	module_put(THIS_MODULE);
}

/* modinfo shows which vfio_iommu_type1 this is */
MODULE_INFO(daxlease, "revocable leases for fs-dax memory");
