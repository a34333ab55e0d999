/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dmabuf: a lease as a dma-buf, for drivers that import one.
 *
 * A dma-buf is an attachment of its lease that loses all or nothing: from the first fence that hits
 * its range on, it is dead, whatever the lease becomes afterwards. It keeps the lease object (and
 * so the file) but not the lease: a lease that was released, or whose context was closed, is
 * fenced.
 *
 * Importers are asked to let go (move_notify) at the fence and not before, when mapping is refused
 * already: one that faults would map again at once. The fence is confirmed when no importer has
 * anything mapped. Nobody waits for the fences of the reservation object: user space may add some.
 *
 * Only importers known to let go are let in. With IOMMU or without, what they had mapped is out of
 * the device's reach when they have unmapped it: they stop the device first, and the IOTLB is
 * flushed at each unmapping, lazy domains included.
 *
 * Lock order: daxlease.fence_lock > dma_buf.resv. The reservation lock is taken in a fence and so
 * with filesystem locks held; the kernel's rule for it (dma_resv_lockdep()) is that nobody faults,
 * accesses user memory or takes mmap_lock under it.
 */
#ifndef _DAXLEASE_DMABUF_H
#define _DAXLEASE_DMABUF_H

#include <linux/dma-buf.h>

#include "lease.h"

struct dma_buf *dl_dmabuf_create(struct daxlease *lease, struct dl_range range, bool write);

#endif /* _DAXLEASE_DMABUF_H */
