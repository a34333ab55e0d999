// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include <daxlease_consumer.h>

#include "acquire.h"
#include "break.h"
#include "hooks.h"
#include "opctx.h"
#include "params.h"
#include "removal.h"
#include "resolve.h"
#include "trace.h"
#include "unexported.h"
#include "watch.h"

#define MAX_TRIES	16	/* of a caller who does not want to wait */

/* The hooks were verified for these; ext2's DAX, for one, never calls the break-layout path. */
static bool known_filesystem(const struct super_block *sb)
{
	return !strcmp(sb->s_type->name, "ext4") || !strcmp(sb->s_type->name, "xfs");
}

static bool on_realtime(struct file *file)
{
	struct fileattr fa = {};

	return vfs_fileattr_get(file->f_path.dentry, &fa) || (fa.fsx_xflags & FS_XFLAG_REALTIME);
}

static int check_file(struct file *file, bool write)
{
	struct inode *inode = file_inode(file);

	if (S_ISDIR(inode->i_mode))
		return -EISDIR;
	if (!S_ISREG(inode->i_mode) || file->f_mapping->host != inode ||
	    !known_filesystem(inode->i_sb) || !IS_DAX(inode) || IS_SWAPFILE(inode) ||
	    on_realtime(file))
		return -EOPNOTSUPP;
	if (!(file->f_mode & FMODE_READ) || (write && !(file->f_mode & FMODE_WRITE)))
		return -EBADF;
	return 0;
}

static bool owner_or_capable(const struct file *file)
{
	vfsuid_t owner = i_uid_into_vfsuid(file_mnt_idmap(file), file_inode(file));

	return vfsuid_eq_kuid(owner, current_fsuid()) || capable(CAP_LEASE);
}

/**
 * dl_acquire_permitted() - may this caller hold up operations on a file?
 * @file: the file
 * @write: for writing
 *
 * The rule of fcntl leases (fs/locks.c).
 * Return: 0; -EISDIR, -EOPNOTSUPP, -EBADF: the file will not do; -EACCES; or what the security
 * module says.
 */
int dl_acquire_permitted(struct file *file, bool write)
{
	int err = check_file(file, write);

	if (err)
		return err;
	if (!owner_or_capable(file))
		return -EACCES;
	return static_call(dl_security_file_lock)(file, write ? F_WRLCK : F_RDLCK);
}

/**
 * dl_acquire_range() - check a byte range from user space
 * @file: the file
 * @offset: bytes
 * @length: bytes
 * @range: filled
 *
 * Return: 0, or -EINVAL: unaligned, empty, overflowing, or past the last whole page.
 */
int dl_acquire_range(struct file *file, u64 offset, u64 length, struct dl_range *range)
{
	u64 size = i_size_read(file_inode(file));
	u64 end;

	if (!length || !PAGE_ALIGNED(offset | length) || check_add_overflow(offset, length, &end) ||
	    end > round_down(size, PAGE_SIZE))
		return -EINVAL;
	*range = (struct dl_range){ offset >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT };
	return 0;
}

static bool barred(struct dl_gate *gate, struct dl_range r)
{
	bool yes;

	spin_lock(&gate->lock);
	yes = dl_op_barred(gate, r);
	spin_unlock(&gate->lock);
	return yes;
}

/* A bar ends without a wake-up when its task dies inside the operation: look again now and then. */
static int wait_for_bars(struct dl_gate *gate, const struct dl_request *req)
{
	long left = 0;

	if (!req->wait)
		return barred(gate, req->range) ? -EAGAIN : 0;
	while (!left)
		left = wait_event_killable_timeout(gate->wait, !barred(gate, req->range), HZ);
	return left < 0 ? -EINTR : 0;
}

/**
 * dl_acquire_lock_inode() - take i_rwsem to publish something
 * @gate: of the inode
 * @wait: whether to wait for breaks
 *
 * A breaker that came in by the gate holds i_rwsem while it waits, perhaps for this very thread to
 * let go. So no plain down_write() here: say so, or if asked to wait, remain killable.
 * Return: 0, -EAGAIN or -EINTR.
 */
int dl_acquire_lock_inode(struct dl_gate *gate, bool wait)
{
	while (!inode_trylock(gate->inode)) {
		if (!wait && dl_gate_breaking(gate))
			return -EAGAIN;
		if (fatal_signal_pending(current))
			return -EINTR;
		schedule_timeout_killable(1);
	}
	return 0;
}

/**
 * dl_acquire_unlock_inode() - release i_rwsem
 * @gate: of the inode
 * @published: something was: go once through the invalidate lock, so that every fault that has
 *	looked for leases before is over
 */
