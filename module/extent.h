/* SPDX-License-Identifier: GPL-2.0 */
/*
 * extent: the physical pages of a lease as runs, so that memory goes with extents and not with
 * pages.
 *
 * Filled in order by one task before anybody else sees it, read-only from then on: no lock. No
 * extents are NULL. One piece of memory: most leases have one run.
 */
#ifndef _DAXLEASE_EXTENT_H
#define _DAXLEASE_EXTENT_H

#include <daxlease_consumer.h>

#include "range.h"

struct dl_extents {
	u32 nr;
	u32 room;
	struct daxlease_run runs[] __counted_by(room);	/* ascending, without gaps */
};

u64 dl_extents_pages(const struct dl_extents *ext);
int dl_extents_append(struct dl_extents **ext, u64 count, u64 pfn);
void dl_extents_trim(struct dl_extents **ext);
void dl_extents_free(struct dl_extents *ext);
int dl_extents_copy(struct dl_extents **to, const struct dl_extents *from, u64 first, u64 end);
bool dl_extents_at(const struct dl_extents *ext, u64 page, struct daxlease_run *run);
bool dl_extents_walk(const struct dl_extents *ext, u32 *at, u64 page, struct daxlease_run *run);
struct dl_range dl_extents_with(const struct dl_extents *ext, u64 pfn, u64 count);

#endif /* _DAXLEASE_EXTENT_H */
