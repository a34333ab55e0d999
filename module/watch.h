/* SPDX-License-Identifier: GPL-2.0 */
/*
 * watch: who speaks for implicit leases, which nobody holds a descriptor for.
 *
 * A watch joins a context's queue to an address space: every implicit lease taken through it,
 * present and future, gets a slot on that queue. watch_lock orders new leases against new watches;
 * it is never taken in a hook or fence.
 */
#ifndef _DAXLEASE_WATCH_H
#define _DAXLEASE_WATCH_H

#include "lease.h"

int dl_watch_add(struct dl_queue *queue, struct mm_struct *mm, u64 grace);
void dl_watch_remove_all(struct dl_queue *queue);
bool dl_watch_covers(struct dl_queue *queue, const struct daxlease *lease);
int dl_watch_adopt(struct daxlease *lease);
int dl_watch_move(struct daxlease *lease, struct mm_struct *mm);

#endif /* _DAXLEASE_WATCH_H */
