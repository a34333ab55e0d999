/* SPDX-License-Identifier: GPL-2.0 */
/*
 * range: arithmetic on page ranges and granules. Pure: no kernel types, no locks, no allocation.
 *
 * A dl_range counts pages of a file and is inclusive at both ends; first > last is the empty range.
 * A granule is DL_GRANULE_PAGES pages aligned in the *file*, clipped to the lease; granule numbers
 * count from the first granule a lease touches.
 */
#ifndef _DAXLEASE_RANGE_H
#define _DAXLEASE_RANGE_H

#include <linux/types.h>

#define DL_PAGE_SHIFT		12
#define DL_PAGE_SIZE		4096ULL
#define DL_GRANULE_PAGES	512ULL
#define DL_PAGE_MAX		(~0ULL >> DL_PAGE_SHIFT)

struct dl_range {
	__u64 first;
	__u64 last;
};

#define DL_RANGE_ALL	((struct dl_range){ 0, DL_PAGE_MAX })
#define DL_RANGE_NONE	((struct dl_range){ 1, 0 })

static inline bool dl_range_empty(struct dl_range r)
{
	return r.first > r.last;
}

static inline bool dl_range_overlaps(struct dl_range a, struct dl_range b)
{
	return !dl_range_empty(a) && !dl_range_empty(b) && a.first <= b.last && b.first <= a.last;
}

static inline __u64 dl_range_pages(struct dl_range r)
{
	return dl_range_empty(r) ? 0 : r.last - r.first + 1;
}

struct dl_range dl_range_clip(struct dl_range a, struct dl_range b);
struct dl_range dl_range_span(struct dl_range a, struct dl_range b);
struct dl_range dl_range_touched(__s64 offset, __s64 length);
struct dl_range dl_range_from(__s64 offset);
struct dl_range dl_range_whole_pages(__s64 start, __s64 last);

__u64 dl_granule_count(struct dl_range lease);
__u64 dl_granule_of(struct dl_range lease, __u64 page);
struct dl_range dl_granule_pages(struct dl_range lease, __u64 first, __u64 last);

#endif /* _DAXLEASE_RANGE_H */
