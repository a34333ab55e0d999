// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

#include "compat.h"
#include "resolve.h"

/**
 * dl_window_open() - map the range to look at it
 * @w: file, range and write set
 *
 * An ordinary mapping in the caller's address space, with all checks that mmap(2) makes.
 * Context: process context with an mm; no mmap_lock.
 * Return: 0 or a negative errno.
 */
int dl_window_open(struct dl_window *w)
{
	unsigned long prot = PROT_READ | (w->write ? PROT_WRITE : 0);
	unsigned long addr = vm_mmap(w->file, 0, dl_range_pages(w->range) << PAGE_SHIFT, prot,
				     MAP_SHARED, w->range.first << PAGE_SHIFT);

	if (IS_ERR_VALUE(addr))
		return addr;
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

/* Is @addr page @pgoff of the file, in a shared mapping? VM_SHARED is unset with a read-only descriptor. */
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
	return page_proves(w, page, pgoff) ? 0 : -EAGAIN;
}

/*
 * Fault in what is at @pgoff. Returns the number of pages that one look has proved, and the first
 * one's frame; the pages are not pinned any more then: what happens to them from now on, the hooks
 * see.
 */
static long resolve_at(const struct dl_window *w, u64 pgoff, u64 *pfn)
{
	unsigned long addr = w->addr + ((pgoff - w->range.first) << PAGE_SHIFT);
	struct page *page;
	long ret = -EFAULT;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	if (vma_proves(w, addr, pgoff))
		ret = pin_user_pages(addr, 1, w->write ? FOLL_WRITE : 0, &page);
	if (ret == 1) {
		ret = check_page(w, page, pgoff);
		if (!ret) {
			ret = entry_pages(w, page, pgoff);
			*pfn = page_to_pfn(page);
		}
		unpin_user_page(page);
	} else if (!ret) {
		ret = -EFAULT;
	}
	mmap_read_unlock(current->mm);
	return ret;
}

/**
 * dl_resolve() - fault in a range and find its pages
 * @w: the window
 * @ext: filled; NULL: only fault in (allocate, convert, copy what is shared)
 * @dead: when this becomes true the result is worthless: stop
 *
 * Context: process context; no lock of ours, no mmap_lock.
 * Return: 0; -ENODATA: a hole or unwritten blocks; -EMLINK: shared blocks; -EAGAIN: the file
 * changes under our hands; -EINTR; -ENOMEM; -EFAULT: somebody has replaced the mapping, or the
 * filesystem could not provide the page.
 */
int dl_resolve(const struct dl_window *w, struct dl_extents *ext, const bool *dead)
{
	u64 pgoff = w->range.first;

	while (pgoff <= w->range.last) {
		u64 pfn;
		long n;
		int err;

		if (fatal_signal_pending(current))
			return -EINTR;
		if (dead && READ_ONCE(*dead))
			return -EAGAIN;
		n = resolve_at(w, pgoff, &pfn);
		if (n < 0)
			return n;
		if (ext) {
			err = dl_extents_append(ext, n, pfn);
			if (err)
				return err;
		}
		pgoff += n;
		cond_resched();
	}
	if (ext)
		dl_extents_trim(ext);
	return 0;
}

/**
 * dl_unshare() - make pages prove themselves that a copy on write has left marked as shared
 * @w: the window, faulted in for writing
 *
 * After the copy the blocks are the file's own, but the DAX entry still says shared until it is
 * dropped, which only happens once it is clean.
 * Context: process context; no lock held.
 * Return: 0 or a negative errno; the range must be faulted in again.
 */
int dl_unshare(const struct dl_window *w)
{
	struct address_space *mapping = w->file->f_mapping;
	int err;

	err = vfs_fsync_range(w->file, w->range.first << PAGE_SHIFT,
			      ((w->range.last + 1) << PAGE_SHIFT) - 1, 0);
	if (err)
		return err;
	if (down_write_killable(&mapping->host->i_rwsem))
		return -EINTR;
	filemap_invalidate_lock(mapping);
	err = invalidate_inode_pages2_range(mapping, w->range.first, w->range.last);
	filemap_invalidate_unlock(mapping);
	inode_unlock(mapping->host);
	return err == -EBUSY ? -EAGAIN : err;
}
