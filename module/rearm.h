/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rearm: lost granules come back, to the blocks that the file has now, under a new generation.
 *
 * The way of acquire: populate, announce under i_rwsem and once through the invalidate lock,
 * record, and go live only if no operation came between. The announcement is daxlease.rearming,
 * which every break looks at.
 */
#ifndef _DAXLEASE_REARM_H
#define _DAXLEASE_REARM_H

#include "lease.h"

int dl_rearm(struct daxlease *lease, struct dl_range range, u64 *generation);

#endif /* _DAXLEASE_REARM_H */
