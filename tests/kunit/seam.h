/* SPDX-License-Identifier: GPL-2.0 */
/*
 * seam: what stands above the objects under test, or beside them in a way that a test cannot wait
 * for. Hooks are never armed, nothing is removed, nobody watches. The steps of acquire and re-arm
 * that look at the file can be stopped at: a case gives a function that runs there, in the middle
 * of the operation under test, and so decides what comes between.
 */
#ifndef _DAXLEASE_KUNIT_SEAM_H
#define _DAXLEASE_KUNIT_SEAM_H

#include "resolve.h"
#include "rig.h"

/**
 * struct seam - reset when the case ends
 * @rig: whose page stands for all pages of the file
 * @on_populate: runs in each dl_populate(), or NULL
 * @on_resolve: runs in each dl_resolve(), or NULL: published, not ACTIVE; announced, not live
 * @arg: for both
 * @populated: calls of dl_populate()
 * @resolved: calls of dl_resolve()
 * @blocks: what dl_blocks_check() says, of all that it is asked about
 * @going: there is no reference to be had on the memory map
 */
struct seam {
	struct rig *rig;
	void (*on_populate)(void *arg);
	void (*on_resolve)(void *arg);
	void *arg;
	unsigned int populated;
	unsigned int resolved;
	int blocks;
	bool going;
};

extern struct seam seam;

void seam_init(struct kunit *test, struct rig *rig, u64 pages);

/* The real ones */
int real_dl_populate(const struct dl_window *w);
int real_dl_resolve(const struct dl_window *w, struct dl_extents **ext, const bool *dead);
int real_dl_blocks_check(struct inode *inode, struct dl_range range, const struct dl_extents *ext,
			 u64 base, struct dl_range *stale);

/* For resolve.c, which calls it by its own name */
struct dev_pagemap *seam_get_dev_pagemap(unsigned long pfn, struct dev_pagemap *pgmap);

/* What stands behind the seam, for the suite of the hooks */
int real_dl_hooks_get(const struct super_block *sb, struct device *dev);
void real_dl_hooks_put(void);
struct device *real_dl_removal_device(const struct super_block *sb);

#endif /* _DAXLEASE_KUNIT_SEAM_H */
