/* SPDX-License-Identifier: GPL-2.0 */
/*
 * acquire: taking a lease, free of races with operations on the file. In this order:
 *
 *	0 populate	fault the range in; for writing: allocate, convert, unshare
 *	1 publish	under i_rwsem, then once through the invalidate lock: every operation that
 *			looked for leases before is over, every later one finds this lease in
 *			state ACQUIRING and marks it dead
 *	2 record	fault in again and record the pages
 *	3 activate	only if nobody has marked the lease dead; else begin again
 *
 * Nothing of ours is held while faulting. Never called under mmap_lock.
 */
#ifndef _DAXLEASE_ACQUIRE_H
#define _DAXLEASE_ACQUIRE_H

#include "lease.h"

struct dl_request {
	struct file *file;		/* borrowed */
	struct dl_range range;
	u64 grace;			/* explicit: ns */
	u64 cookie;
	unsigned long addr;		/* implicit: the user's mapping */
	bool write;
	bool sync;
	bool wait;			/* killably, for bars and breaks */
	bool implicit;
	struct dl_queue *queue;		/* explicit: the owner's; borrowed */
};

int dl_acquire_range(struct file *file, u64 offset, u64 length, struct dl_range *range);
int dl_acquire_permitted(struct file *file, bool write);
int dl_acquire_lock_inode(struct dl_gate *gate, bool wait);
void dl_acquire_unlock_inode(struct dl_gate *gate, bool published);
struct daxlease *dl_acquire(const struct dl_request *req);

#endif /* _DAXLEASE_ACQUIRE_H */
