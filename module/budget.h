/* SPDX-License-Identifier: GPL-2.0 */
/*
 * budget: how long holders may make others wait.
 *
 * A leaky bucket: a break that gives grace pays the time by which waiting gets longer, so that
 * breaks at the same time pay once; what is not used comes back; a tenth of the time that passes
 * leaks out. A full bucket means no grace. One who may ask for graces of up to R can thus make
 * others wait for less than 2 R, and a tenth of any time on top.
 *
 * There is a budget for each file, and one for each user on each filesystem: the latter pays for
 * waiting with an inode lock held, behind which operations on other files can queue. A budget
 * outlives what refers to it until it has leaked empty, so that giving a lease up and taking it
 * again, or going on with the next file, does not refill it.
 */
#ifndef _DAXLEASE_BUDGET_H
#define _DAXLEASE_BUDGET_H

#include <linux/fs.h>
#include <linux/uidgid.h>

struct dl_budget_key {
	dev_t dev;
	u32 generation;			/* of the inode */
	u64 id;				/* inode number, or user */
	bool user;
};

/* All under a lock of budget.c; the key is constant. Times in ns, CLOCK_MONOTONIC. */
struct dl_budget {
	struct hlist_node hash;
	struct dl_budget_key key;
	unsigned int refs;		/* of a gate, of the user's leases */
	unsigned int open;		/* breaks that have paid and are not settled */
	u64 paid_until;
	u64 level;			/* paid, and not leaked or given back yet */
	u64 stamp;			/* when level was right */
};

void dl_budget_init(void);
void dl_budget_exit(void);
struct dl_budget *dl_budget_of_file(const struct inode *inode);
struct dl_budget *dl_budget_of_user(kuid_t uid, dev_t dev);
void dl_budget_put(struct dl_budget *b);
bool dl_budget_pay(struct dl_budget *b, u64 grace, u64 room, u64 now);
void dl_budget_settle(struct dl_budget *b, u64 now);

#endif /* _DAXLEASE_BUDGET_H */
