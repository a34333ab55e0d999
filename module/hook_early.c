// SPDX-License-Identifier: GPL-2.0
/*
 * Early hooks: no lock is held but freeze protection. Record what the operation is about to change,
 * break everything there at once, wait until it is clear, go on; end record and bar when it has
 * returned.
 *
 * Each hook repeats the checks of the function it stands for and leaves the call alone if they
 * would fail: else a descriptor without the right to change a file could break its leases. The
 * orig_ functions are the only callers of the real ones; their barriers prevent tail calls.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/mount.h>
#include <linux/static_call.h>

#include "hook_ops.h"
#include "opctx.h"
#include "trace.h"

static int no_truncate(struct mnt_idmap *idmap, struct dentry *dentry, loff_t length,
		       unsigned int attrs, struct file *file)
{
	return -EIO;
}

DEFINE_STATIC_CALL(dl_do_truncate, no_truncate);

static noinline __noclone int orig_do_truncate(struct mnt_idmap *idmap, struct dentry *dentry,
					       loff_t length, unsigned int attrs, struct file *file)
{
	int ret = static_call(dl_do_truncate)(idmap, dentry, length, attrs, file);

	barrier();
	return ret;
}

static noinline __noclone int orig_vfs_fallocate(struct file *file, int mode, loff_t offset,
						 loff_t len)
{
	int ret = vfs_fallocate(file, mode, offset, len);

	barrier();
	return ret;
}

static noinline __noclone loff_t orig_clone(struct file *in, loff_t pos_in, struct file *out,
					    loff_t pos_out, loff_t len, unsigned int flags)
{
	loff_t ret = vfs_clone_file_range(in, pos_in, out, pos_out, len, flags);

	barrier();
	return ret;
}

static noinline __noclone loff_t orig_dedupe(struct file *src, loff_t src_pos, struct file *dst,
					     loff_t dst_pos, loff_t len, unsigned int flags)
{
	loff_t ret = vfs_dedupe_file_range_one(src, src_pos, dst, dst_pos, len, flags);

	barrier();
	return ret;
}

static noinline __noclone ssize_t orig_copy(struct file *in, loff_t pos_in, struct file *out,
					    loff_t pos_out, size_t len, unsigned int flags)
{
	ssize_t ret = vfs_copy_file_range(in, pos_in, out, pos_out, len, flags);

	barrier();
	return ret;
}

/*
 * One inode that an operation is about to change. A NULL record means that it has no gate, or that
 * there was no memory: the gate hook will see the operation.
 */
struct party {
	struct inode *inode;
	struct dl_range range;
	enum daxlease_reason reason;
	struct file *file;		/* who breaks a lease must have write access; or NULL */
	struct dl_op *op;
};

/* May this caller change the file, through this descriptor or another that it could open? */
static bool writable_by_caller(struct file *file)
{
	if (file->f_mode & FMODE_WRITE)
		return true;
	return !__mnt_is_readonly(file->f_path.mnt) &&
	       !inode_permission(file_mnt_idmap(file), file_inode(file), MAY_WRITE);
}

static bool leased_in(const struct inode *inode, struct dl_range r)
{
	struct dl_gate *gate = dl_gate_find(inode);
	bool leased = gate && !dl_gate_clear(gate, r);

	dl_gate_put(gate);
	return leased;
}

static bool trespasses(const struct party *p, struct dl_range r)
{
	return p->file && leased_in(p->inode, r) && !writable_by_caller(p->file);
}

/* -EBUSY: the caller may not go on; party_end() in any case */
static int party_begin(struct party *p)
{
	struct dl_breaker by = { .range = p->range, .reason = p->reason, .barred = true };

	p->op = dl_op_begin(p->inode, p->range);
	if (!p->op)	/* then it would break whatever is there */
		return trespasses(p, DL_RANGE_ALL) ? -EBUSY : 0;
	trace_daxlease_op(p->inode, p->reason, p->range.first, p->range.last, true, 0);
	if (p->file && !writable_by_caller(p->file))
		return dl_gate_trespass(p->op->gate, &by) ? 0 : -EBUSY;
	dl_gate_break(p->op->gate, &by);
	return 0;
}

static int party_wait(struct party *p)
{
	if (!p->op || dl_gate_clear(p->op->gate, p->range))
		return 0;
	return dl_gate_wait(p->op->gate, p->range, p->reason);
}

