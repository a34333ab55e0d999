/* SPDX-License-Identifier: GPL-2.0 */
/* waiter: who waits until a range is clear, and the one wake-up that each of them gets. */
#ifndef _DAXLEASE_WAITER_H
#define _DAXLEASE_WAITER_H

#include "lease.h"

bool dl_waiter_begin(struct dl_gate *gate, struct dl_waiter *w, struct dl_range r);
void dl_waiter_end(struct dl_waiter *w);
void dl_waiter_lost(struct daxlease *lease, u64 g0, u64 g1);

#endif /* _DAXLEASE_WAITER_H */
