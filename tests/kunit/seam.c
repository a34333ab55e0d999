// SPDX-License-Identifier: GPL-2.0
#include <linux/device.h>
#include <linux/memremap.h>

#include "hook_blocks.h"
#include "hooks.h"
#include "params.h"
#include "removal.h"
#include "seam.h"
#include "watch.h"

struct seam seam;

u64 dl_grace_max(void)
{
	return 10 * LONG_GRACE;
}

int dl_hooks_get(const struct super_block *sb, struct device *dev)
{
	return 0;
}

void dl_hooks_put(void)
{
}

struct device *dl_removal_device(const struct super_block *sb)
{
	return NULL;
}

bool dl_removal_under_way(const struct device *dev)
{
	return false;
}

int dl_watch_adopt(struct daxlease *lease)
{
	return 0;
}

int dl_watch_move(struct daxlease *lease, struct mm_struct *mm)
{
	return 0;
}

int dl_window_open(struct dl_window *w)
{
	w->ours = true;
	return 0;
}

void dl_window_close(struct dl_window *w)
{
	w->ours = false;
}

int dl_blocks_check(struct inode *inode, struct dl_range range, const struct dl_extents *ext,
		    u64 base, struct dl_range *stale)
{
	*stale = range;
	return seam.blocks;
}

struct dev_pagemap *seam_get_dev_pagemap(unsigned long pfn, struct dev_pagemap *pgmap)
{
	return seam.going ? NULL : get_dev_pagemap(pfn, pgmap);
}

int dl_populate(const struct dl_window *w)
{
	seam.populated++;
	if (seam.on_populate)
		seam.on_populate(seam.arg);
	return 0;
}

int dl_resolve(const struct dl_window *w, struct dl_extents **ext, const bool *dead)
{
	u64 page;
	int err;

	seam.resolved++;
	if (seam.on_resolve)
		seam.on_resolve(seam.arg);
	for (page = w->range.first; page <= w->range.last; page++) {
		err = dl_extents_append(ext, 1, page_to_pfn(seam.rig->page));
		if (err)
			return err;
	}
	return 0;
}

static void seam_reset(void *inode)
{
	seam = (struct seam){};
	i_size_write(inode, 0);
	((struct inode *)inode)->i_flags &= ~(S_DAX | S_IMMUTABLE | S_APPEND | S_SWAPFILE);
}

/**
 * seam_init() - make a file fit for acquire and re-arm, and count from here
 * @test: its case
 * @rig: the file; it passes for a DAX file until the case ends
 * @pages: its size
 */
void seam_init(struct kunit *test, struct rig *rig, u64 pages)
{
	seam = (struct seam){ .rig = rig };
	i_size_write(rig->inode, pages << PAGE_SHIFT);
	rig->inode->i_flags |= S_DAX;
	kunit_add_action_or_reset(test, seam_reset, rig->inode);
}
