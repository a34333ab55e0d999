// SPDX-License-Identifier: GPL-2.0
#include "range.h"

/**
 * dl_range_clip() - what two ranges have in common
 * @a: pages
 * @b: pages
 *
 * Return: the intersection, possibly empty.
 */
struct dl_range dl_range_clip(struct dl_range a, struct dl_range b)
{
	if (!dl_range_overlaps(a, b))
		return DL_RANGE_NONE;
	return (struct dl_range){
		.first = a.first > b.first ? a.first : b.first,
		.last = a.last < b.last ? a.last : b.last,
	};
}

/**
 * dl_range_span() - the smallest range that covers two
 * @a: pages, may be empty
 * @b: pages, may be empty
 *
 * Return: the span.
 */
struct dl_range dl_range_span(struct dl_range a, struct dl_range b)
{
	if (dl_range_empty(a))
		return b;
	if (dl_range_empty(b))
		return a;
	return (struct dl_range){
		.first = a.first < b.first ? a.first : b.first,
		.last = a.last > b.last ? a.last : b.last,
	};
}

/**
 * dl_range_touched() - pages touched by a byte range, rounded outward
 * @offset: first byte
 * @length: bytes
 *
 * Return: the pages; none if @length is zero, all of the file if the arguments make no sense.
 */
struct dl_range dl_range_touched(__s64 offset, __s64 length)
{
	__u64 end;

	if (!length)
		return DL_RANGE_NONE;
	if (offset < 0 || length < 0)
		return DL_RANGE_ALL;
	end = (__u64)offset + (__u64)length;	/* two positive s64 do not overflow a u64 */
	return (struct dl_range){
		.first = (__u64)offset >> DL_PAGE_SHIFT,
		.last = (end - 1) >> DL_PAGE_SHIFT,
	};
}

/**
 * dl_range_from() - pages from a byte to the end of every file
 * @offset: first byte, rounded down
 *
 * Return: the pages; all of the file if @offset is negative.
 */
struct dl_range dl_range_from(__s64 offset)
{
	if (offset < 0)
		return DL_RANGE_ALL;
	return (struct dl_range){ .first = (__u64)offset >> DL_PAGE_SHIFT, .last = DL_PAGE_MAX };
}

/**
 * dl_range_whole_pages() - pages wholly inside a byte range, rounded inward
 * @start: first byte
 * @last: last byte, inclusive; -1: to the end of the file
 *
 * The page cache truncates whole pages and zeroes the rest in place (mm/truncate.c).
 *
 * Return: the pages, possibly none.
 */
struct dl_range dl_range_whole_pages(__s64 start, __s64 last)
{
	__u64 first = ((__u64)start + DL_PAGE_SIZE - 1) >> DL_PAGE_SHIFT;
	__u64 end;

	if (start < 0)
		return DL_RANGE_ALL;
	if (last == -1)
		return (struct dl_range){ .first = first, .last = DL_PAGE_MAX };
	end = ((__u64)last + 1) >> DL_PAGE_SHIFT;
	if (last < start || end <= first)
		return DL_RANGE_NONE;
	return (struct dl_range){ .first = first, .last = end - 1 };
}

/**
 * dl_granule_count() - number of granules a lease touches
 * @lease: its pages, not empty
 *
 * Return: at least 1.
 */
__u64 dl_granule_count(struct dl_range lease)
{
	return dl_granule_of(lease, lease.last) + 1;
}

/**
 * dl_granule_of() - number of the granule that holds a page
 * @lease: its pages
 * @page: a page of the file within it
 *
 * Return: the granule, counted from the first that the lease touches.
 */
__u64 dl_granule_of(struct dl_range lease, __u64 page)
{
	return page / DL_GRANULE_PAGES - lease.first / DL_GRANULE_PAGES;
}

/**
 * dl_granule_pages() - the pages of some granules, clipped to the lease
 * @lease: its pages
 * @first: first granule
 * @last: last granule, inclusive
 *
 * Return: pages of the file.
 */
struct dl_range dl_granule_pages(struct dl_range lease, __u64 first, __u64 last)
{
	__u64 base = lease.first / DL_GRANULE_PAGES;

	return dl_range_clip(lease, (struct dl_range){
		.first = (base + first) * DL_GRANULE_PAGES,
		.last = (base + last + 1) * DL_GRANULE_PAGES - 1,
	});
}
