/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hooks: the kernel functions through which a layout change reaches us, and what we do there.
 *
 *	early, polite	do_truncate, vfs_fallocate, vfs_clone_file_range, vfs_dedupe_file_range_one:
 *			record, break, wait without the inode lock; vfs_copy_file_range: copy,
 *			do not share
 *	gate, polite	dax_layout_busy_page(_range): what the early layer did not see; the
 *			filesystem waits on a busy page under its own locks
 *	last resort	truncate_inode_pages_range, invalidate_inode_pages2_range,
 *			unmap_mapping_pages: no grace
 *	own		fiemap_fill_next_extent: answers to the module's own questions
 *	refused		ext4_move_extents
 *	failure		dax_holder_notify_failure: memory that has gone bad, no grace
 *
 * hook_*.c have the replacements, hooks.c arms them: before the first lease is
 * published, until about a second after the last. While armed the module holds a reference on
 * itself.
 */
#ifndef _DAXLEASE_HOOKS_H
#define _DAXLEASE_HOOKS_H

struct seq_file;

struct device;
struct super_block;

int dl_hooks_get(const struct super_block *sb, struct device *dev);
void dl_hooks_put(void);
bool dl_hooks_early(void);
void dl_hooks_stats(struct seq_file *m);
int dl_hooks_init(void);
void dl_hooks_exit(void);

#endif /* _DAXLEASE_HOOKS_H */
