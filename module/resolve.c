// SPDX-License-Identifier: GPL-2.0
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

#include "compat.h"
#include "hook_blocks.h"
#include "hook_failure.h"
#include "resolve.h"

#define DL_LOOK		32	/* pages at most that are looked at under one mmap_lock */

/**
 * dl_window_open() - map the range to look at it
 * @w: file, range and write set
 *
 * An ordinary mapping in the caller's address space, with all checks that mmap(2) makes.
 * Context: process context with an mm; no mmap_lock.
 * Return: 0, or what mmap(2) says; but -ENOMEM, not -EAGAIN, above RLIMIT_MEMLOCK (mlockall(2)).
 */
int dl_window_open(struct dl_window *w)
{
	unsigned long prot = PROT_READ | (w->write ? PROT_WRITE : 0);
	unsigned long addr = vm_mmap(w->file, 0, dl_range_pages(w->range) << PAGE_SHIFT, prot,
				     MAP_SHARED, w->range.first << PAGE_SHIFT);

	if (IS_ERR_VALUE(addr))
		return addr == -EAGAIN ? -ENOMEM : addr;	/* it does not help to try again */
	w->addr = addr;
	w->ours = true;
	return 0;
}

/**
 * dl_window_close() - unmap what dl_window_open() mapped
 * @w: the window; nothing happens if the mapping is the user's
 */
void dl_window_close(struct dl_window *w)
{
	if (w->ours)
		vm_munmap(w->addr, dl_range_pages(w->range) << PAGE_SHIFT);
	w->ours = false;
}

/* Is @addr page @pgoff of the file, shared? VM_SHARED is unset for a read-only descriptor. */
static bool vma_proves(const struct dl_window *w, unsigned long addr, u64 pgoff)
{
	struct vm_area_struct *vma = find_vma(current->mm, addr);

	mmap_assert_locked(current->mm);
	return vma && vma->vm_start <= addr && (vma->vm_flags & VM_MAYSHARE) &&
	       vma->vm_file && vma->vm_file->f_mapping == w->file->f_mapping &&
	       linear_page_index(vma, addr) == pgoff;
}

static bool page_proves(const struct dl_window *w, const struct page *page, u64 pgoff)
{
	return dl_page_is_fsdax(page) && page->mapping == w->file->f_mapping &&
	       page->index == pgoff;
}

/* How many pages from @page on lie in the same DAX entry, and so in one piece of the medium. */
static u64 entry_pages(const struct dl_window *w, struct page *page, u64 pgoff)
{
	u64 entry = 1ULL << xa_get_order(&w->file->f_mapping->i_pages, pgoff);
	u64 n = min(entry - (pgoff & (entry - 1)), w->range.last - pgoff + 1);

	return page_proves(w, page + n - 1, pgoff + n - 1) ? n : 1;
}

static int check_page(const struct dl_window *w, struct page *page, u64 pgoff)
{
	if (!dl_page_is_fsdax(page))
		return -ENODATA;	/* the zero page: nothing is written there */
	if (dl_page_is_shared(page))
		return -EMLINK;
	return page_proves(w, page, pgoff) ? 0 : -ERESTART;
}

/*
 * The number of pages for one look, at most @max: a large DAX entry needs one, single pages come in
 * numbers, up to the end of the VMA, which the caller has found at @addr.
 */
static u64 look_size(const struct dl_window *w, unsigned long addr, u64 pgoff, u64 max)
{
	struct xarray *entries = &w->file->f_mapping->i_pages;
	u64 room = (find_vma(current->mm, addr)->vm_end - addr) >> PAGE_SHIFT;

	if (!xa_load(entries, pgoff) || xa_get_order(entries, pgoff))
		return 1;
	return min3(room, max, w->range.last - pgoff + 1);
}

/* What one look has proved: @nr pages, and of the last of them @count that are contiguous. */
struct look {
	u64 pfn[DL_LOOK];
	long nr;
	u64 count;
};

