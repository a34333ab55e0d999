// SPDX-License-Identifier: GPL-2.0
/*
 * Gate and last resort: filesystem locks are held. At the gate the filesystem asks whether anybody
 * is busy with the file, and can be made to wait; at the last resort pages are about to go, and
 * nobody asks.
 */
#include <linux/dax.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "hook_blocks.h"
#include "hook_failure.h"
#include "hook_ops.h"
#include "opctx.h"

static atomic64_t emergencies;

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

static noinline __noclone void orig_unmap(struct address_space *mapping, pgoff_t start, pgoff_t nr,
					  bool even_cows)
{
	unmap_mapping_pages(mapping, start, nr, even_cows);
	barrier();
}

/*
 * Gate: i_rwsem and invalidate lock are held exclusively, so nobody leases meanwhile and no bar is
 * needed. The original goes first: its own busy page needs no help of ours to be waited for.
 */
static struct page *gate_busy_page(struct address_space *mapping, loff_t start, loff_t end)
{
	struct dl_breaker by = { .reason = DAXLEASE_REASON_LAYOUT, .locked = true };
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

	dl_hook_enter();
	if (mapping == &dl_test_mapping)
		atomic_inc(&dl_test_hits);
	else
		page = gate_busy_page(mapping, start, end);
	dl_hook_leave();
	return page;
}

static struct page *hook_busy_page(struct address_space *mapping)
{
	struct page *page = NULL;

	dl_hook_enter();
	if (mapping == &dl_test_mapping)
		atomic_inc(&dl_test_hits);
	else
		page = gate_busy_page(mapping, 0, LLONG_MAX);
	dl_hook_leave();
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
	dl_hook_enter();
	if (mapping == &dl_test_mapping) {
		atomic_inc(&dl_test_hits);
	} else {
		last_resort(mapping, dl_range_whole_pages(start, last), true);
		orig_truncate_pages(mapping, start, last);
	}
	dl_hook_leave();
}

/* Nothing explains these: their ranges are exact in DAX I/O. */
static int hook_invalidate_pages(struct address_space *mapping, pgoff_t start, pgoff_t end)
{
	int ret;

	dl_hook_enter();
	if (mapping == &dl_test_mapping) {
		ret = atomic_inc_return(&dl_test_hits);
	} else {
		last_resort(mapping, (struct dl_range){ start, min_t(u64, end, DL_PAGE_MAX) },
			    false);
		ret = orig_invalidate_pages(mapping, start, end);
	}
	dl_hook_leave();
	return ret;
}

/*
 * The only call before a block moves that was never shared (XFS: a store to a block for which a
 * copy-on-write preallocation exists). The gate's own look at the file also unmaps all of it; the
 * redirect leaves that alone. unmap_mapping_range() may have a copy of the function compiled in:
 * its callers truncate, and meet the hook above.
 */
static void hook_unmap(struct address_space *mapping, pgoff_t start, pgoff_t nr, bool even_cows)
{
	u64 last = start + nr - 1;

	dl_hook_enter();
	if (mapping == &dl_test_mapping) {
		atomic_inc(&dl_test_hits);
	} else {
		if (last < start)	/* nr 0 or an overflow: to the end, as in the original */
			last = DL_PAGE_MAX;
		last_resort(mapping, (struct dl_range){ start, min(last, DL_PAGE_MAX) }, true);
		orig_unmap(mapping, start, nr, even_cows);
	}
	dl_hook_leave();
}

/* EXT4_IOC_MOVE_EXT looks at the original only; with a DAX donor it swaps blocks unasked. */
static noinline __noclone int hook_move_extents(struct file *o_filp, struct file *d_filp, u64 orig,
						u64 donor, u64 len, u64 *moved)
{
	return -EOPNOTSUPP;
}

static bool notrace want_mapping(struct ftrace_regs *regs)
{
	const struct address_space *mapping = (void *)ftrace_regs_get_argument(regs, 0);

	return mapping == &dl_test_mapping || dl_hook_leased(mapping->host);
}

static bool notrace want_dax_files(struct ftrace_regs *regs)
{
	const struct file *o_filp = (void *)ftrace_regs_get_argument(regs, 0);
	const struct file *d_filp = (void *)ftrace_regs_get_argument(regs, 1);

	return IS_DAX(o_filp->f_inode) || IS_DAX(d_filp->f_inode);
}

/* A call of our own: a user's address is never one of the kernel. */
static bool notrace want_fiemap(struct ftrace_regs *regs)
{
	const struct fiemap_extent_info *info = (void *)ftrace_regs_get_argument(regs, 0);

	return (__force long)info->fi_extents_start < 0;
}

struct dl_redirect dl_gate_hooks[DL_NR_GATE] = {
	{ .name = "dax_layout_busy_page", .replacement = hook_busy_page,
	  .original = orig_busy_page, .want = want_mapping },
	{ .name = "dax_layout_busy_page_range", .replacement = hook_busy_page_range,
	  .original = orig_busy_page, .want = want_mapping },
	{ .name = "truncate_inode_pages_range", .replacement = hook_truncate_pages,
	  .original = orig_truncate_pages, .want = want_mapping },
	{ .name = "invalidate_inode_pages2_range", .replacement = hook_invalidate_pages,
	  .original = orig_invalidate_pages, .want = want_mapping },
	{ .name = "unmap_mapping_pages", .replacement = hook_unmap,
	  .original = orig_unmap, .want = want_mapping, .exempt = "dax_layout_busy_page_range" },
	{ .name = "fiemap_fill_next_extent", .replacement = hook_fiemap_extent,
	  .original = orig_fiemap_extent, .want = want_fiemap },
	{ .name = "dax_holder_notify_failure", .replacement = hook_failure,
	  .original = orig_failure, .want = want_failure },
};

/* In the ext4 module, so only there when ext4 is: armed with the first lease on ext4. */
struct dl_redirect dl_ext4_hook = {
	.name = "ext4_move_extents", .replacement = hook_move_extents,
	.original = hook_move_extents, .want = want_dax_files,
};

/**
 * dl_gate_selftest() - does every hook see calls, also through callers of its own source file?
 *
 * Context: process context; the caller serialises.
 * Return: true if so.
 */
bool dl_gate_selftest(void)
{
	bool ok = true;

	atomic_set(&dl_test_hits, 0);
	dax_layout_busy_page(&dl_test_mapping);
	dax_layout_busy_page_range(&dl_test_mapping, 0, 0);
	ok &= dl_test_hit(2);
	truncate_inode_pages_range(&dl_test_mapping, 0, 0);
	truncate_inode_pages(&dl_test_mapping, 0);
	truncate_pagecache_range(&dl_test_inode, PAGE_SIZE, PAGE_SIZE);	/* unmaps nothing */
	ok &= dl_test_hit(3);
	invalidate_inode_pages2_range(&dl_test_mapping, 0, 0);
	invalidate_inode_pages2(&dl_test_mapping);
	ok &= dl_test_hit(2);
	unmap_mapping_pages(&dl_test_mapping, 0, 1, false);
	ok &= dl_test_hit(1);
	return ok && dl_blocks_selftest() && dl_failure_selftest();
}

/**
 * dl_gate_emergencies() - how often the last resort had to fence
 *
 * Return: leases hit since the module was loaded.
 */
u64 dl_gate_emergencies(void)
{
	return atomic64_read(&emergencies);
}
