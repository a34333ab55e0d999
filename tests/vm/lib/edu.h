/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The edu device: a DMA engine with 4 KiB of memory of its own, which moves one block at a time between
 * that memory and an IOVA. Each command takes 0.1 s of guest time. Its memory cannot be reached except
 * by DMA, so data go through a staging page that is mapped at EDU_STAGE.
 */
#ifndef EDU_H
#define EDU_H

#include "vfio.h"

#include <stdbool.h>

#define EDU_STAGE	0x7f00000000ULL	/* IOVA of the staging page */
#define EDU_BLOCK	2048			/* bytes a command, at most; see edu.c */

/**
 * struct edu - the device and what it is reached by
 * @vfio: container, group, device
 * @stage: staging page, as this process sees it
 */
struct edu {
	struct vfio vfio;
	unsigned char *stage;
};

/* Opens all of VFIO and maps the staging page */
void edu_open(struct edu *e);
void edu_close(struct edu *e);

/* Starts one command and waits for its interrupt; @len at most EDU_BLOCK. The IOMMU may refuse it unseen */
void edu_dma(struct edu *e, uint64_t iova, unsigned int len, bool to_memory);

/*
 * The device writes @len bytes (or fills them with @byte) to @iova; or reads them. What the IOMMU refuses
 * is not written, and not read: @buf then has EDU_POISON there, or what QEMU returns for such a read.
 * Whether it was refused is for fault.h to say.
 */
#define EDU_POISON	0xdb
void device_write(struct edu *e, uint64_t iova, const void *buf, size_t len);
void device_fill(struct edu *e, uint64_t iova, unsigned char byte, size_t len);
void device_read(struct edu *e, uint64_t iova, void *buf, size_t len);

/* The same for one block, faster: what was not read is what the device's memory had before, not EDU_POISON */
void device_take(struct edu *e, uint64_t iova, void *buf, size_t len);

#endif /* EDU_H */
