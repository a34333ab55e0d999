/* SPDX-License-Identifier: GPL-2.0 */
/*
 * history: the last breaks that are over: who waited for whom, and for how long. For the operator;
 * a ring of fixed size, so that writing it cannot fail.
 */
#ifndef _DAXLEASE_HISTORY_H
#define _DAXLEASE_HISTORY_H

#include <linux/kdev_t.h>
#include <linux/sched.h>
#include <linux/types.h>

#define DL_HISTORY	256

/* Times in ns of CLOCK_MONOTONIC; pids of the initial namespace */
struct dl_ended {
	u64 break_id;
	u64 lease;
	u64 started;			/* event readable */
	u64 noticed;			/* first read by a holder; if none did: fence */
	u64 fence;			/* fence begun: the holder gave way, or the deadline came */
	u64 ended;			/* fence confirmed */
	u64 deadline;
	u64 granules_lost;		/* of the lease, by now */
	u32 reason;			/* enum daxlease_reason */
	u32 flags;			/* enum daxlease_event_flags */
	dev_t dev;
	unsigned long ino;
	pid_t holder;
	pid_t breaker;
	char holder_comm[TASK_COMM_LEN];
	char breaker_comm[TASK_COMM_LEN];
};

void dl_history_add(const struct dl_ended *ended);
bool dl_history_get(unsigned int back, struct dl_ended *ended);

#endif /* _DAXLEASE_HISTORY_H */
