/* SPDX-License-Identifier: GPL-2.0 */
/*
 * removal: the persistent memory goes away under a lease.
 *
 * A driver about to be unbound from the disk's parent announces it on its bus, before the pages are
 * taken down; leases do not keep it from going. All leases on it are revoked there and then; none
 * is given on any device of that bus until the unbinding is over.
 */
#ifndef _DAXLEASE_REMOVAL_H
#define _DAXLEASE_REMOVAL_H

#include <linux/fs.h>

int dl_removal_watch(const struct super_block *sb);
void dl_removal_unwatch(void);
struct device *dl_removal_device(const struct super_block *sb);
bool dl_removal_under_way(const struct super_block *sb);

#endif /* _DAXLEASE_REMOVAL_H */
