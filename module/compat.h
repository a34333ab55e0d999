/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat: the only place that knows kernel versions.
 *
 * What differs between kernels is wrapped here under a name that says what is meant; nothing else
 * in the module tests a version.
 */
#ifndef _DAXLEASE_COMPAT_H
#define _DAXLEASE_COMPAT_H

#include <linux/dax.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/version.h>

#ifndef CONFIG_X86_64
#error "daxlease: x86-64 only: redirection and fence were verified nowhere else"
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0) || LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#error "daxlease: this kernel was never tried; Linux 6.12 only"
#endif
#ifndef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
#error "daxlease: needs CONFIG_DYNAMIC_FTRACE_WITH_ARGS"
#endif

/**
 * dl_busy_get() - make a DAX page look busy to the filesystem
 * @page: a page of an fs-dax mapping whose pgmap is alive
 *
 * A filesystem that finds a page busy in its break-layout path sleeps until the page's reference
 * count says idle: one, before 6.15 counted from zero.
 */
static inline void dl_busy_get(struct page *page)
{
	get_page(page);
}

/**
 * dl_busy_put() - undo dl_busy_get(); wakes the filesystem when nobody else uses the page
 * @page: as given to dl_busy_get()
 */
static inline void dl_busy_put(struct page *page)
{
	put_page(page);
}

/** dl_page_is_fsdax() - is this a page of persistent memory under a filesystem? */
static inline bool dl_page_is_fsdax(const struct page *page)
{
	return is_zone_device_page(page) && page->pgmap->type == MEMORY_DEVICE_FS_DAX;
}

/** dl_page_is_shared() - has the DAX core marked this page as used by more than one file offset? */
static inline bool dl_page_is_shared(const struct page *page)
{
	return page->mapping == PAGE_MAPPING_DAX_SHARED;
}

#endif /* _DAXLEASE_COMPAT_H */