void dl_acquire_unlock_inode(struct dl_gate *gate, bool published)
{
	struct address_space *mapping = gate->inode->i_mapping;

	if (published) {
		filemap_invalidate_lock(mapping);
		filemap_invalidate_unlock(mapping);
	}
	inode_unlock(gate->inode);
}

static int publish(struct daxlease *lease, const struct dl_request *req)
{
	struct dl_gate *gate = lease->gate;
	int err;

	err = dl_acquire_lock_inode(gate, req->wait);
	if (err)
		return err;
	spin_lock(&gate->lock);
	if (!IS_DAX(gate->inode) || IS_SWAPFILE(gate->inode))
		err = -EOPNOTSUPP;
	else if (dl_past_end(gate->inode, req->range))
		err = -EINVAL;
	else if (dl_op_barred(gate, req->range))
		err = req->wait ? -ERESTART : -EAGAIN;
	else
		dl_lease_publish(lease);
	spin_unlock(&gate->lock);
	dl_acquire_unlock_inode(gate, !err);
	return err;
}

static int activate(struct daxlease *lease)
{
	struct dl_gate *gate = lease->gate;
	int err = 0;

	spin_lock(&gate->lock);
	if (dl_removal_under_way(lease->dev))
		err = -ENODEV;
	else if (lease->dead)
		err = -ERESTART;
	else
		dl_lease_set_state(lease, DAXLEASE_ACTIVE);
	spin_unlock(&gate->lock);
	return err;
}

static struct daxlease *prepare(struct dl_gate *gate, const struct dl_request *req,
				struct device *dev)
{
	struct daxlease *lease = dl_lease_alloc(gate, req->file, req->range);

	if (IS_ERR(lease))
		return lease;
	dl_break_prepare(lease);
	lease->dev = get_device(dev);
	lease->sync = req->sync;
	lease->write = req->write;
	lease->implicit = req->implicit;
	lease->grace_limit = dl_grace_max();
	if (req->implicit) {
		mmgrab(current->mm);
		lease->mm = current->mm;
		lease->may_grace = owner_or_capable(req->file);
	} else {
		dl_slot_init(&lease->slot, req->queue, lease->id, req->cookie, req->grace);
		dl_lease_add_slot(lease, &lease->slot);
	}
	return lease;
}

static int record(struct daxlease *lease, const struct dl_window *w)
{
	struct dl_extents *ext = NULL;
	int err = dl_resolve(w, &ext, &lease->dead);

	if (err) {
		dl_extents_free(ext);
		return err;
	}
	trace_daxlease_recorded(lease->id, file_inode(w->file), w->range.first, w->range.last,
				ext->nr, lease->implicit);
	rcu_assign_pointer(lease->extents, ext);	/* freed with the lease */
	return 0;
}

/*
 * One attempt; -ERESTART: an operation came between. Faults that only fill page tables disturb
 * nobody, so the first attempt goes without @populate; those that unshare a block kill a lease that
 * is published already, and have to come before.
 */
static struct daxlease *try_acquire(struct dl_gate *gate, const struct dl_request *req,
				    const struct dl_window *w, struct device *dev, bool populate)
{
	struct daxlease *lease;
	int err;

	err = wait_for_bars(gate, req);
	if (!err && populate)
		err = dl_populate(w);
	if (err)
		return ERR_PTR(err);
	lease = prepare(gate, req, dev);
	if (IS_ERR(lease))
		return lease;
	err = publish(lease, req);
	if (err)
		goto put;
	err = record(lease, w);
	if (!err && req->implicit)
		err = dl_watch_adopt(lease);
	if (!err)
		err = activate(lease);
	if (!err && req->sync)
		err = vfs_fsync_range(req->file, req->range.first << PAGE_SHIFT,
				      ((req->range.last + 1) << PAGE_SHIFT) - 1, 0);
	if (!err)
		return lease;
	if (err == -EMLINK && !populate)
		err = -ERESTART;
	dl_lease_end(lease);
put:
	dl_lease_put(lease);
	return ERR_PTR(err);
}

/**
 * dl_acquire() - take a lease
 * @req: what is wanted; permissions have been checked
 *
 * Context: process context with an mm, may sleep, no locks.
 * Return: the lease, ACTIVE, with the owner's reference: dl_lease_end(), then dl_lease_put(). Or
 * ERR_PTR with one of the errors of uapi/daxlease.h.
 */
