/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * daxlease in VFIO type1: a segment is the part of a struct vfio_dma that shows one mapping of an
 * fs-dax file. It has one lease.
 *
 * Invariants
 *  - A granule of a segment is *live* until it is fenced, and again when it is re-armed. In a
 *    domain of the mirror, live granules below dl_seg_reach() are mapped whole to the pages of
 *    the lease, those with scratch memory whole to that, and nothing else of the segment is mapped.
 *    Hence no unmap meets a hole, and none cuts a page of the IOMMU (dl_granule.h): both do harm
 *    on VT-d.
 *  - When the page tables may be otherwise, since a map or an unmap call failed, the segment is
 *    *suspect*: from then on it is unmapped by looking at each page first.
 *  - A lease is put only when it is confirmed that none of its pages is mapped.
 */
#ifndef DL_SEG_H
#define DL_SEG_H

#include <linux/minmax.h>

#include "dl_granule.h"
#include "dl_type1.h"

struct daxlease;
struct daxlease_attachment;

#define DL_HOLD		512UL	/* granules, 1 GiB: under one hold of the mirror lock */

/**
 * struct dl_seg - one leased segment
 * @on_dma: in &dl_dma.segs, ascending
 * @on_container: in &dl_container.segs from its mapping to its release; c->lock
 * @c: the container; dl_dma has counted it in c->users
 * @span: pages, place in the file, place in the device's address space
 * @vaddr: where the lease is taken; not used afterwards
 * @prot: IOMMU_READ, IOMMU_WRITE
 * @small_pages: one page per call, as the module parameter disable_hugepages was at MAP_DMA
 * @lease: NULL before dl_seg_acquire() and after dl_seg_release()
 * @att: the attachment to it
 * @granules: bits in the bitmap
 * @live: by granule: not fenced; c->lock
 * @scratch: by granule: mapped to scratch memory (dl_scratch.c); c->lock
 * @mapped: granules below this have been mapped into the domains of the mirror; c->lock
 * @replayed: the same for c->incoming; c->lock
 * @closed: nothing may be mapped any more; c->lock
 * @suspect: see above; c->lock
 */
struct dl_seg {
	struct list_head on_dma;
	struct list_head on_container;
	struct dl_container *c;
	struct dl_span span;
	unsigned long vaddr;
	int prot;
	bool small_pages;
	struct daxlease *lease;
	struct daxlease_attachment *att;
	unsigned long granules;
	unsigned long *live;
	unsigned long *scratch;
	unsigned long mapped;
	unsigned long replayed;
	bool closed;
	bool suspect;
};

static inline u64 dl_seg_iova(const struct dl_seg *seg, u64 page)
{
	return (seg->span.iova_page + page) << PAGE_SHIFT;
}

static inline u64 dl_seg_end(const struct dl_seg *seg)
{
	return dl_seg_iova(seg, seg->span.pages);
}

/* how many granules have been mapped into a domain of the mirror; c->lock */
static inline unsigned long dl_seg_reach(const struct dl_seg *seg, const struct dl_domain *dd)
{
	return dd == seg->c->incoming ? seg->replayed : seg->mapped;
}

/* dl_table.c */
bool dl_table_unmap(struct dl_seg *seg, unsigned long first, unsigned long end);
int dl_table_map(struct dl_seg *seg, struct dl_domain *dd, unsigned long first, unsigned long end);

/* dl_scratch.c */
void dl_scratch_kick(struct dl_container *c);
bool dl_scratch_unmap(struct dl_seg *seg, unsigned long first, unsigned long end);
int dl_scratch_replay(struct dl_seg *seg, struct dl_domain *dd, unsigned long first,
		      unsigned long end);

/* dl_seg.c */
int dl_seg_acquire(struct dl_seg *seg);
int dl_seg_map(struct dl_seg *seg, bool small_pages);
int dl_seg_replay(struct dl_seg *seg);
void dl_seg_release(struct dl_seg *seg);

#endif /* DL_SEG_H */
