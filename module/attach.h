/* SPDX-License-Identifier: GPL-2.0 */
/*
 * attach: who has mapped a lease for DMA, and making them let go.
 *
 * An attachment is on its lease's list under the fence_lock; a fence holds it throughout, so
 * detaching waits for a running fence of that lease and for nothing else.
 */
#ifndef _DAXLEASE_ATTACH_H
#define _DAXLEASE_ATTACH_H

#include "lease.h"

bool dl_attach_can_rearm(struct daxlease *lease);
int dl_attach_rearm(struct daxlease *lease, struct dl_range pages);
bool dl_attach_fence(struct daxlease *lease, struct dl_range pages);

#endif /* _DAXLEASE_ATTACH_H */