static void party_end(struct party *p, int ret)
{
	if (!p->op)
		return;
	trace_daxlease_op(p->inode, p->reason, p->range.first, p->range.last, false, ret);
	dl_op_end(p->op);
}

/* What filesystems refuse at once. No inode_newsize_ok(): it would signal RLIMIT_FSIZE twice. */
static bool truncate_may(const struct inode *inode, loff_t length)
{
	return length >= 0 && length <= inode->i_sb->s_maxbytes && !IS_IMMUTABLE(inode) &&
	       !IS_SWAPFILE(inode);
}

/*
 * The size is taken as it will be: whether the file shrinks is only known under i_rwsem, and no
 * lease lies beyond i_size, so a growing truncate breaks nothing by itself.
 */
static int polite_truncate(struct mnt_idmap *idmap, struct dentry *dentry, loff_t length,
			   unsigned int attrs, struct file *file)
{
	struct party p = {
		.inode = d_inode(dentry),
		.range = dl_range_from(length),
		.reason = DAXLEASE_REASON_TRUNCATE,
	};
	int ret;

	ret = party_begin(&p) ?: party_wait(&p);
	if (!ret)
		ret = orig_do_truncate(idmap, dentry, length, attrs, file);
	party_end(&p, ret);
	return ret;
}

static int hook_do_truncate(struct mnt_idmap *idmap, struct dentry *dentry, loff_t length,
			    unsigned int attrs, struct file *file)
{
	int ret;

	dl_hook_enter();
	if (d_inode(dentry) == &dl_test_inode)
		ret = atomic_inc_return(&dl_test_hits);
	else if (truncate_may(d_inode(dentry), length))
		ret = polite_truncate(idmap, dentry, length, attrs, file);
	else
		ret = orig_do_truncate(idmap, dentry, length, attrs, file);
	dl_hook_leave();
	return ret;
}

/*
 * Would vfs_fallocate() get past its own checks (fs/open.c)? If not, nobody waits for it: a
 * read-only descriptor must not be able to break leases.
 */
static bool fallocate_may(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	loff_t sum;

	if (offset < 0 || len <= 0 || (mode & ~(FALLOC_FL_MODE_MASK | FALLOC_FL_KEEP_SIZE)))
		return false;
	switch (mode & FALLOC_FL_MODE_MASK) {
	case FALLOC_FL_ALLOCATE_RANGE:
	case FALLOC_FL_UNSHARE_RANGE:
	case FALLOC_FL_ZERO_RANGE:
		break;
	case FALLOC_FL_PUNCH_HOLE:
		if (!(mode & FALLOC_FL_KEEP_SIZE))
			return false;
		break;
	case FALLOC_FL_COLLAPSE_RANGE:
	case FALLOC_FL_INSERT_RANGE:
		if (mode & FALLOC_FL_KEEP_SIZE)
			return false;
		break;
	default:
		return false;
	}
	if (!(file->f_mode & FMODE_WRITE) || IS_IMMUTABLE(inode) || IS_SWAPFILE(inode))
		return false;
	if ((mode & ~FALLOC_FL_KEEP_SIZE) && IS_APPEND(inode))
		return false;
	if (check_add_overflow(offset, len, &sum) || sum > inode->i_sb->s_maxbytes)
		return false;
	return !rw_verify_area(WRITE, file, &offset, len);
}

/* What an operation changes, rounded outward. Plain allocation moves nothing that is allocated. */
static struct dl_range fallocate_range(int mode, loff_t offset, loff_t len)
{
	switch (mode & FALLOC_FL_MODE_MASK) {
	case FALLOC_FL_ALLOCATE_RANGE:
		return DL_RANGE_NONE;
	case FALLOC_FL_COLLAPSE_RANGE:
	case FALLOC_FL_INSERT_RANGE:
		return dl_range_from(offset);
	case FALLOC_FL_PUNCH_HOLE:
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_UNSHARE_RANGE:
		return dl_range_touched(offset, len);
	default:
		return DL_RANGE_ALL;
	}
}

static int polite_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct party p = {
		.inode = file_inode(file),
		.range = fallocate_range(mode, offset, len),
		.reason = DAXLEASE_REASON_FALLOCATE,
	};
	int ret;

	ret = party_begin(&p) ?: party_wait(&p);
	if (!ret)
		ret = orig_vfs_fallocate(file, mode, offset, len);
	party_end(&p, ret);
	return ret;
}