static int prove(const struct dl_window *w, struct page **pages, long n, u64 pgoff, struct look *k)
{
	int err = 0;

	for (k->nr = 0; k->nr < n; k->nr++) {
		err = check_page(w, pages[k->nr], pgoff + k->nr);
		if (err)
			break;
		k->pfn[k->nr] = page_to_pfn(pages[k->nr]);
	}
	k->count = n == 1 && !err ? entry_pages(w, pages[0], pgoff) : 1;
	return k->nr ? 0 : err;
}

/*
 * Not pin_user_pages(): a page with the shared marker passes for anonymous at unpin. What the page
 * tables show needs no fault, and a walk of them without their locks finds it for a third.
 */
static long get_pages(const struct dl_window *w, unsigned long addr, long nr, struct page **pages)
{
	unsigned int flags = w->write ? FOLL_WRITE : 0;
	long have = max(get_user_pages_fast_only(addr, nr, flags, pages), 0), more;

	mmap_assert_locked(current->mm);
	if (have == nr)
		return nr;
	more = get_user_pages(addr + (have << PAGE_SHIFT), nr - have, flags | FOLL_HWPOISON,
			      pages + have);
	return more > 0 ? have + more : have ?: more;
}

/*
 * Fault in what is at @pgoff and perhaps pages that follow, at most @max of them. No page is
 * referenced any more when this returns: what happens to them from now on, the hooks see.
 */
static int look_at(const struct dl_window *w, u64 pgoff, u64 max, struct look *k)
{
	unsigned long addr = w->addr + ((pgoff - w->range.first) << PAGE_SHIFT);
	struct page *pages[DL_LOOK];
	long n = -EFAULT;
	int err;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	if (vma_proves(w, addr, pgoff))
		n = get_pages(w, addr, look_size(w, addr, pgoff, max), pages);
	err = n > 0 ? prove(w, pages, n, pgoff, k) : n ?: -EFAULT;
	while (n-- > 0)
		put_page(pages[n]);
	mmap_read_unlock(current->mm);
	/* A fault past the end fails like one that cannot be served */
	if (err == -EFAULT && dl_past_end(file_inode(w->file), w->range))
		return -EINVAL;
	return err;
}

/* What the DAX entries of some pages say is not so any more: drop them. */
static int forget(const struct dl_window *w, struct dl_range r)
{
	struct address_space *mapping = w->file->f_mapping;
	u64 first = round_down(r.first, 1ULL << xa_get_order(&mapping->i_pages, r.first));
	u64 last = r.last | ((1ULL << xa_get_order(&mapping->i_pages, r.last)) - 1);
	int err;

	/* Only a clean entry can be dropped. */
	err = vfs_fsync_range(w->file, first << PAGE_SHIFT, ((last + 1) << PAGE_SHIFT) - 1, 0);
	if (err)
		return err;
	if (!inode_trylock(mapping->host))
		return -ERESTART;
	filemap_invalidate_lock(mapping);
	err = invalidate_inode_pages2_range(mapping, first, last);
	filemap_invalidate_unlock(mapping);
	inode_unlock(mapping->host);
	return err == -EBUSY ? -ERESTART : err;
}

/*
 * The page at @pgoff says shared although its blocks are the file's own by now, and so perhaps do
 * those behind it in the granule: they are dropped together, since each drop costs a log force. No
 * page that is in another lease says so.
 */
static struct dl_range shared_run(const struct dl_window *w, u64 pgoff)
{
	struct dl_range r = { pgoff, pgoff };
	u64 end = min(w->range.last, pgoff | (DL_GRANULE_PAGES - 1));
	struct look k;

	while (r.last < end && look_at(w, r.last + 1, 1, &k) == -EMLINK)
		r.last++;
	return r;
}

