/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VFIO user: one container of type1 v2, the group of a device (edu or NVMe), the device, its BAR and its
 * interrupt. Functions that set up fail the case; those under test return -errno.
 */
#ifndef LIB_VFIO_H
#define LIB_VFIO_H

#include <linux/vfio.h>
#include <stddef.h>
#include <stdint.h>

#define VFIO_RW	(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

/**
 * struct vfio - all descriptors are close-on-exec
 * @container: /dev/vfio/vfio
 * @group: /dev/vfio/N
 * @device: the device
 * @irq: eventfd of its MSI or first MSI-X
 * @bar: its BAR 0
 * @bar_size: bytes
 * @group_id: N
 * @address: of the device on PCI, "0000:00:03.0"
 */
struct vfio {
	int container;
	int group;
	int device;
	int irq;
	volatile void *bar;
	size_t bar_size;
	int group_id;
	char address[32];
};

/* Fills in @address and @group_id of the edu device with the @n-th lowest address; opens nothing */
void vfio_find(struct vfio *v, unsigned int n);

/* The first edu device, or the @n-th from 0, in a container of its own */
void vfio_open(struct vfio *v);
void vfio_open_nth(struct vfio *v, unsigned int n);

/* The NVMe controller, in a container of its own */
void vfio_open_nvme(struct vfio *v);

/* The @n-th edu device in the container of @other, which is live: 0, or -errno and nothing is open */
int vfio_join(struct vfio *v, const struct vfio *other, unsigned int n);

/* The same step by step: open the group; put it into the container, 0 or -errno; open the device; or close all */
void vfio_prepare(struct vfio *v, const struct vfio *other, unsigned int n);
int vfio_attach(struct vfio *v);
void vfio_start(struct vfio *v);
void vfio_abandon(struct vfio *v);
void vfio_close(struct vfio *v);

/*
 * The group of another PCI device ("0x1234", "0x5678"), bound to vfio-pci, in the container of @other or (NULL) one of
 * its own: 0 or -errno and nothing is open. The device itself is not opened; vfio_abandon() closes the rest.
 */
int vfio_attach_pci(struct vfio *v, const struct vfio *other, const char *vendor, const char *device);

/* 0 or -errno; @flags: VFIO_RW or one of its halves */
int vfio_map(struct vfio *v, void *vaddr, uint64_t iova, uint64_t size, uint32_t flags);

/* Bytes unmapped, or -errno */
int64_t vfio_unmap(struct vfio *v, uint64_t iova, uint64_t size);

/* The mapping stays, for whoever says next where its memory is (VFIO_DMA_MAP_FLAG_VADDR): 0 or -errno */
int vfio_unmap_vaddr(struct vfio *v, uint64_t iova, uint64_t size);

#endif /* LIB_VFIO_H */