static int hook_vfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	int ret;

	dl_hook_enter();
	if (file_inode(file) == &dl_test_inode)
		ret = atomic_inc_return(&dl_test_hits);
	else if (fallocate_may(file, mode, offset, len))
		ret = polite_fallocate(file, mode, offset, len);
	else
		ret = orig_vfs_fallocate(file, mode, offset, len);
	dl_hook_leave();
	return ret;
}

/*
 * Would clone or dedupe get past its own checks (fs/remap_range.c)? Overlap of two ranges of one
 * file and the like are left to the filesystem: the caller may write to the file, so it may break
 * leases.
 */
static bool remap_may(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out, loff_t len,
		      unsigned int flags)
{
	struct inode *from = file_inode(in), *to = file_inode(out);
	loff_t end;

	if (from->i_sb != to->i_sb || !S_ISREG(from->i_mode) || !S_ISREG(to->i_mode) ||
	    !(in->f_mode & FMODE_READ) || !in->f_op->remap_file_range)
		return false;
	if (pos_in < 0 || pos_out < 0 || len < 0 || check_add_overflow(pos_in, len, &end) ||
	    check_add_overflow(pos_out, len, &end))
		return false;
	if (IS_IMMUTABLE(to) || IS_SWAPFILE(from) || IS_SWAPFILE(to))
		return false;
	if (!(flags & REMAP_FILE_DEDUP) &&
	    (!(out->f_mode & FMODE_WRITE) || (out->f_flags & O_APPEND)))
		return false;
	return !rw_verify_area(READ, in, &pos_in, len) &&
	       !rw_verify_area(WRITE, out, &pos_out, len);
}

/* Length 0 of a clone means to the end of the source. */
static struct dl_range remap_range(loff_t pos, loff_t len)
{
	return len ? dl_range_touched(pos, len) : dl_range_from(pos);
}

typedef loff_t (*remap_fn)(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out,
			   loff_t len, unsigned int flags);

/*
 * Both files are broken before either is waited for: one grace. Whoever may read a file may clone
 * it, but not take it away from those who hold it: -EBUSY, and cp --reflink=auto copies.
 */
static loff_t polite_remap(remap_fn orig, struct file *in, loff_t pos_in, struct file *out,
			   loff_t pos_out, loff_t len, unsigned int flags)
{
	struct party src = {
		.inode = file_inode(in),
		.range = remap_range(pos_in, len),
		.reason = DAXLEASE_REASON_REMAP,
		.file = in,
	};
	struct party dst = {
		.inode = file_inode(out),
		.range = remap_range(pos_out, len),
		.reason = DAXLEASE_REASON_REMAP,
		.file = out,
	};
	loff_t ret;

	/* Once before the bars, which would be in others' way */
	if (trespasses(&src, src.range) || trespasses(&dst, dst.range))
		return -EBUSY;
	/* Two ranges of one file: one record, since the innermost alone explains. */
	if (src.inode == dst.inode) {
		src.range = dl_range_span(src.range, dst.range);
		dst.range = src.range;
		src.file = out->f_mode & FMODE_WRITE ? out : in;
		dst.file = src.file;
	}
	ret = party_begin(&src) ?: party_begin(&dst) ?: party_wait(&src) ?: party_wait(&dst);
	if (!ret)
		ret = orig(in, pos_in, out, pos_out, len, flags);
	party_end(&dst, ret < 0 ? ret : 0);
	party_end(&src, ret < 0 ? ret : 0);
	return ret;
}

static loff_t hook_remap(remap_fn orig, struct file *in, loff_t pos_in, struct file *out,
			 loff_t pos_out, loff_t len, unsigned int flags)
{
	bool nothing = !len && (flags & REMAP_FILE_DEDUP);
	loff_t ret;

	dl_hook_enter();
	if (file_inode(in) == &dl_test_inode)
		ret = atomic_inc_return(&dl_test_hits);
	else if (!nothing && remap_may(in, pos_in, out, pos_out, len, flags))
		ret = polite_remap(orig, in, pos_in, out, pos_out, len, flags);
	else
		ret = orig(in, pos_in, out, pos_out, len, flags);
	dl_hook_leave();
	return ret;
}

static loff_t hook_clone(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out,
			 loff_t len, unsigned int flags)
{
	return hook_remap(orig_clone, in, pos_in, out, pos_out, len, flags);
}

