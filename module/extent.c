// SPDX-License-Identifier: GPL-2.0
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "extent.h"

/* No kvmalloc(): what it takes from the page allocator is rounded up to a power of two. */
static int resize(struct dl_extents *ext, size_t room)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	struct daxlease_run *runs;
	size_t size;

	if (check_mul_overflow(room, sizeof(*runs), &size))
		return -ENOMEM;
	runs = size > PAGE_SIZE ? __vmalloc(size, gfp) : kmalloc(size, gfp);
	if (!runs)
		return -ENOMEM;
	if (ext->nr)
		memcpy(runs, ext->runs, ext->nr * sizeof(*runs));
	kvfree(ext->runs);
	ext->runs = runs;
	ext->room = room;
	return 0;
}

/**
 * dl_extents_append() - add pages behind those already there
 * @ext: the extents
 * @count: pages, at least 1
 * @pfn: page frame of the first of them
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int dl_extents_append(struct dl_extents *ext, u64 count, u64 pfn)
{
	struct daxlease_run *tail = ext->nr ? &ext->runs[ext->nr - 1] : NULL;
	int err;

	if (tail && tail->pfn + tail->count == pfn) {
		tail->count += count;
		return 0;
	}
	if (ext->nr == ext->room) {
		err = resize(ext, ext->room ? 2 * ext->room : 1);
		if (err)
			return err;
		tail = ext->nr ? &ext->runs[ext->nr - 1] : NULL;
	}
	ext->runs[ext->nr++] = (struct daxlease_run){
		.first = tail ? tail->first + tail->count : 0,
		.count = count,
		.pfn = pfn,
	};
	return 0;
}

/**
 * dl_extents_trim() - give back the room that append kept in reserve
 * @ext: the extents, complete
 *
 * Context: process context, may sleep. A failure to allocate the smaller copy is no error.
 */
void dl_extents_trim(struct dl_extents *ext)
{
	if (ext->room > ext->nr && ext->nr)
		resize(ext, ext->nr);
}

/**
 * dl_extents_alloc() - extents without runs
 *
 * Context: process context, may sleep.
 * Return: the extents, or NULL.
 */
struct dl_extents *dl_extents_alloc(void)
{
	return kzalloc(sizeof(struct dl_extents), GFP_KERNEL_ACCOUNT);
}

/**
 * dl_extents_free() - free extents and their runs
 * @ext: the extents, or NULL
 */
void dl_extents_free(struct dl_extents *ext)
{
	if (!ext)
		return;
	kvfree(ext->runs);
	kfree(ext);
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
int dl_extents_copy(struct dl_extents *to, const struct dl_extents *from, u64 first, u64 end)
{
	struct daxlease_run run;
	int err = 0;

	for (; !err && first < end && dl_extents_at(from, first, &run); first += run.count) {
		run.count = min(run.count, end - first);
		err = dl_extents_append(to, run.count, run.pfn);
	}
	return err;
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
	size_t lo = 0, hi = ext->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct daxlease_run *r = &ext->runs[mid];

		if (page < r->first) {
			hi = mid;
		} else if (page >= r->first + r->count) {
			lo = mid + 1;
		} else {
			*run = (struct daxlease_run){
				.first = page,
				.count = r->first + r->count - page,
				.pfn = r->pfn + (page - r->first),
			};
			return true;
		}
	}
	return false;
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
	const struct daxlease_run *run;

	for (run = ext->runs; run < ext->runs + ext->nr; run++) {
		r = dl_range_clip(frames, (struct dl_range){ run->pfn, run->pfn + run->count - 1 });
		if (dl_range_empty(r))
			continue;
		r.first += run->first - run->pfn;
		r.last += run->first - run->pfn;
		out = dl_range_span(out, r);
	}
	return out;
}
