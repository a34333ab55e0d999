// SPDX-License-Identifier: GPL-2.0
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "break.h"
#include "ctx.h"
#include "watch.h"

/**
 * dl_ctx_alloc() - a new context
 *
 * Return: the context, or NULL.
 */
struct dl_ctx *dl_ctx_alloc(void)
{
	struct dl_ctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);

	if (!ctx)
		return NULL;
	xa_init(&ctx->leases);
	mutex_init(&ctx->read_lock);
	ctx->queue = dl_queue_alloc();
	if (!ctx->queue) {
		kfree(ctx);
		return NULL;
	}
	return ctx;
}

/**
 * dl_ctx_free() - the last close
 * @ctx: the context; nobody else has it any more
 *
 * Context: process context; sleeps for fences, never for user space.
 */
void dl_ctx_free(struct dl_ctx *ctx)
{
	struct daxlease *lease;
	unsigned long id;

	dl_queue_close(ctx->queue);
	dl_watch_remove_all(ctx->queue);
	xa_for_each(&ctx->leases, id, lease) {
		xa_erase(&ctx->leases, id);
		dl_lease_end(lease);
		dl_lease_put(lease);
		cond_resched();
	}
	xa_destroy(&ctx->leases);
	dl_queue_put(ctx->queue);
	kfree(ctx);
}

/**
 * dl_ctx_own() - hand a lease to its context
 * @ctx: the context
 * @lease: with the owner's reference, which the context takes over
 *
 * Return: 0 or -ENOMEM, the reference still the caller's.
 */
int dl_ctx_own(struct dl_ctx *ctx, struct daxlease *lease)
{
	return xa_err(xa_store(&ctx->leases, lease->id, lease, GFP_KERNEL_ACCOUNT));
}

/**
 * dl_ctx_disown() - take a lease away from its context
 * @ctx: the context
 * @id: of the lease
 *
 * Return: the lease with the owner's reference, or NULL: not here, or somebody was faster.
 */
struct daxlease *dl_ctx_disown(struct dl_ctx *ctx, u64 id)
{
	return xa_erase(&ctx->leases, id);
}

/**
 * dl_ctx_lookup() - a lease that the holder of a context may act for
 * @ctx: the context
 * @id: of the lease: its own, or an implicit one of a process it watches
 *
 * Return: a reference, or NULL.
 */
struct daxlease *dl_ctx_lookup(struct dl_ctx *ctx, u64 id)
{
	struct daxlease *lease;

	xa_lock(&ctx->leases);
	lease = xa_load(&ctx->leases, id);
	if (lease)
		dl_lease_get(lease);
	xa_unlock(&ctx->leases);
	if (lease)
		return lease;
	lease = dl_lease_find(id);
	if (!lease || (lease->implicit && dl_watch_covers(ctx->queue, lease)))
		return lease;
	dl_lease_put(lease);
	return NULL;
}

/**
 * dl_ctx_fdinfo() - a line a lease, so that lsof-like tools find holders
 * @ctx: the context
 * @m: where
 */
void dl_ctx_fdinfo(struct dl_ctx *ctx, struct seq_file *m)
{
	struct daxlease *lease;
	unsigned long id;

	xa_lock(&ctx->leases);
	xa_for_each(&ctx->leases, id, lease)
		seq_printf(m, "lease:\t%lu dev %u:%u ino %lu offset %llu length %llu state %s\n",
			   id, MAJOR(lease->gate->inode->i_sb->s_dev),
			   MINOR(lease->gate->inode->i_sb->s_dev), lease->gate->inode->i_ino,
			   lease->range.first << PAGE_SHIFT,
			   dl_range_pages(lease->range) << PAGE_SHIFT,
			   dl_state_name(READ_ONCE(lease->state)));
	xa_unlock(&ctx->leases);
}
