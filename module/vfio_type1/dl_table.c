// SPDX-License-Identifier: GPL-2.0-only
/*
 * daxlease in VFIO type1: the page tables under a segment, in one domain or in all. Calls the IOMMU
 * core, and daxlease_run_walk() for the pages.
 *
 * All of this with the mirror lock held.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": daxlease: " fmt

#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "daxlease_consumer.h"
#include "dl_seg.h"

#define DL_BATCH	128U	/* runs in one call into the IOMMU */

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

/* Unmap granules [first, end), all of them mapped, in one domain. True when that is confirmed. */
static bool dl_table_unmap_in(struct dl_seg *seg, struct iommu_domain *domain,
			      unsigned long first, unsigned long end)
{
	u64 iova = dl_seg_iova(seg, dl_granule_start(&seg->span, first));
	u64 stop = dl_seg_iova(seg, dl_granule_start(&seg->span, end));
	size_t done;

	if (!seg->suspect) {
		done = iommu_unmap(domain, iova, stop - iova);
		if (done == stop - iova && !iommu_iova_to_phys(domain, iova) &&
		    !iommu_iova_to_phys(domain, stop - PAGE_SIZE))
			return true;
		pr_err("iommu_unmap of [%#llx, %#llx) unmapped %#zx bytes, looking at each page\n",
		       iova, stop, done);
		seg->suspect = true;
	}
	return dl_sweep(domain, iova, stop);
}

/**
 * dl_table_unmap - end device access to granules
 * @seg: the segment
 * @first: granule
 * @end: granule; all of [first, end) are mapped in each domain whose reach they are in
 *
 * Context: mirror lock held; allocates nothing.
 *
 * Return: true when it is confirmed in each domain.
 */
bool dl_table_unmap(struct dl_seg *seg, unsigned long first, unsigned long end)
{
	struct dl_domain *dd;
	unsigned long reach;
	bool gone = true;

	lockdep_assert_held(&seg->c->lock);
	list_for_each_entry(dd, &seg->c->domains, node) {
		reach = min(dl_seg_reach(seg, dd), end);
		if (first < reach && !dl_table_unmap_in(seg, dd->domain, first, reach))
			gone = false;
	}
	return gone;
}

/*
 * The runs of pages [page, stop), at most DL_BATCH of them, as a table. It ends where one call has
 * to end (dl_granule.h): what adjoins within it the IOMMU core may join.
 */
static int dl_table_runs(struct dl_seg *seg, struct iommu_domain *domain, struct scatterlist *sg,
			 unsigned int room, u64 page, u64 stop)
{
	unsigned long sizes = domain->pgsize_bitmap & ~(2 * DL_GRANULE * PAGE_SIZE - 1);
	u64 larger = sizes ? (1UL << __ffs(sizes)) >> PAGE_SHIFT : 0;
	struct daxlease_run run;
	unsigned int n;
	u32 at = 0;
	u64 count;

	stop = min(dl_call_end(&seg->span, page, larger), stop);
	if (seg->small_pages)
		stop = page + 1;
	for (n = 0; n < room && page < stop; n++, page += count) {
		if (!daxlease_run_walk(seg->lease, &at, page, &run) ||
		    WARN_ON_ONCE(run.first != page))
			return -EFAULT;
		count = min(run.count, stop - page);
		sg_set_page(&sg[n], pfn_to_page(run.pfn), count << PAGE_SHIFT, 0);
	}
	return n;
}

/* One call into the IOMMU, and one flush if it caches what is absent. Bytes or -errno */
static ssize_t dl_map_call(struct dl_seg *seg, struct iommu_domain *domain, struct scatterlist *sg,
			   unsigned int room, u64 page, u64 stop)
{
	int n = dl_table_runs(seg, domain, sg, room, page, stop);

	if (n < 0)
		return n;
	return iommu_map_sg(domain, dl_seg_iova(seg, page), sg, n, seg->prot | IOMMU_CACHE,
			    GFP_KERNEL_ACCOUNT);
}

static int dl_map_span(struct dl_seg *seg, struct iommu_domain *domain, struct scatterlist *sg,
		       unsigned int room, u64 page, u64 stop)
{
	ssize_t n;

	for (; page < stop; page += n >> PAGE_SHIFT) {
		n = dl_map_call(seg, domain, sg, room, page, stop);
		if (n >= 0)
			continue;
		/* VT-d leaves entries behind when a call fails half-way */
		seg->suspect = true;
		return n;
	}
	return 0;
}

/**
 * dl_table_map - map the live granules among some in one domain
 * @seg: the segment
 * @dd: the domain
 * @first: granule
 * @end: granule
 *
 * Context: mirror lock held.
 *
 * Return: 0, or an error, after which some of them may be mapped: the segment is suspect.
 */
int dl_table_map(struct dl_seg *seg, struct dl_domain *dd, unsigned long first, unsigned long end)
{
	struct scatterlist one, *sg;
	unsigned long a, b;
	unsigned int room;
	int ret = 0;

	lockdep_assert_held(&seg->c->lock);
	sg = kmalloc_array(DL_BATCH, sizeof(*sg), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	room = sg ? DL_BATCH : 1;
	sg_init_table(sg ?: &one, room);
	for (a = find_next_bit(seg->live, end, first); a < end && !ret;
	     a = find_next_bit(seg->live, end, b)) {
		b = find_next_zero_bit(seg->live, end, a);
		ret = dl_map_span(seg, dd->domain, sg ?: &one, room,
				  dl_granule_start(&seg->span, a), dl_granule_start(&seg->span, b));
	}
	kfree(sg);
	return ret;
}
