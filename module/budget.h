/* SPDX-License-Identifier: GPL-2.0 */
/*
 * budget: how long holders may make the operations on one file wait.
 *
 * A leaky bucket per file: a break that gives grace pays its grace in, a tenth of the time that
 * passes leaks out. A full bucket means no grace. Buckets are a fixed table hashed by file identity
 * (with a boot-time secret), so that giving a lease up and taking it again does not refill the
 * budget; files that share a bucket share the budget, which errs on the side of the filesystem.
 */
#ifndef _DAXLEASE_BUDGET_H
#define _DAXLEASE_BUDGET_H

#include <linux/fs.h>

void dl_budget_init(void);
bool dl_budget_take(const struct inode *inode, u64 grace, u64 room, u64 now);
void dl_budget_refund(const struct inode *inode, u64 unused);

#endif /* _DAXLEASE_BUDGET_H */
