/* SPDX-License-Identifier: GPL-2.0 */
/*
 * debugfs: the whole table of leases and the state of the hooks, for the operator. A missing
 * debugfs is no error.
 *
 *	leases	"# daxlease-leases 1", a line of column names, then a line a lease, tab-separated
 *	breaks	the last breaks that are over, likewise
 *	hooks	"name value" lines
 */
#ifndef _DAXLEASE_DEBUGFS_H
#define _DAXLEASE_DEBUGFS_H

void dl_debugfs_init(void);
void dl_debugfs_exit(void);

#endif /* _DAXLEASE_DEBUGFS_H */
