// SPDX-License-Identifier: GPL-2.0
#include "vfio.h"
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PCI_DEVICES	"/sys/bus/pci/devices"

/* Which device, and by which kind of interrupt it speaks */
struct kind {
	const char *vendor;
	const char *device;
	unsigned int irq;
};

static const struct kind edu = { "0x1234", "0x11e8", VFIO_PCI_MSI_IRQ_INDEX };
static const struct kind nvme = { "0x1b36", "0x0010", VFIO_PCI_MSIX_IRQ_INDEX };

static bool attribute_is(const char *address, const char *name, const char *value)
{
	char path[512], text[32];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", address, name);
	return read_text(path, text, sizeof(text)) > 0 && !strncmp(text, value, strlen(value));
}

/* The device of its kind with the @n-th lowest address */
static void find_device(struct vfio *v, const struct kind *kind, unsigned int n)
{
	char path[512], link[PATH_MAX];
	struct dirent **names;
	ssize_t len;
	int count;

	count = scandir(PCI_DEVICES, &names, NULL, alphasort);
	CHECK(count > 0);
	v->address[0] = 0;
	for (int i = 0; i < count; i++) {
		if (attribute_is(names[i]->d_name, "vendor", kind->vendor) &&
		    attribute_is(names[i]->d_name, "device", kind->device) && n-- == 0)
			snprintf(v->address, sizeof(v->address), "%.31s", names[i]->d_name);
		free(names[i]);
	}
	free(names);
	CHECK(v->address[0], "no device %s:%s", kind->vendor, kind->device);
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/iommu_group", v->address);
	len = CHECK_SYS(readlink(path, link, sizeof(link) - 1));
	link[len] = 0;
	v->group_id = atoi(basename(link));
}

void vfio_find(struct vfio *v, unsigned int n)
{
	find_device(v, &edu, n);
}

static void open_container(struct vfio *v)
{
	v->container = CHECK_SYS(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));
	CHECK_EQ(ioctl(v->container, VFIO_GET_API_VERSION), VFIO_API_VERSION);
	CHECK_EQ(ioctl(v->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU), 1);
}

static void open_group(struct vfio *v)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%d", v->group_id);
	v->group = CHECK_SYS(open(path, O_RDWR | O_CLOEXEC));
	CHECK_SYS(ioctl(v->group, VFIO_GROUP_GET_STATUS, &status));
	CHECK(status.flags & VFIO_GROUP_FLAGS_VIABLE);
}

static void map_bar(struct vfio *v)
{
	struct vfio_region_info bar = { .argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX };

	CHECK_SYS(ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &bar));
	v->bar_size = bar.size;
	v->bar = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, v->device, bar.offset);
	CHECK(v->bar != MAP_FAILED, "BAR 0: %s", strerror(errno));
}

static void enable_device(struct vfio *v, unsigned int irq_index)
{
	struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	union {
		struct vfio_irq_set set;
		char bytes[sizeof(struct vfio_irq_set) + sizeof(int)];
	} irq = { .set = {
		.argsz = sizeof(irq), .count = 1, .index = irq_index,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
	} };
	uint16_t command;

	CHECK_SYS(ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &config));
	CHECK_EQ(pread(v->device, &command, 2, config.offset + PCI_COMMAND), 2);
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	CHECK_EQ(pwrite(v->device, &command, 2, config.offset + PCI_COMMAND), 2);

	v->irq = CHECK_SYS(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	memcpy(irq.set.data, &v->irq, sizeof(int));
	CHECK_SYS(ioctl(v->device, VFIO_DEVICE_SET_IRQS, &irq));
}

static void open_device(struct vfio *v, const struct kind *kind)
{
	v->device = CHECK_SYS(ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, v->address));
	map_bar(v);
	enable_device(v, kind->irq);
}

static void open_all(struct vfio *v, const struct kind *kind, unsigned int n)
{
	find_device(v, kind, n);
	open_container(v);
	open_group(v);
	CHECK_SYS(ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container));
	CHECK_SYS(ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	open_device(v, kind);
}

void vfio_open_nth(struct vfio *v, unsigned int n)
{
	open_all(v, &edu, n);
}

void vfio_open_nvme(struct vfio *v)
{
	open_all(v, &nvme, 0);
}

void vfio_open(struct vfio *v)
{
	vfio_open_nth(v, 0);
}

void vfio_prepare(struct vfio *v, const struct vfio *other, unsigned int n)
{
	find_device(v, &edu, n);
	v->container = CHECK_SYS(fcntl(other->container, F_DUPFD_CLOEXEC, 0));
	open_group(v);
}

int vfio_attach(struct vfio *v)
{
	return ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container) ? -errno : 0;
}

void vfio_start(struct vfio *v)
{
	open_device(v, &edu);
}

void vfio_abandon(struct vfio *v)
{
	close(v->group);
	close(v->container);
}

int vfio_join(struct vfio *v, const struct vfio *other, unsigned int n)
{
	int err;

	vfio_prepare(v, other, n);
	err = vfio_attach(v);
	if (err)
		vfio_abandon(v);
	else
		vfio_start(v);
	return err;
}

static void bind_to_vfio(const char *address)
{
	char path[512];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver_override", address);
	CHECK_RET(write_text(path, "vfio-pci"), 0);
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver/unbind", address);
	write_text(path, address);	/* it may have no driver */
	CHECK_RET(write_text("/sys/bus/pci/drivers_probe", address), 0);
}

int vfio_attach_pci(struct vfio *v, const struct vfio *other, const char *vendor, const char *device)
{
	const struct kind kind = { .vendor = vendor, .device = device };
	int err;

	find_device(v, &kind, 0);
	bind_to_vfio(v->address);
	if (other)
		v->container = CHECK_SYS(fcntl(other->container, F_DUPFD_CLOEXEC, 0));
	else
		open_container(v);
	open_group(v);
	err = vfio_attach(v);
	if (!err && !other)
		CHECK_SYS(ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	if (err)
		vfio_abandon(v);
	return err;
}

void vfio_close(struct vfio *v)
{
	munmap((void *)v->bar, v->bar_size);
	close(v->irq);
	close(v->device);
	close(v->group);
	close(v->container);
}

int vfio_map(struct vfio *v, void *vaddr, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = flags, .vaddr = (uintptr_t)vaddr, .iova = iova, .size = size,
	};

	return ioctl(v->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int64_t vfio_unmap(struct vfio *v, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = iova, .size = size };

	return ioctl(v->container, VFIO_IOMMU_UNMAP_DMA, &unmap) ? -errno : (int64_t)unmap.size;
}

int vfio_unmap_vaddr(struct vfio *v, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .flags = VFIO_DMA_UNMAP_FLAG_VADDR, .iova = iova, .size = size,
	};

	return ioctl(v->container, VFIO_IOMMU_UNMAP_DMA, &unmap) ? -errno : 0;
}
