/* SPDX-License-Identifier: GPL-2.0 */
/* The steps between a break and the machine going on; companion.h has their order. */
#ifndef DAXLEASE_QEMU_EPISODE_H
#define DAXLEASE_QEMU_EPISODE_H

#include "companion.h"

int episode_event(struct companion *c, const struct daxlease_event *event);
void episode_proceed(struct companion *c);
void episode_rearm_kept(struct companion *c);
void episode_abandon(struct companion *c);

#endif /* DAXLEASE_QEMU_EPISODE_H */
