// SPDX-License-Identifier: GPL-2.0
/*
 * The replacements. Each counts itself while it runs our text, since the original may sleep in it
 * for long and a sleeping task is invisible to synchronize_rcu_tasks(). Nothing here allocates with
 * GFP_KERNEL.
 *
 * The self-test calls each hooked function with an object of its own. The originals return at once
 * for it (a negative length or an empty mapping), so a hook that does not work does no harm in
 * being tested.
 */
#include <linux/dax.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/static_call.h>
#include <linux/wait_bit.h>

#include "hooks.h"
#include "opctx.h"
#include "trace.h"

static atomic_t running;
static atomic64_t emergencies;

static struct address_space test_mapping;
static struct inode test_inode = { .i_mapping = &test_mapping };
static struct file test_file = { .f_inode = &test_inode, .f_mapping = &test_mapping };
static struct dentry test_dentry = { .d_inode = &test_inode };
static atomic_t test_hits;

static void enter(void)
{
	atomic_inc(&running);
}

static void leave(void)
{
	if (atomic_dec_and_test(&running))
		wake_up_var(&running);
}

static bool notrace leased(const struct inode *inode)
{
	return inode == &test_inode || (inode && IS_DAX(inode) && dl_gate_exists(inode));
}

static bool notrace want_mapping(struct ftrace_regs *regs)
{
	const struct address_space *mapping = (void *)ftrace_regs_get_argument(regs, 0);

	return mapping == &test_mapping || leased(mapping->host);
}

static bool notrace want_file(struct ftrace_regs *regs)
{
	const struct file *file = (void *)ftrace_regs_get_argument(regs, 0);

	return leased(file->f_inode);
}

static bool notrace want_dentry(struct ftrace_regs *regs)
{
	const struct dentry *dentry = (void *)ftrace_regs_get_argument(regs, 1);

	return leased(dentry->d_inode);
}

/*
 * The only callers of the real functions. The barrier keeps the compiler from making a tail call of
 * it.
 */
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

static noinline __noclone struct page *orig_busy_page(struct address_space *mapping, loff_t start,
						      loff_t end)
{
	struct page *page = dax_layout_busy_page_range(mapping, start, end);

	barrier();
	return page;
}

static noinline __noclone void orig_truncate_pages(struct address_space *mapping, loff_t start,
						   loff_t last)
{
	truncate_inode_pages_range(mapping, start, last);
	barrier();
}

static noinline __noclone int orig_invalidate_pages(struct address_space *mapping, pgoff_t start,
						    pgoff_t end)
{
	int ret = invalidate_inode_pages2_range(mapping, start, end);

	barrier();
	return ret;
}

/*
 * Early: everything in the range is broken at once and barred until the operation has returned.
 * NULL: not recorded, go on, the gate will see it.
 */
static int polite_begin(struct inode *inode, struct dl_range range, enum daxlease_reason reason,
			struct dl_op **op)
{
	struct dl_breaker by = { .range = range, .reason = reason, .barred = true };

	*op = dl_op_begin(inode, range);
	if (!*op)
		return 0;
	trace_daxlease_op(inode, reason, range.first, range.last, true, 0);
	if (!dl_gate_break((*op)->gate, &by))
		return 0;
	return dl_gate_wait((*op)->gate, range);
}

