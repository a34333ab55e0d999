/* SPDX-License-Identifier: GPL-2.0 */
/*
 * resolve: which physical pages are a range of a file, and are they fit to be leased?
 *
 * The range is looked at through a mapping of the file in the caller's address space. Other threads
 * may replace that mapping at any time, so nothing is taken from an address on trust: the VMA is
 * checked under mmap_lock, and each page proves by its mapping and index that it is this page of
 * this file. Last, the filesystem is asked whether these are its blocks: the cache may be stale.
 */
#ifndef _DAXLEASE_RESOLVE_H
#define _DAXLEASE_RESOLVE_H

#include <linux/fs.h>

#include "extent.h"
#include "range.h"

struct dl_window {
	struct file *file;		/* borrowed */
	struct dl_range range;		/* pages of the file */
	unsigned long addr;		/* where range.first is mapped */
	bool write;
	bool ours;			/* made by dl_window_open() */
};

/* Does the file end before @range does, as it is now? */
static inline bool dl_past_end(const struct inode *inode, struct dl_range range)
{
	return (range.last + 1) << PAGE_SHIFT > i_size_read(inode);
}

int dl_window_open(struct dl_window *w);
void dl_window_close(struct dl_window *w);
int dl_populate(const struct dl_window *w);
int dl_resolve(const struct dl_window *w, struct dl_extents **ext, const bool *dead);

#endif /* _DAXLEASE_RESOLVE_H */
