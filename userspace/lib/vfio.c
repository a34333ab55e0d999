// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * For programs that map fs-dax memory for a device with VFIO: the order of things that is easily
 * got wrong. Watch first, map afterwards; re-arm when the bar is gone, not before.
 */
#include <errno.h>
#include <linux/vfio.h>

#include "ctx.h"
#include "syscall.h"

/**
 * daxlease_vfio_check - can this container map fs-dax memory?
 * @container: an open /dev/vfio/vfio whose IOMMU type is set
 *
 * Return: 0; -EOPNOTSUPP: its driver is the stock one; another -errno.
 */
int daxlease_vfio_check(int container)
{
	int ret = daxlease_sys_ioctl_value(container, VFIO_CHECK_EXTENSION, DAXLEASE_VFIO_EXTENSION);

	if (ret < 0)
		return ret;
	return ret ? 0 : -EOPNOTSUPP;
}

/**
 * daxlease_vfio_map - map memory for a device, and hear of what is taken back
 * @ctx: gets the events of all implicit leases of this process from the first call on
 * @container: an open /dev/vfio/vfio
 * @map: as for VFIO_IOMMU_MAP_DMA; argsz may be 0
 * @grace_ns: grace of all implicit leases of this process, when this call is the first for @ctx;
 *	0: the default
 *
 * Watches the calling process before it maps, as a lease has no grace while nobody listens. Any
 * memory may be mapped; what is no fs-dax file has no lease and no events.
 *
 * Return: 0; -EPERM for a grace above the limit; -EOPNOTSUPP: a private mapping, a file that cannot
 * have leases, or a stock driver and fs-dax memory; another -errno of WATCH or MAP_DMA.
 */
int daxlease_vfio_map(struct daxlease_ctx *ctx, int container,
		      struct vfio_iommu_type1_dma_map *map, uint64_t grace_ns)
{
	int ret = daxlease_watch_pid(ctx, daxlease_sys_getpid(), grace_ns);

	if (ret && ret != -EEXIST)
		return ret;
	map->argsz = sizeof(*map);
	return daxlease_sys_ioctl(container, VFIO_IOMMU_MAP_DMA, map);
}

/**
 * daxlease_vfio_rearm - bring back what an event says is lost, if its time has come
 * @ctx: where the event was read
 * @event: any event
 *
 * To be called with each event: does nothing before CLEARED. The device addresses stay the same,
 * the blocks are the file's new ones.
 *
 * Return: 1: re-armed, the device may use the range again; 0: nothing to be done, or not yet:
 * CLEARED will come; -EAGAIN: something is in the way, call it again with the same event, after a
 * while or with the next one; -EINVAL: the file has become too short, unmap the range;
 * -EOPNOTSUPP: a consumer cannot; another -errno of REARM.
 */
int daxlease_vfio_rearm(struct daxlease_ctx *ctx, const struct daxlease_event *event)
{
	int ret;

	if (!(event->bits & DAXLEASE_EVENT_CLEARED) || !event->lost_length)
		return 0;
	ret = daxlease_lease_rearm(ctx, event->id, event->lost_offset, event->lost_length, NULL);
	return ret ?: 1;
}