struct daxlease *dl_acquire(const struct dl_request *req)
{
	struct dl_window w = {
		.file = req->file, .range = req->range, .addr = req->addr, .write = req->write
	};
	struct inode *inode = file_inode(req->file);
	struct daxlease *lease;
	struct dl_gate *gate;
	struct device *dev;
	int err, tries;

	dev = dl_removal_device(inode->i_sb);
	if (IS_ERR(dev))
		return ERR_CAST(dev);
	err = dl_hooks_get(inode->i_sb, dev);
	lease = ERR_PTR(err);
	if (err)
		goto out_device;
	lease = ERR_PTR(-ENOMEM);
	gate = dl_gate_create(inode);
	if (!gate)
		goto out_hooks;
	err = req->implicit ? 0 : dl_window_open(&w);
	lease = ERR_PTR(err);
	if (err)
		goto out_gate;
	for (tries = 1;; tries++) {
		lease = try_acquire(gate, req, &w, dev, tries > 1);
		if (lease != ERR_PTR(-ERESTART))
			break;
		lease = ERR_PTR(fatal_signal_pending(current) ? -EINTR : -EAGAIN);
		if (lease == ERR_PTR(-EINTR) || (!req->wait && tries == MAX_TRIES))
			break;
		schedule_timeout_killable(1);
	}
	dl_window_close(&w);
out_gate:
	dl_gate_put(gate);
out_hooks:
	dl_hooks_put();
out_device:
	put_device(dev);
	return lease;
}

/**
 * daxlease_acquire_vma() - take an implicit lease on what a mapping shows
 * @addr: start, page-aligned, in a shared fs-dax mapping of the calling process
 * @length: bytes, page-aligned; must not reach past that mapping
 * @flags: DAXLEASE_ACQ_WRITE
 *
 * Waits, killably, for operations that bar the range.
 * Context: process context, may sleep; no locks, above all not mmap_lock.
 * Return: the lease with a reference for daxlease_put(), or ERR_PTR: -EFAULT: no mapping there;
 * -EOPNOTSUPP: private, or not a file that can be leased; else as uapi/daxlease.h has it.
 */
struct daxlease *daxlease_acquire_vma(unsigned long addr, size_t length, unsigned int flags)
{
	struct dl_request req = {
		.addr = addr,
		.write = flags & DAXLEASE_ACQ_WRITE,
		.implicit = true,
		.wait = true,
	};
	struct vm_area_struct *vma;
	struct daxlease *lease;
	u64 offset = 0;
	int err = 0;

	if (mmap_read_lock_killable(current->mm))
		return ERR_PTR(-EINTR);
	vma = find_vma(current->mm, addr);
	if (!vma || vma->vm_start > addr || addr + length < addr || addr + length > vma->vm_end)
		err = -EFAULT;
	else if (!vma_is_fsdax(vma) || !(vma->vm_flags & VM_MAYSHARE))
		err = -EOPNOTSUPP;
	if (!err) {
		req.file = get_file(vma->vm_file);
		offset = (u64)linear_page_index(vma, addr) << PAGE_SHIFT;
	}
	mmap_read_unlock(current->mm);
	if (err)
		return ERR_PTR(err);
	err = check_file(req.file, req.write);
	if (!err)
		err = dl_acquire_range(req.file, offset, length, &req.range);
	lease = err ? ERR_PTR(err) : dl_acquire(&req);
	fput(req.file);
	return lease;
}
EXPORT_SYMBOL_GPL(daxlease_acquire_vma);

/**
 * daxlease_put() - give an implicit lease back
 * @lease: from daxlease_acquire_vma(), detached by its consumer
 *
 * Context: process context, may sleep.
 */
void daxlease_put(struct daxlease *lease)
{
	dl_lease_end(lease);
	dl_lease_put(lease);
}
EXPORT_SYMBOL_GPL(daxlease_put);

/**
 * daxlease_new_owner() - an implicit lease belongs to the calling process from now on
 * @lease: from daxlease_acquire_vma()
 *
 * After a mapping was handed on, to a child or across exec. Who watches this process hears of the
 * lease, who watched the former one does not. The device reaches the same blocks as before.
 * Context: process context with an mm, may sleep; no lock that a fence takes.
 * Return: 0 or -ENOMEM: the lease is where it was.
 */
int daxlease_new_owner(struct daxlease *lease)
{
	int err = dl_watch_move(lease, current->mm);

	if (!err)
		dl_lease_new_holder(lease, owner_or_capable(lease->file), dl_grace_max());
	return err;
}
EXPORT_SYMBOL_GPL(daxlease_new_owner);
