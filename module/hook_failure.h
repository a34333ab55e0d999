/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hook_failure: memory goes bad under a lease.
 *
 * memory_failure() asks the driver of the pages first. That of persistent memory passes it on to
 * who holds the DAX device, by dax_holder_notify_failure(). There is one holder, the filesystem,
 * and ext4 hears nothing; so the call is redirected. Processes are killed, or not, as without us.
 */
#ifndef _DAXLEASE_HOOK_FAILURE_H
#define _DAXLEASE_HOOK_FAILURE_H

#include <linux/types.h>

struct dax_device;
struct ftrace_regs;

int hook_failure(struct dax_device *dax, u64 offset, u64 length, int mf_flags);
int orig_failure(struct dax_device *dax, u64 offset, u64 length, int mf_flags);
bool dl_failure_possible(void);
bool want_failure(struct ftrace_regs *regs);
bool dl_failure_selftest(void);
int dl_failure_init(void);
void dl_failure_exit(void);

#endif /* _DAXLEASE_HOOK_FAILURE_H */
