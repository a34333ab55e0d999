// SPDX-License-Identifier: GPL-2.0
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "extent.h"

/**
 * dl_extents_pages() - how many pages there are
 * @ext: the extents
 *
 * Return: pages.
 */
u64 dl_extents_pages(const struct dl_extents *ext)
{
	const struct daxlease_run *tail = ext ? &ext->runs[ext->nr - 1] : NULL;

	return tail ? tail->first + tail->count : 0;
}

/* No kvmalloc(): what it takes from the page allocator is rounded up to a power of two. */
static int resize(struct dl_extents **ext, u32 room)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	struct dl_extents *old = *ext, *fresh;
	size_t size = struct_size(fresh, runs, room);

	fresh = size > PAGE_SIZE ? __vmalloc(size, gfp) : kmalloc(size, gfp);
	if (!fresh)
		return -ENOMEM;
	fresh->room = room;
	fresh->nr = old ? old->nr : 0;
	if (old)
		memcpy(fresh->runs, old->runs, flex_array_size(old, runs, old->nr));
	kvfree(old);
	*ext = fresh;
	return 0;
}

/**
 * dl_extents_append() - add pages behind those already there
 * @ext: the extents; NULL there: the first pages
 * @count: pages, at least 1
 * @pfn: page frame of the first of them
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int dl_extents_append(struct dl_extents **ext, u64 count, u64 pfn)
{
	struct daxlease_run *tail = *ext ? &(*ext)->runs[(*ext)->nr - 1] : NULL;
	u64 first = dl_extents_pages(*ext);
	u32 room;
	int err;

	if (tail && tail->pfn + tail->count == pfn) {
		tail->count += count;
		return 0;
	}
	if (!*ext || (*ext)->nr == (*ext)->room) {
		if (check_mul_overflow(*ext ? (*ext)->room : 0, 2, &room))
			return -ENOMEM;
		err = resize(ext, room ?: 1);
		if (err)
			return err;
	}
	(*ext)->runs[(*ext)->nr++] = (struct daxlease_run){
		.first = first, .count = count, .pfn = pfn,
	};
	return 0;
}

/**
 * dl_extents_trim() - give back the room that append kept in reserve
 * @ext: the extents, complete
 *
 * Context: process context, may sleep. A failure to allocate the smaller copy is no error.
 */
void dl_extents_trim(struct dl_extents **ext)
{
	if (*ext && (*ext)->room > (*ext)->nr)
		resize(ext, (*ext)->nr);
}

/**
 * dl_extents_free() - free extents
 * @ext: the extents
 */
void dl_extents_free(struct dl_extents *ext)
{
	kvfree(ext);
}

/**
 * dl_extents_copy() - append some pages of other extents
 * @to: ends where the pages begin
 * @from: has the pages
 * @first: first page
 * @end: page after the last
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int dl_extents_copy(struct dl_extents **to, const struct dl_extents *from, u64 first, u64 end)
{
	struct daxlease_run run;
	int err = 0;
	u32 at = 0;

	for (; !err && first < end && dl_extents_walk(from, &at, first, &run); first += run.count) {
		run.count = min(run.count, end - first);
		err = dl_extents_append(to, run.count, run.pfn);
	}
	return err;
}

/**
 * dl_extents_walk() - the contiguous pages that begin with a page, for one who asks for all in turn
 * @ext: the extents
 * @at: number of the run that was found last, 0 to begin with: the one behind it is looked at
 *	first; updated
 * @page: counted from the start of the lease
 * @run: filled with the part of the run from @page on
 *
 * Return: false if @page is not in the extents.
 */
bool dl_extents_walk(const struct dl_extents *ext, u32 *at, u64 page, struct daxlease_run *run)
{
	u32 lo = 0, hi = ext ? ext->nr : 0, look = *at + 1;

	for (; lo < hi; look = lo + (hi - lo) / 2) {
		const struct daxlease_run *r = &ext->runs[min(look, hi - 1)];

		if (page < r->first) {
			hi = r - ext->runs;
		} else if (page >= r->first + r->count) {
			lo = r - ext->runs + 1;
		} else {
			*run = (struct daxlease_run){
				.first = page,
				.count = r->first + r->count - page,
				.pfn = r->pfn + (page - r->first),
			};
			*at = r - ext->runs;
			return true;
		}
	}
	return false;
}

/**
 * dl_extents_at() - the contiguous pages that begin with a page
 * @ext: the extents
 * @page: counted from the start of the lease
 * @run: filled with the part of the run from @page on
 *
 * Return: false if @page is not in the extents.
 */
bool dl_extents_at(const struct dl_extents *ext, u64 page, struct daxlease_run *run)
{
	u32 at = 0;

	return dl_extents_walk(ext, &at, page, run);
}

/**
 * dl_extents_with() - where in the lease some page frames are
 * @ext: the extents
 * @pfn: the first
 * @count: how many
 *
 * Return: the span of the pages that are one of them, counted from the start of the lease;
 * DL_RANGE_NONE if there are none.
 */
struct dl_range dl_extents_with(const struct dl_extents *ext, u64 pfn, u64 count)
{
	struct dl_range frames = { pfn, pfn + count - 1 }, out = DL_RANGE_NONE, r;
	const struct daxlease_run *run, *end = ext ? ext->runs + ext->nr : NULL;

	for (run = ext ? ext->runs : NULL; run < end; run++) {
		r = dl_range_clip(frames, (struct dl_range){ run->pfn, run->pfn + run->count - 1 });
		if (dl_range_empty(r))
			continue;
		r.first += run->first - run->pfn;
		r.last += run->first - run->pfn;
		out = dl_range_span(out, r);
	}
	return out;
}