/* The original decides who may dedupe into a file. The flag is its own, and it may be told. */
static loff_t hook_dedupe(struct file *src, loff_t src_pos, struct file *dst, loff_t dst_pos,
			  loff_t len, unsigned int flags)
{
	return hook_remap(orig_dedupe, src, src_pos, dst, dst_pos, len, flags | REMAP_FILE_DEDUP);
}

/* Within a filesystem a copy need not share: with COPY_FILE_SPLICE it moves bytes. */
static ssize_t hook_copy(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out,
			 size_t len, unsigned int flags)
{
	ssize_t ret;

	dl_hook_enter();
	if (file_inode(in) == &dl_test_inode)
		ret = atomic_inc_return(&dl_test_hits);
	else if (flags || file_inode(in)->i_sb != file_inode(out)->i_sb ||
		 !(leased_in(file_inode(in), DL_RANGE_ALL) ||
			    leased_in(file_inode(out), DL_RANGE_ALL)))
		ret = orig_copy(in, pos_in, out, pos_out, len, flags);
	else
		ret = orig_copy(in, pos_in, out, pos_out, len, COPY_FILE_SPLICE);
	dl_hook_leave();
	return ret;
}

static bool notrace want_dentry(struct ftrace_regs *regs)
{
	const struct dentry *dentry = (void *)ftrace_regs_get_argument(regs, 1);

	return dl_hook_leased(dentry->d_inode);
}

static bool notrace want_file(struct ftrace_regs *regs)
{
	const struct file *file = (void *)ftrace_regs_get_argument(regs, 0);

	return dl_hook_leased(file->f_inode);
}

static bool notrace want_files(struct ftrace_regs *regs)
{
	const struct file *in = (void *)ftrace_regs_get_argument(regs, 0);
	const struct file *out = (void *)ftrace_regs_get_argument(regs, 2);

	return dl_hook_leased(in->f_inode) || dl_hook_leased(out->f_inode);
}

struct dl_redirect dl_early_hooks[DL_NR_EARLY] = {
	{ .name = "do_truncate", .replacement = hook_do_truncate,
	  .original = orig_do_truncate, .want = want_dentry },
	{ .name = "vfs_fallocate", .replacement = hook_vfs_fallocate,
	  .original = orig_vfs_fallocate, .want = want_file },
	{ .name = "vfs_clone_file_range", .replacement = hook_clone,
	  .original = orig_clone, .want = want_files },
	{ .name = "vfs_dedupe_file_range_one", .replacement = hook_dedupe,
	  .original = orig_dedupe, .want = want_files },
	{ .name = "vfs_copy_file_range", .replacement = hook_copy,
	  .original = orig_copy, .want = want_files },
};

/**
 * dl_early_resolve() - find what is not exported
 *
 * Return: 0 or -ENOENT.
 */
int dl_early_resolve(void)
{
	unsigned long addr = dl_symbol("do_truncate");

	if (!addr)
		return -ENOENT;
	static_call_update(dl_do_truncate, (void *)addr);
	return 0;
}

/**
 * dl_early_selftest() - does every armed hook see calls?
 *
 * Context: process context; the caller serialises.
 * Return: true if so.
 */
bool dl_early_selftest(void)
{
	bool ok = true;

	/* What somebody else owns is not called: who knows what a livepatch makes of it. */
	atomic_set(&dl_test_hits, 0);
	if (dl_early_hooks[0].armed)
		static_call(dl_do_truncate)(&nop_mnt_idmap, &dl_test_dentry, -1, 0, NULL);
	ok &= dl_test_hit(dl_early_hooks[0].armed);
	if (dl_early_hooks[1].armed)
		vfs_fallocate(&dl_test_file, 0, -1, 0);
	ok &= dl_test_hit(dl_early_hooks[1].armed);
	if (dl_early_hooks[2].armed)
		vfs_clone_file_range(&dl_test_file, 0, &dl_test_file, 0, 0, 0);
	ok &= dl_test_hit(dl_early_hooks[2].armed);
	if (dl_early_hooks[3].armed)
		vfs_dedupe_file_range_one(&dl_test_file, -1, &dl_test_file, -1, 0, 0);
	ok &= dl_test_hit(dl_early_hooks[3].armed);
	if (dl_early_hooks[4].armed)
		vfs_copy_file_range(&dl_test_file, 0, &dl_test_file, 0, 0, ~0);
	ok &= dl_test_hit(dl_early_hooks[4].armed);
	return ok;
}
