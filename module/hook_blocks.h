/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hook_blocks: asks the filesystem for its block map, as against what the DAX page cache says.
 *
 * A page that proves by mapping and index that it is cached for a file need not be the file's any
 * more: a fault between the invalidation and the remap of a copy on write (XFS), or a mapping from
 * before a move that invalidates nothing (EXT4_IOC_MOVE_EXT with a DAX donor), leaves the old page
 * there for good.
 */
#ifndef _DAXLEASE_HOOK_BLOCKS_H
#define _DAXLEASE_HOOK_BLOCKS_H

#include "extent.h"
#include "range.h"

struct fiemap_extent_info;
struct inode;

int dl_blocks_check(struct inode *inode, struct dl_range range, const struct dl_extents *ext,
		    u64 base, struct dl_range *stale);
int hook_fiemap_extent(struct fiemap_extent_info *info, u64 logical, u64 phys, u64 len, u32 flags);
int orig_fiemap_extent(struct fiemap_extent_info *info, u64 logical, u64 phys, u64 len, u32 flags);
bool dl_blocks_selftest(void);

#endif /* _DAXLEASE_HOOK_BLOCKS_H */
