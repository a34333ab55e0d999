/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * daxlease in VFIO type1: where granules and iommu_map() calls begin and end. Pure arithmetic, for
 * the module and for tests in user space.
 *
 * Everything is counted in pages. A lease of @pages pages begins at page @pgoff of its file and is
 * mapped at IOVA page @iova_page. Granule n of the lease is the part of the lease in the n-th of
 * the DL_GRANULE-aligned ranges of the file that it touches: all but the first and the last are
 * whole.
 *
 * The rule that everything else relies on: a page of the IOMMU (a leaf, of any size) never lies in
 * two iommu_map() calls, and no leaf crosses the edge of a granule. So whole granules can be
 * unmapped, and whole calls, without cutting a leaf (VT-d corrupts memory when one is cut).
 *  - IOVA and file offset congruent modulo a granule: a leaf is aligned in IOVA to its own size, so
 *    one of granule size or less lies in one granule. Larger ones are kept out by making each call
 *    shorter than the smallest larger size.
 *  - Otherwise each call stays within one granule.
 */
#ifndef DL_GRANULE_H
#define DL_GRANULE_H

#define DL_GRANULE	512ULL		/* pages */
#define DL_MAX_CALL	262144ULL	/* pages, 1 GiB: where there is no larger page size */

struct dl_span {
	u64 pgoff;
	u64 pages;
	u64 iova_page;
};

static inline u64 dl_granules(const struct dl_span *s)
{
	return (s->pgoff + s->pages - 1) / DL_GRANULE - s->pgoff / DL_GRANULE + 1;
}

/* the granule that page @page of the lease is in */
static inline u64 dl_granule_of(const struct dl_span *s, u64 page)
{
	return (s->pgoff + page) / DL_GRANULE - s->pgoff / DL_GRANULE;
}

/* first page, counted from the start of the lease, of granule @g; past the last: the end */
static inline u64 dl_granule_start(const struct dl_span *s, u64 g)
{
	u64 page;

	if (!g)
		return 0;
	page = (s->pgoff / DL_GRANULE + g) * DL_GRANULE - s->pgoff;
	return page < s->pages ? page : s->pages;
}

static inline bool dl_congruent(const struct dl_span *s)
{
	return (s->iova_page - s->pgoff) % DL_GRANULE == 0;
}

/*
 * Where an iommu_map() call must end that begins at page @page. @larger: pages of the smallest size
 * above a granule that the domain can map, 0: none. The caller may stop earlier only where a run or
 * its range of granules ends. That keeps the rule too: the next call begins there.
 */
static inline u64 dl_call_end(const struct dl_span *s, u64 page, u64 larger)
{
	u64 first = s->pgoff + page, end = first / DL_GRANULE * DL_GRANULE + DL_GRANULE;

	if (!larger || larger > DL_MAX_CALL)
		larger = DL_MAX_CALL;
	if (dl_congruent(s))
		end = (first + larger - 1) / DL_GRANULE * DL_GRANULE;
	end -= s->pgoff;
	return end < s->pages ? end : s->pages;
}

#endif /* DL_GRANULE_H */
