/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hook_ops: what the replacements have in common; private to hooks.c and hook_*.c.
 *
 * Each replacement counts itself while it runs our text, since the original may sleep in it for
 * long and a sleeping task is invisible to synchronize_rcu_tasks(). Nothing in a hook allocates
 * with GFP_KERNEL.
 *
 * The self-tests call each hooked function with an object of their own. The originals return at
 * once for it (a negative length, an empty mapping), so a hook that does not work does no harm in
 * being tested.
 */
#ifndef _DAXLEASE_HOOK_OPS_H
#define _DAXLEASE_HOOK_OPS_H

#include <linux/dcache.h>
#include <linux/fs.h>

#include "lease.h"
#include "redirect.h"

#define DL_NR_EARLY	5
#define DL_NR_GATE	7

extern struct dl_redirect dl_early_hooks[DL_NR_EARLY];
extern struct dl_redirect dl_gate_hooks[DL_NR_GATE];
extern struct dl_redirect dl_ext4_hook;
extern struct dl_redirects dl_early_set, dl_gate_set;	/* of these */

extern struct address_space dl_test_mapping;
extern struct inode dl_test_inode;
extern struct file dl_test_file;
extern struct dentry dl_test_dentry;
extern atomic_t dl_test_hits;

void dl_hook_ops_init(void);
void dl_hook_enter(void);
void dl_hook_leave(void);
int dl_hook_running(void);
void dl_hook_drain(void);

int dl_early_resolve(void);
bool dl_early_selftest(void);
bool dl_gate_selftest(void);
u64 dl_gate_emergencies(void);

/** dl_hook_leased() - is there anything to do for this inode? Called from ftrace: inline */
static __always_inline bool dl_hook_leased(const struct inode *inode)
{
	return inode == &dl_test_inode || (inode && IS_DAX(inode) && dl_gate_exists(inode));
}

/** dl_test_hit() - have the self-test's calls been seen so often since the last look? */
static inline bool dl_test_hit(int expected)
{
	return atomic_xchg(&dl_test_hits, 0) == expected;
}

#endif /* _DAXLEASE_HOOK_OPS_H */
