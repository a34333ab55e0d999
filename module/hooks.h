/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hooks: the kernel functions through which a layout change reaches us, and what we do there.
 *
 *	early, polite	do_truncate, vfs_fallocate: record, break, wait without the inode lock
 *	gate, polite	dax_layout_busy_page(_range): what the early layer did not see; the
 *			filesystem waits on a busy page under its own locks
 *	last resort	truncate_inode_pages_range, invalidate_inode_pages2_range: no grace
 *
 * hook_ops.c has the replacements, hooks.c arms them: before the first lease is published, until
 * about a second after the last. While armed the module holds a reference on itself.
 */
#ifndef _DAXLEASE_HOOKS_H
#define _DAXLEASE_HOOKS_H

#include "redirect.h"

struct seq_file;

/* hooks.c */
int dl_hooks_get(void);
void dl_hooks_put(void);
bool dl_hooks_early(void);
void dl_hooks_stats(struct seq_file *m);
int dl_hooks_init(void);
void dl_hooks_exit(void);

/* hook_ops.c; private to the two */
#define DL_NR_REDIRECTS	6
extern struct dl_redirect dl_redirects[DL_NR_REDIRECTS];
int dl_hook_resolve(void);
int dl_hook_selftest(void);
bool dl_hook_busy(void);
void dl_hook_drain(void);
u64 dl_hook_emergencies(void);

#endif /* _DAXLEASE_HOOKS_H */
