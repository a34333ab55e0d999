/* SPDX-License-Identifier: GPL-2.0 */
/*
 * quota: how many leases there are, in all, of each user and on each filesystem.
 *
 * Nothing is pinned, so RLIMIT_MEMLOCK is not charged; the kernel memory of a lease is charged to
 * its memory cgroup, and these limits bound the work that a break can find.
 */
#ifndef _DAXLEASE_QUOTA_H
#define _DAXLEASE_QUOTA_H

#include <linux/kdev_t.h>
#include <linux/uidgid.h>

kuid_t dl_quota_payer(void);
int dl_quota_charge(kuid_t uid, dev_t dev);
void dl_quota_uncharge(kuid_t uid, dev_t dev);
u64 dl_quota_total(void);

#endif /* _DAXLEASE_QUOTA_H */
