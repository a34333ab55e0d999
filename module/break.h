/* SPDX-License-Identifier: GPL-2.0 */
/*
 * break: taking a lease back, from the first notice to the confirmed fence.
 *
 * A break dooms granules, gives notice, and queues deadline work. The fence makes doomed granules
 * lost: unmap at every consumer, confirm, mark, drop the page the filesystem sleeps on, wake.
 * Whoever comes first runs it (deadline work, an ACK, a last-resort hook); others wait for the
 * fence_lock.
 */
#ifndef _DAXLEASE_BREAK_H
#define _DAXLEASE_BREAK_H

#include "lease.h"

/* Who breaks what, and how politely */
struct dl_breaker {
	struct dl_range range;		/* pages of the file that the operation changes */
	enum daxlease_reason reason;
	bool locked;			/* it waits with the inode lock held */
	bool barred; /* a recorded operation bars the range and will post CLEARED */
	u64 since;			/* ns: when it began, for whoever pays; 0: now */
	u32 flags;			/* DAXLEASE_FLAG_EMERGENCY or NO_GRACE: no grace */
};

void dl_break_prepare(struct daxlease *lease);
bool dl_break_start(struct daxlease *lease, const struct dl_breaker *by);
void dl_break_close(struct daxlease *lease);

/* fence.c */
bool dl_lease_freezing(const struct daxlease *lease);
void dl_deadline_queue(struct daxlease *lease, u64 now);
void dl_deadline_cancel(struct daxlease *lease);
bool dl_fence(struct daxlease *lease, u64 break_id);
bool dl_fence_wanted(struct daxlease *lease);
void dl_fence_undone(struct daxlease *lease, u64 g0, u64 g1);
void dl_fence_insist(struct daxlease *lease);
bool dl_lease_end(struct daxlease *lease);
void dl_lease_cleared(struct daxlease *lease, struct dl_range r);
void dl_break_reconsider(struct daxlease *lease);
struct page *dl_break_page(struct daxlease *lease, u64 *pgoff);

int dl_break_init(void);
void dl_break_exit(void);

#endif /* _DAXLEASE_BREAK_H */
