/* SPDX-License-Identifier: GPL-2.0 */
/*
 * removal: the persistent memory goes away under a lease.
 *
 * A driver about to be unbound announces it on its bus, before the pages are taken down; leases do
 * not keep it from going. All leases on it are revoked there and then. Unbinding holds the device
 * lock from before the announcement to the end, so whoever gets the lock and finds the driver after
 * he listens has missed nothing.
 */
#ifndef _DAXLEASE_REMOVAL_H
#define _DAXLEASE_REMOVAL_H

#include <linux/fs.h>

struct device *dl_removal_device(const struct super_block *sb);
int dl_removal_watch(struct device *dev);
void dl_removal_unwatch(void);
bool dl_removal_under_way(const struct device *dev);

#endif /* _DAXLEASE_REMOVAL_H */
