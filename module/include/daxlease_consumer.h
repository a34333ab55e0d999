/* SPDX-License-Identifier: GPL-2.0 */
/*
 * daxlease: what a consumer (a driver that maps leased pages for DMA) may call.
 *
 * A consumer acquires a lease and attaches to it, or attaches through a dma-buf of a lease, and
 * maps pages taken from the lease's runs, never from user addresses. From daxlease_attach() on,
 * ops->fence() may be called at any time, with filesystem locks held, and must end device access to
 * a range of pages before it returns.
 *
 * Pages are counted from the start of the lease. Granules are 2 MiB-aligned ranges of the *file*:
 * daxlease_pgoff() tells where the lease begins in it.
 */
#ifndef _DAXLEASE_CONSUMER_H
#define _DAXLEASE_CONSUMER_H

#include <linux/types.h>

#define DAXLEASE_GRANULE_PAGES	(1UL << (21 - PAGE_SHIFT))

struct daxlease;
struct daxlease_attachment;
struct dma_buf;
struct mm_struct;

/**
 * struct daxlease_run - physically contiguous pages of a lease
 * @first: first page, counted from the start of the lease
 * @count: pages
 * @pfn: page frame of @first
 */
struct daxlease_run {
	u64 first;
	u64 count;
	u64 pfn;
};

/**
 * struct daxlease_consumer_ops - what the core calls in a consumer
 * @name: for messages
 * @whole: it cannot lose a part: the first fence that hits the attachment takes all of it, @fence
 *	is called with all of its pages, and it is never re-armed. Nor can it be attached to what
 *	is lost already.
 * @fence: end device access to @count pages from @first, which are whole granules of the
 *	lease (clipped to lease and attachment). Returns true when it is confirmed: unmapped,
 *	flushed, checked. Returning false keeps the filesystem waiting; the core complains and
 *	tries again. Idempotent: a range fenced before is fenced. Context: process context, may
 *	sleep; memalloc_noio_save() scope; i_rwsem, invalidate lock, mmap_lock and a locked DAX
 *	entry may be held by the caller. Must not allocate memory that can fail, wait for user
 *	space or take a lock that anybody holds across a page fault, user access or filesystem
 *	code.
 * @rearm: map @count pages from @first again, all of them lost before, to the pages that
 *	daxlease_run_at() has for them now. Returns 0, or an errno, which the holder gets, after
 *	which the core fences them again; -EAGAIN if the consumer is about to detach.
 *	NULL: a consumer that cannot; the lease is not re-armed. Not used with @whole.
 *	Context: process context, may sleep, no filesystem lock; memalloc_noio_save() scope.
 */
struct daxlease_consumer_ops {
	const char *name;
	bool whole;
	bool (*fence)(void *priv, u64 first, u64 count);
	int (*rearm)(void *priv, u64 first, u64 count);
};

/* daxlease_acquire_vma() */
#define DAXLEASE_ACQ_WRITE	0x1	/* the device will write */

struct daxlease *daxlease_acquire_vma(unsigned long addr, size_t length, unsigned int flags);
int daxlease_new_owner(struct daxlease *lease);
void daxlease_put(struct daxlease *lease);
struct daxlease_attachment *daxlease_attach(struct daxlease *lease, u64 first, u64 count,
					    const struct daxlease_consumer_ops *ops, void *priv);
struct daxlease_attachment *daxlease_attach_dmabuf(struct dma_buf *buf, u64 first, u64 count,
						   bool write,
						   const struct daxlease_consumer_ops *ops,
						   void *priv);
void daxlease_detach(struct daxlease_attachment *att);
bool daxlease_attached_run(const struct daxlease_attachment *att, u64 page,
			   struct daxlease_run *run);
u64 daxlease_pgoff(const struct daxlease *lease);
bool daxlease_run_at(const struct daxlease *lease, u64 page, struct daxlease_run *run);
bool daxlease_run_walk(const struct daxlease *lease, u32 *at, u64 page, struct daxlease_run *run);

#endif /* _DAXLEASE_CONSUMER_H */
