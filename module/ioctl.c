// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/libnvdimm.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "acquire.h"
#include "ctx.h"
#include "dmabuf.h"
#include "gate.h"
#include "hooks.h"
#include "ioctl.h"
#include "params.h"
#include "rearm.h"
#include "trace.h"
#include "unexported.h"
#include "watch.h"

#define BITMAP_MAX	SZ_16M	/* enough for 256 TiB */

/** dl_do_info() - DAXLEASE_INFO; see ioctl.h */
int dl_do_info(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_info *info = &cmd->info;

	if (info->flags)
		return -EINVAL;
	info->capabilities = DAXLEASE_CAP_REARM | DAXLEASE_CAP_DMABUF | DAXLEASE_CAP_FLUSH |
			     DAXLEASE_CAP_WATCH | DAXLEASE_CAP_WATCH_ALL |
			     (dl_hooks_early() ? DAXLEASE_CAP_EARLY : 0);
	info->granule = DAXLEASE_GRANULE;
	info->grace_default_ns = dl_grace_default();
	info->grace_max_ns = dl_grace_max();
	return 0;
}

static int grace_of(u64 asked, u64 *grace)
{
	*grace = asked ?: dl_grace_default();
	return *grace > dl_grace_max() ? -EPERM : 0;
}

/** dl_do_acquire() - DAXLEASE_ACQUIRE; see ioctl.h */
int dl_do_acquire(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_acquire *a = &cmd->acquire;
	struct dl_request req = {
		.cookie = a->cookie,
		.write = a->flags & DAXLEASE_WRITE,
		.sync = a->flags & DAXLEASE_SYNC,
		.wait = a->flags & DAXLEASE_WAIT,
		.queue = ctx->queue,
	};
	struct daxlease *lease;
	int err;

	if (a->__reserved || !(a->flags & (DAXLEASE_READ | DAXLEASE_WRITE)) ||
	    (a->flags & ~(DAXLEASE_READ | DAXLEASE_WRITE | DAXLEASE_SYNC | DAXLEASE_WAIT)))
		return -EINVAL;
	req.file = fget(a->fd);
	if (!req.file)
		return -EBADF;
	err = dl_acquire_permitted(req.file, req.write);
	if (!err)
		err = dl_acquire_range(req.file, a->offset, a->length, &req.range);
	if (!err)
		err = grace_of(a->grace_ns, &req.grace);
	if (err)
		goto out;
	lease = dl_acquire(&req);
	if (IS_ERR(lease)) {
		err = PTR_ERR(lease);
		goto out;
	}
	a->id = lease->id;
	a->generation = 1;
	err = dl_ctx_own(ctx, lease);
	if (err) {
		dl_lease_end(lease);
		dl_lease_put(lease);
	}
out:
	fput(req.file);
	return err;
}

/**
 * dl_end_acquire() - take back a lease that nobody would know of
 * @ctx: of the call
 * @cmd: the call, after dl_do_acquire() returned 0
 * @told: the caller knows the lease
 *
 * Another thread may have guessed the id, and have used or released it meanwhile.
 */
void dl_end_acquire(struct dl_ctx *ctx, union dl_cmd *cmd, bool told)
{
	struct daxlease *lease = told ? NULL : dl_ctx_disown(ctx, cmd->acquire.id);

	if (!lease)
		return;
	dl_lease_end(lease);
	dl_lease_put(lease);
}

/** dl_do_release() - DAXLEASE_RELEASE; see ioctl.h */
int dl_do_release(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_release *r = &cmd->release;
	struct daxlease *lease;
	bool done;

	if (r->flags)
		return -EINVAL;
	lease = dl_ctx_disown(ctx, r->id);
	if (!lease) {
		lease = dl_ctx_lookup(ctx, r->id);
		if (!lease)
			return -ENOENT;
		dl_lease_put(lease);
		return -EBUSY;	/* implicit: owned by its mapping */
	}
	done = dl_lease_end(lease);
	dl_lease_put(lease);
	return done ? 0 : -EIO;
}

static int put_bitmap(const struct daxlease *lease, const struct daxlease_query *q,
		      const unsigned long *lost)
{
	u64 bytes = DIV_ROUND_UP_ULL(dl_granule_count(lease->range), BITS_PER_BYTE);
	u64 fit = min(bytes, q->bitmap_size);
	void __user *to = u64_to_user_ptr(q->bitmap);

	/* x86 is little-endian: byte n of a bitmap is byte n of its longs. */
	if (q->bitmap_size > BITMAP_MAX)
		return -E2BIG;
	if (copy_to_user(to, lost, fit) || clear_user(to + fit, q->bitmap_size - fit))
		return -EFAULT;
	return 0;
}

