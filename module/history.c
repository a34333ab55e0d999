// SPDX-License-Identifier: GPL-2.0
#include <linux/spinlock.h>

#include "history.h"

static struct dl_ended ring[DL_HISTORY];
static u64 total;
static DEFINE_SPINLOCK(ring_lock);

/**
 * dl_history_add() - a break is over
 * @ended: copied; the oldest record gives way
 *
 * Context: atomic; dl_gate.lock may be held.
 */
void dl_history_add(const struct dl_ended *ended)
{
	spin_lock(&ring_lock);
	ring[total++ % DL_HISTORY] = *ended;
	spin_unlock(&ring_lock);
}

/**
 * dl_history_get() - look at a record
 * @back: 0 for the latest
 * @ended: filled
 *
 * Return: false if there is none.
 */
bool dl_history_get(unsigned int back, struct dl_ended *ended)
{
	bool there;

	spin_lock(&ring_lock);
	there = back < DL_HISTORY && back < total;
	if (there)
		*ended = ring[(total - 1 - back) % DL_HISTORY];
	spin_unlock(&ring_lock);
	return there;
}
