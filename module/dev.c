// SPDX-License-Identifier: GPL-2.0
#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "ctx.h"
#include "ioctl.h"

struct op_row {
	size_t size;		/* of the structure as we know it */
	size_t min_size;	/* of its first version */
	bool answers;		/* has members for the caller to read: copied back */
	int (*execute)(struct dl_ctx *ctx, union dl_cmd *cmd);
	/* After execute, if that returned 0; told: the caller has the answer */
	void (*end)(struct dl_ctx *ctx, union dl_cmd *cmd, bool told);
};

#define ROW(cmd, type, last, fn, more...)				\
	[DAXLEASE_CMD_##cmd - DAXLEASE_CMD_INFO] = {			\
		.size = sizeof(struct type),				\
		.min_size = offsetofend(struct type, last),		\
		.execute = fn,						\
		more							\
	}

static const struct op_row rows[] = {
	ROW(INFO, daxlease_info, grace_max_ns, dl_do_info, .answers = true),
	ROW(ACQUIRE, daxlease_acquire, generation, dl_do_acquire,
	    .answers = true, .end = dl_end_acquire),
	ROW(RELEASE, daxlease_release, id, dl_do_release),
	ROW(QUERY, daxlease_query, deadline_ns, dl_do_query, .answers = true),
	ROW(ACK, daxlease_ack, break_id, dl_do_ack),
	ROW(REARM, daxlease_rearm, generation, dl_do_rearm, .answers = true),
	ROW(EXPORT_DMABUF, daxlease_export_dmabuf, fd, dl_do_export_dmabuf,
	    .answers = true, .end = dl_end_export_dmabuf),
	ROW(FLUSH, daxlease_flush, length, dl_do_flush),
	ROW(WATCH, daxlease_watch, grace_ns, dl_do_watch),
	ROW(BREAK, daxlease_break, leases, dl_do_break, .answers = true),
};

/* Frozen: a change of any of these is a change of the ABI. */
static_assert(sizeof(struct daxlease_info) == 40);
static_assert(sizeof(struct daxlease_acquire) == 64);
static_assert(sizeof(struct daxlease_release) == 16);
static_assert(sizeof(struct daxlease_query) == 104);
static_assert(sizeof(struct daxlease_ack) == 32);
static_assert(sizeof(struct daxlease_rearm) == 40);
static_assert(sizeof(struct daxlease_export_dmabuf) == 40);
static_assert(sizeof(struct daxlease_flush) == 32);
static_assert(sizeof(struct daxlease_watch) == 24);
static_assert(sizeof(struct daxlease_break) == 40);
static_assert(sizeof(struct daxlease_event) == 128);

static long dl_ioctl(struct file *filp, unsigned int nr, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	const struct op_row *row;
	union dl_cmd cmd = {};
	u32 size;
	bool told;
	int err;

	if (_IOC_TYPE(nr) != DAXLEASE_TYPE || _IOC_DIR(nr) != _IOC_NONE || _IOC_SIZE(nr) ||
	    _IOC_NR(nr) < DAXLEASE_CMD_INFO || _IOC_NR(nr) - DAXLEASE_CMD_INFO >= ARRAY_SIZE(rows))
		return -ENOTTY;
	row = &rows[array_index_nospec(_IOC_NR(nr) - DAXLEASE_CMD_INFO, ARRAY_SIZE(rows))];
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < row->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)	/* as other extensible calls do: bounds the search for zeroes */
		return -E2BIG;
	err = copy_struct_from_user(&cmd, row->size, user, size);
	if (err)
		return err;
	err = row->execute(filp->private_data, &cmd);
	if (err || !row->answers)
		return err;
	told = !copy_to_user(user, &cmd, min_t(size_t, size, row->size));
	if (row->end)
		row->end(filp->private_data, &cmd, told);
	return told ? 0 : -EFAULT;
}

static int dl_open(struct inode *inode, struct file *filp)
{
	struct dl_ctx *ctx = dl_ctx_alloc();

	if (!ctx)
		return -ENOMEM;
	ctx->opened_by_admin = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
	filp->private_data = ctx;
	return nonseekable_open(inode, filp);
}

static int dl_release(struct inode *inode, struct file *filp)
{
	dl_ctx_free(filp->private_data);
	return 0;
}

/* As many records as are there and fit; a record that cannot be copied stays. */
static ssize_t read_records(struct dl_ctx *ctx, char __user *buf, size_t count)
{
	struct daxlease_event ev;
	size_t done = 0;
	u64 posts;

	while (count - done >= sizeof(ev) && dl_queue_peek(ctx->queue, &ev, &posts)) {
		if (copy_to_user(buf + done, &ev, sizeof(ev)))
			return done ?: -EFAULT;
		dl_queue_consume(ctx->queue, ev.id, posts);
		done += sizeof(ev);
	}
	return done;
}

static ssize_t dl_read(struct file *filp, char __user *buf, size_t count, loff_t *pos)
{
	struct dl_ctx *ctx = filp->private_data;
	ssize_t ret;
	int err;

	if (count < sizeof(struct daxlease_event))
		return -EINVAL;
	for (;;) {
		if (mutex_lock_interruptible(&ctx->read_lock))
			return -ERESTARTSYS;
		ret = read_records(ctx, buf, count);
		mutex_unlock(&ctx->read_lock);
		if (ret)
			return ret;
		if (filp->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(ctx->queue->wait, dl_queue_ready(ctx->queue));
		if (err)
			return err;
	}
}

static __poll_t dl_poll(struct file *filp, poll_table *wait)
{
	struct dl_ctx *ctx = filp->private_data;

	poll_wait(filp, &ctx->queue->wait, wait);
	return dl_queue_ready(ctx->queue) ? EPOLLIN | EPOLLRDNORM : 0;
}

static void dl_show_fdinfo(struct seq_file *m, struct file *filp)
{
	dl_ctx_fdinfo(filp->private_data, m);
}

const struct file_operations dl_fops = {
	.owner = THIS_MODULE,
	.open = dl_open,
	.release = dl_release,
	.read = dl_read,
	.poll = dl_poll,
	.unlocked_ioctl = dl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = dl_show_fdinfo,
};