/** dl_do_query() - DAXLEASE_QUERY; see ioctl.h */
int dl_do_query(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_query *q = &cmd->query;
	unsigned long *lost = NULL;
	struct daxlease *lease;
	int err = 0;

	if (q->flags || (q->bitmap_size && !q->bitmap))
		return -EINVAL;
	lease = dl_ctx_lookup(ctx, q->id);
	if (!lease)
		return -ENOENT;
	q->granules = dl_granule_count(lease->range);
	if (q->bitmap_size) {
		lost = kvcalloc(BITS_TO_LONGS(q->granules), sizeof(long), GFP_KERNEL_ACCOUNT);
		err = lost ? 0 : -ENOMEM;
		if (err)
			goto out;
	}
	spin_lock(&lease->gate->lock);
	if (lost)
		bitmap_copy(lost, lease->lost, q->granules);
	q->granules_lost = lease->granules_lost;
	q->state = lease->state;
	q->access = DAXLEASE_READ | (lease->write ? DAXLEASE_WRITE : 0);
	q->generation = lease->generation;
	q->offset = lease->range.first << PAGE_SHIFT;
	q->length = dl_range_pages(lease->range) << PAGE_SHIFT;
	q->grace_ns = dl_lease_grace(lease);
	q->break_id = lease->brk.id;
	q->deadline_ns = lease->brk.deadline;
	spin_unlock(&lease->gate->lock);
	if (lost)
		err = put_bitmap(lease, q, lost);
out:
	kvfree(lost);
	dl_lease_put(lease);
	return err;
}

/** dl_do_ack() - DAXLEASE_ACK; see ioctl.h */
int dl_do_ack(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_ack *a = &cmd->ack;
	struct daxlease *lease;
	int err = -ESTALE;
	bool open;

	if (a->flags)
		return -EINVAL;
	lease = dl_ctx_lookup(ctx, a->id);
	if (!lease)
		return -ENOENT;
	spin_lock(&lease->gate->lock);
	open = lease->brk.id && lease->brk.id == a->break_id;
	if (a->generation == lease->generation && a->break_id &&
	    (open || lease->brk.last_id == a->break_id))
		err = 0;
	spin_unlock(&lease->gate->lock);
	if (!err && open) {
		trace_daxlease_ack(lease->id, a->break_id);
		err = dl_fence(lease, a->break_id) ? 0 : -EIO;
	}
	dl_lease_put(lease);
	return err;
}

/* A byte range within a lease, in pages of the file. */
static int range_in(const struct daxlease *lease, u64 offset, u64 length, struct dl_range *r)
{
	u64 end;

	if (!length || !PAGE_ALIGNED(offset | length) || check_add_overflow(offset, length, &end))
		return -EINVAL;
	*r = (struct dl_range){ offset >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT };
	return r->first < lease->range.first || r->last > lease->range.last ? -EINVAL : 0;
}

/** dl_do_rearm() - DAXLEASE_REARM; see ioctl.h */
int dl_do_rearm(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_rearm *r = &cmd->rearm;
	struct daxlease *lease;
	struct dl_range range;
	int err;

	if (r->flags)
		return -EINVAL;
	lease = dl_ctx_lookup(ctx, r->id);
	if (!lease)
		return -ENOENT;
	err = range_in(lease, r->offset, r->length, &range);
	if (!err)
		err = dl_rearm(lease, range, &r->generation);
	dl_lease_put(lease);
	return err;
}

/* Nobody sees the descriptor before dl_end_export_dmabuf() */
static int export_range(struct daxlease *lease, const struct daxlease_export_dmabuf *x,
			struct file **file)
{
	bool write = (x->fd_flags & O_ACCMODE) == O_RDWR;
	struct dl_range range;
	struct dma_buf *buf;
	int fd;

