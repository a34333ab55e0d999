/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A fast DMA engine: QEMU's NVMe controller with nothing but its admin queue. Each Identify command writes
 * 4 KiB that are always the same to an IOVA, at once and through the IOMMU; what the IOMMU refuses is not
 * written, and the controller does not say so. Its data queues are not used: QEMU keeps host addresses there.
 */
#ifndef NVME_H
#define NVME_H

#include "vfio.h"

#define NVME_STAGE	0x7e00000000ULL	/* IOVA of its queues */
#define NVME_BATCH	255		/* commands at once, at most: a queue of 256 */

/**
 * struct nvme - the controller
 * @vfio: container, group, device
 * @queues: submission queue, completion queue, and the page that nvme_open() let it write to, as this
 *	process sees them
 * @tail: of the submission queue
 * @head: of the completion queue
 * @phase: of the completions that are new
 */
struct nvme {
	struct vfio vfio;
	unsigned char *queues;
	unsigned int tail;
	unsigned int head;
	unsigned int phase;
};

/* Opens all of VFIO, maps and starts the admin queue */
void nvme_open(struct nvme *n);

/* The controller writes a page to each of @count page-aligned addresses; returns when it has completed all */
void nvme_write_pages(struct nvme *n, const uint64_t *iova, unsigned int count);

/* The page that it writes */
const void *nvme_page(const struct nvme *n);

#endif /* NVME_H */