/**
 * dl_populate() - fault in a range: for writing allocate, convert and copy what is shared
 * @w: the window
 *
 * After a copy on write the blocks are the file's own, but their DAX entries keep the shared marker
 * until they are dropped, those and no others: other leases of the file are not disturbed. The same
 * with an entry that has outlived a move of its blocks: a new page is mapped then and cannot prove
 * itself.
 * Context: process context; no lock held.
 * Return: as dl_resolve().
 */
int dl_populate(const struct dl_window *w)
{
	u64 pgoff = w->range.first;
	bool again = false;
	struct look k;
	int err;

	while (pgoff <= w->range.last) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = look_at(w, pgoff, DL_LOOK, &k);
		if (((err == -EMLINK && w->write) || err == -ERESTART) && !again) {
			err = forget(w, err == -EMLINK ? shared_run(w, pgoff) :
							 (struct dl_range){ pgoff, pgoff });
			if (err)
				return err;
			again = true;
			continue;
		}
		if (err)
			return err;
		again = false;
		pgoff += k.nr - 1 + k.count;
		cond_resched();
	}
	return 0;
}

/*
 * A stale entry is dropped, and the next attempt finds what is really there. For writing all has
 * been allocated and copied before, so whatever is wrong is stale.
 */
static int judge(const struct dl_window *w, struct dl_range stale, int err)
{
	if (err != -ESTALE && !(w->write && (err == -ENODATA || err == -EMLINK)))
		return err;
	return forget(w, stale) ?: -ERESTART;
}

/* The memory map of @run is read, which goes with the device unless one refers to it */
static int check_run(const struct daxlease_run *run)
{
	struct dev_pagemap *pgmap = get_dev_pagemap(run->pfn, NULL);
	bool failed = false;
	u64 i;

	if (!pgmap)
		return -ENODEV;
	for (i = 0; i < run->count && !failed; i++) {
		failed = PageHWPoison(pfn_to_page(run->pfn + i));
		if (!(i % DL_GRANULE_PAGES))
			cond_resched();
	}
	put_dev_pagemap(pgmap);
	return failed ? -EHWPOISON : 0;
}

/* Has any page failed, from @base on? Those of one entry are marked one by one. */
static int check_memory(const struct dl_extents *ext, u64 base)
{
	struct daxlease_run run;
	int err = 0;

	if (!dl_failure_possible())
		return 0;
	for (; !err && dl_extents_at(ext, base, &run); base += run.count)
		err = check_run(&run);
	return err;
}

/**
 * dl_resolve() - find the pages of a range
 * @w: the window, populated
 * @ext: filled, behind what it has
 * @dead: when this becomes true the result is worthless: stop
 *
 * Context: process context; no lock of ours, no mmap_lock.
 * Return: 0; -ENODATA: a hole or unwritten blocks; -EMLINK: shared blocks; -EHWPOISON: memory that
 * has failed; -ENODEV: it is going; -EINVAL: the file has become too short; -ERESTART: it changes
 * under our hands, begin again; -EINTR; -ENOMEM; -EFAULT: somebody has replaced the mapping, or the
 * filesystem could not provide the page.
 */
int dl_resolve(const struct dl_window *w, struct dl_extents **ext, const bool *dead)
{
	u64 base = dl_extents_pages(*ext);
	u64 pgoff = w->range.first;
	struct dl_range stale;
	struct look k;
	long i;
	int err;

	while (pgoff <= w->range.last) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = look_at(w, pgoff, DL_LOOK, &k);
		if (READ_ONCE(*dead))	/* whatever was seen */
			return -ERESTART;
		for (i = 0; !err && i < k.nr; i++)
			err = dl_extents_append(ext, i < k.nr - 1 ? 1 : k.count, k.pfn[i]);
		if (err)
			return err;
		pgoff += k.nr - 1 + k.count;
		cond_resched();
	}
	dl_extents_trim(ext);
	err = dl_blocks_check(file_inode(w->file), w->range, *ext, base, &stale);
	err = judge(w, stale, err);
	return err ?: check_memory(*ext, base);
}