	if (lease->implicit)
		return -EOPNOTSUPP;
	if (range_in(lease, x->offset, x->length, &range))
		return -EINVAL;
	if (write && !lease->write)
		return -EACCES;
	fd = get_unused_fd_flags(x->fd_flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	buf = dl_dmabuf_create(lease, range, write);
	if (IS_ERR(buf)) {
		put_unused_fd(fd);
		return PTR_ERR(buf);
	}
	*file = buf->file;
	return fd;
}

/** dl_do_export_dmabuf() - DAXLEASE_EXPORT_DMABUF; see ioctl.h */
int dl_do_export_dmabuf(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_export_dmabuf *x = &cmd->export_dmabuf;
	struct daxlease *lease;

	if (x->flags || (x->fd_flags & ~(O_CLOEXEC | O_ACCMODE)) ||
	    (x->fd_flags & O_ACCMODE) == O_ACCMODE || (x->fd_flags & O_ACCMODE) == O_WRONLY)
		return -EINVAL;
	lease = dl_ctx_lookup(ctx, x->id);
	if (!lease)
		return -ENOENT;
	x->fd = export_range(lease, x, &cmd->export_file);
	dl_lease_put(lease);
	return x->fd < 0 ? x->fd : 0;
}

/**
 * dl_end_export_dmabuf() - install what DAXLEASE_EXPORT_DMABUF has made
 * @ctx: of the call
 * @cmd: the call, after dl_do_export_dmabuf() returned 0
 * @told: the caller knows the descriptor; else nothing is left of it
 */
void dl_end_export_dmabuf(struct dl_ctx *ctx, union dl_cmd *cmd, bool told)
{
	if (told) {
		fd_install(cmd->export_dmabuf.fd, cmd->export_file);
	} else {
		put_unused_fd(cmd->export_dmabuf.fd);
		fput(cmd->export_file);
	}
}

/*
 * DMA marks no DAX entry dirty, so fsync would not write these back. Under the fence_lock, so that
 * the memory does not go away meanwhile; a granule at a time, so that no fence waits for long.
 */
static int flush_granule(struct daxlease *lease, u64 g, struct dl_range within)
{
	struct dl_range pages = dl_range_clip(within, dl_granule_pages(lease->range, g, g));
	unsigned int noio = dl_fence_lock(lease);
	struct daxlease_run run;
	bool live;
	u64 page, n;

	spin_lock(&lease->gate->lock);
	live = dl_lease_live_in(lease, pages);
	spin_unlock(&lease->gate->lock);
	for (page = pages.first; live && page <= pages.last; page += n) {
		live = daxlease_run_at(lease, page - lease->range.first, &run);
		n = min(run.count, pages.last - page + 1);
		if (live)
			arch_wb_cache_pmem(pfn_to_kaddr(run.pfn), n << PAGE_SHIFT);
	}
	dl_fence_unlock(lease, noio);
	return live ? 0 : -ESTALE;
}

/** dl_do_flush() - DAXLEASE_FLUSH; see ioctl.h */
int dl_do_flush(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_flush *f = &cmd->flush;
	struct daxlease *lease;
	struct dl_range range = DL_RANGE_NONE;
	u64 g, last;
	int err;

	if (f->flags)
		return -EINVAL;
	lease = dl_ctx_lookup(ctx, f->id);
	if (!lease)
		return -ENOENT;
	err = range_in(lease, f->offset, f->length, &range);
	last = err ? 0 : dl_granule_of(lease->range, range.last);
	for (g = dl_granule_of(lease->range, range.first); !err && g <= last; g++) {
		err = fatal_signal_pending(current) ? -EINTR : 0;
		if (!err)
			err = flush_granule(lease, g, range);
	}
	pmem_wmb();
	dl_lease_put(lease);
	return err;
}

/* mm_access() makes the check and takes the address space of one and the same task. */
static struct mm_struct *mm_of_pidfd(int pidfd)
{
	struct file *file = fget(pidfd);
	struct task_struct *task = NULL;
	struct mm_struct *mm;
	struct pid *pid;

	if (!file)
		return ERR_PTR(-EBADF);
	pid = static_call(dl_pidfd_pid)(file);
	if (!IS_ERR(pid))
		task = get_pid_task(pid, PIDTYPE_TGID);
	fput(file);
	if (IS_ERR(pid))
		return ERR_CAST(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = static_call(dl_mm_access)(task, PTRACE_MODE_ATTACH_REALCREDS);
	put_task_struct(task);
	return mm ?: ERR_PTR(-ESRCH);
}

/** dl_do_watch() - DAXLEASE_WATCH; see ioctl.h */
int dl_do_watch(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_watch *w = &cmd->watch;
	struct mm_struct *mm;
	u64 grace;
	int err;

	if (w->__reserved || (w->flags & ~DAXLEASE_WATCH_ALL) ||
	    ((w->flags & DAXLEASE_WATCH_ALL) && w->pidfd != -1))
		return -EINVAL;
	err = grace_of(w->grace_ns, &grace);
	if (err)
		return err;
	if (w->flags & DAXLEASE_WATCH_ALL)
		return ctx->opened_by_admin && capable(CAP_SYS_ADMIN) ?
		       dl_watch_add(ctx->queue, NULL, grace) : -EPERM;
	mm = mm_of_pidfd(w->pidfd);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	err = dl_watch_add(ctx->queue, mm, grace);
	mmput(mm);
	return err;
}

/** dl_do_break() - DAXLEASE_BREAK; see ioctl.h */
int dl_do_break(struct dl_ctx *ctx, union dl_cmd *cmd)
{
	struct daxlease_break *b = &cmd->brk;
	struct dl_breaker by = { .reason = DAXLEASE_REASON_MANUAL };
	struct dl_gate *gate;
	struct file *file;
	int err;

	if (b->flags || b->__reserved)
		return -EINVAL;
	file = fget(b->fd);
	if (!file)
		return -EBADF;
	err = dl_acquire_permitted(file, true);
	if (!err)
		err = dl_acquire_range(file, b->offset, b->length, &by.range);
	if (!err) {
		gate = dl_gate_find(file_inode(file));
		b->leases = gate ? dl_gate_break(gate, &by) : 0;
		dl_gate_put(gate);
	}
	fput(file);
	return err;
}