static void polite_end(struct dl_op *op, struct inode *inode, enum daxlease_reason reason, int ret)
{
	if (!op)
		return;
	trace_daxlease_op(inode, reason, op->range.first, op->range.last, false, ret);
	dl_op_end(op);
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
static int hook_do_truncate(struct mnt_idmap *idmap, struct dentry *dentry, loff_t length,
			    unsigned int attrs, struct file *file)
{
	struct inode *inode = d_inode(dentry);
	struct dl_op *op;
	int ret;

	enter();
	if (inode == &test_inode) {
		ret = atomic_inc_return(&test_hits);
	} else if (!truncate_may(inode, length)) {
		ret = orig_do_truncate(idmap, dentry, length, attrs, file);
	} else {
		ret = polite_begin(inode, dl_range_from(length), DAXLEASE_REASON_TRUNCATE, &op);
		if (!ret)
			ret = orig_do_truncate(idmap, dentry, length, attrs, file);
		polite_end(op, inode, DAXLEASE_REASON_TRUNCATE, ret);
	}
	leave();
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

static int hook_vfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	struct dl_op *op;
	int ret;

	enter();
	if (inode == &test_inode) {
		ret = atomic_inc_return(&test_hits);
	} else if (!fallocate_may(file, mode, offset, len)) {
		ret = orig_vfs_fallocate(file, mode, offset, len);
	} else {
		ret = polite_begin(inode, fallocate_range(mode, offset, len),
				   DAXLEASE_REASON_FALLOCATE, &op);
		if (!ret)
			ret = orig_vfs_fallocate(file, mode, offset, len);
		polite_end(op, inode, DAXLEASE_REASON_FALLOCATE, ret);
	}
	leave();
	return ret;
}

/*
 * Gate: i_rwsem and invalidate lock are held exclusively, so nobody leases meanwhile and no bar is
 * needed. The original goes first: its own busy page needs no help of ours to be waited for.
 */
static struct page *gate_busy_page(struct address_space *mapping, loff_t start, loff_t end)
{
	struct dl_breaker by = { .reason = DAXLEASE_REASON_LAYOUT };
	struct dl_gate *gate = dl_gate_find(mapping->host);
	struct page *page;

	if (!gate)
		return orig_busy_page(mapping, start, end);
	dl_gate_unbusy(gate);
	if (!dl_op_range(gate, &by.range))
		by.range = DL_RANGE_ALL;
	dl_gate_break(gate, &by);
	page = orig_busy_page(mapping, start, end);
	if (!page)
		page = dl_gate_busy_page(gate, by.range);
	dl_gate_put(gate);
	return page;
}

static struct page *hook_busy_page_range(struct address_space *mapping, loff_t start, loff_t end)
{
	struct page *page = NULL;

	enter();
	if (mapping == &test_mapping)
		atomic_inc(&test_hits);
	else
		page = gate_busy_page(mapping, start, end);
	leave();
	return page;
}

static struct page *hook_busy_page(struct address_space *mapping)
{
	struct page *page = NULL;

	enter();
	if (mapping == &test_mapping)
		atomic_inc(&test_hits);
	else
		page = gate_busy_page(mapping, 0, LLONG_MAX);
	leave();
	return page;
}

static void last_resort(struct address_space *mapping, struct dl_range range, bool explainable)
{
	struct dl_gate *gate = dl_gate_find(mapping->host);
	struct dl_range op;
	bool known;

	if (!gate)
		return;
	known = explainable && dl_op_range(gate, &op);
	atomic64_add(dl_gate_emergency(gate, range, known ? &op : NULL), &emergencies);
	dl_gate_put(gate);
}

static void hook_truncate_pages(struct address_space *mapping, loff_t start, loff_t last)
{
	enter();
	if (mapping == &test_mapping) {
		atomic_inc(&test_hits);
	} else {
		last_resort(mapping, dl_range_whole_pages(start, last), true);
		orig_truncate_pages(mapping, start, last);
	}
	leave();
}

/* Nothing explains these: their ranges are exact in DAX I/O. */
static int hook_invalidate_pages(struct address_space *mapping, pgoff_t start, pgoff_t end)
{
	int ret;

	enter();
	if (mapping == &test_mapping) {
		ret = atomic_inc_return(&test_hits);
	} else {
		last_resort(mapping, (struct dl_range){ start, min_t(u64, end, DL_PAGE_MAX) },
			    false);
		ret = orig_invalidate_pages(mapping, start, end);
	}
	leave();
	return ret;
}

struct dl_redirect dl_redirects[DL_NR_REDIRECTS] = {
	{ .name = "do_truncate",
	  .replacement = hook_do_truncate,
	  .original = orig_do_truncate,
	  .want = want_dentry,
	  .optional = true },
	{ .name = "vfs_fallocate",
	  .replacement = hook_vfs_fallocate,
	  .original = orig_vfs_fallocate,
	  .want = want_file,
	  .optional = true },
	{ .name = "dax_layout_busy_page",
	  .replacement = hook_busy_page,
	  .original = orig_busy_page,
	  .want = want_mapping },
	{ .name = "dax_layout_busy_page_range",
	  .replacement = hook_busy_page_range,
	  .original = orig_busy_page,
	  .want = want_mapping },
	{ .name = "truncate_inode_pages_range",
	  .replacement = hook_truncate_pages,
	  .original = orig_truncate_pages,
	  .want = want_mapping },
	{ .name = "invalidate_inode_pages2_range",
	  .replacement = hook_invalidate_pages,
	  .original = orig_invalidate_pages,
	  .want = want_mapping },
};

/**
 * dl_hook_resolve() - find what is not exported
 *
 * Return: 0 or -ENOENT.
 */
int dl_hook_resolve(void)
{
	unsigned long addr = dl_symbol("do_truncate");

	if (!addr)
		return -ENOENT;
	static_call_update(dl_do_truncate, (void *)addr);
	return 0;
}

static bool hits(int expected)
{
	return atomic_xchg(&test_hits, 0) == expected;
}

/**
 * dl_hook_selftest() - does every armed hook see calls, also through callers of its own source
 * file?
 *
 * Context: process context; the caller serialises.
 * Return: 0 or -ENODEV.
 */
int dl_hook_selftest(void)
{
	bool ok = true;

	atomic_set(&test_hits, 0);
	static_call(dl_do_truncate)(&nop_mnt_idmap, &test_dentry, -1, 0, NULL);
	ok &= hits(dl_redirects[0].armed);
	vfs_fallocate(&test_file, 0, -1, 0);
	ok &= hits(dl_redirects[1].armed);
	dax_layout_busy_page(&test_mapping);
	dax_layout_busy_page_range(&test_mapping, 0, 0);
	ok &= hits(2);
	truncate_inode_pages_range(&test_mapping, 0, 0);
	truncate_inode_pages(&test_mapping, 0);
	ok &= hits(2);
	invalidate_inode_pages2_range(&test_mapping, 0, 0);
	invalidate_inode_pages2(&test_mapping);
	ok &= hits(2);
	return ok ? 0 : -ENODEV;
}

/**
 * dl_hook_busy() - does any task run our replacements at this moment?
 *
 * Return: true if so.
 */
bool dl_hook_busy(void)
{
	return atomic_read(&running);
}

/**
 * dl_hook_drain() - wait until no task runs our replacements any more
 *
 * The redirects are gone. First wait for tasks between the thunk and enter(), then for those that
 * are counted, then for those between leave() and their return.
 * Context: process context; sleeps as long as an operation that was caught lasts.
 */
void dl_hook_drain(void)
{
	synchronize_rcu_tasks();
	wait_var_event(&running, !atomic_read(&running));
	synchronize_rcu_tasks();
}

/**
 * dl_hook_emergencies() - how often the last resort had to fence
 *
 * Return: leases hit since the module was loaded.
 */
u64 dl_hook_emergencies(void)
{
	return atomic64_read(&emergencies);
}
