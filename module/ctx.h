/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ctx: one open of /dev/daxlease: explicit leases by id, watches, one event queue. It can be passed
 * on with its file descriptor; whoever has that is the holder.
 *
 * ctx.leases has one reference per lease; whoever erases an id there (RELEASE or the last close)
 * ends the lease.
 */
#ifndef _DAXLEASE_CTX_H
#define _DAXLEASE_CTX_H

#include <linux/mutex.h>
#include <linux/xarray.h>

#include "lease.h"

struct seq_file;

struct dl_ctx {
	struct xarray leases;		/* struct daxlease by id; its own lock */
	struct dl_queue *queue;		/* referenced */
	bool opened_by_admin;		/* the opener had CAP_SYS_ADMIN */
	struct mutex read_lock;		/* one reader at a time, so that no record is read twice */
};

struct dl_ctx *dl_ctx_alloc(void);
void dl_ctx_free(struct dl_ctx *ctx);
int dl_ctx_own(struct dl_ctx *ctx, struct daxlease *lease);
struct daxlease *dl_ctx_disown(struct dl_ctx *ctx, u64 id);
struct daxlease *dl_ctx_lookup(struct dl_ctx *ctx, u64 id);
void dl_ctx_fdinfo(struct dl_ctx *ctx, struct seq_file *m);

#endif /* _DAXLEASE_CTX_H */
