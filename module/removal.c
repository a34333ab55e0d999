// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/atomic.h>
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/module.h>

#include "gate.h"
#include "removal.h"

static const struct bus_type *watched;	/* changed by the caller of watch and unwatch only */
static struct module *driver_owner;	/* keeps the bus while we listen to it */
static atomic_t removals;		/* unbindings under way */

/**
 * dl_removal_device() - the device whose driver provides the pages of a filesystem
 * @sb: the filesystem
 *
 * Persistent memory itself: a device mapper's table can change without a word to the file.
 * Return: the device, kept by the mounted filesystem, or NULL: not directly on pmem, or no driver
 * any more.
 */
struct device *dl_removal_device(const struct super_block *sb)
{
	struct device *dev = sb->s_bdev ? disk_to_dev(sb->s_bdev->bd_disk)->parent : NULL;
	const struct device_driver *drv = dev ? READ_ONCE(dev->driver) : NULL;

	return drv && !strcmp(drv->name, "nd_pmem") ? dev : NULL;
}

/**
 * dl_removal_under_way() - must no lease be given on this filesystem?
 * @sb: the filesystem
 *
 * Asked after a lease is published: either the lease is found by the notifier, or this says so.
 * Return: true if a device of the bus is going, or this one has gone.
 */
bool dl_removal_under_way(const struct super_block *sb)
{
	smp_mb();	/* pairs with the one in on_unbind() */
	return atomic_read(&removals) || !dl_removal_device(sb);
}

static void revoke(struct daxlease *lease)
{
	struct dl_breaker by = {
		.range = DL_RANGE_ALL,
		.reason = DAXLEASE_REASON_REMOVE,
		.flags = DAXLEASE_EVENT_NO_GRACE,
	};

	spin_lock(&lease->gate->lock);
	dl_break_start(lease, &by);
	spin_unlock(&lease->gate->lock);
	dl_fence_insist(lease);
}

static void on_unbind(struct device *dev)
{
	struct daxlease *lease = NULL;

	atomic_inc(&removals);
	smp_mb();	/* pairs with the one in dl_removal_under_way() */
	while ((lease = dl_lease_next(lease)))
		if (dl_removal_device(lease->gate->inode->i_sb) == dev)
			revoke(lease);
}

static int notify(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action == BUS_NOTIFY_UNBIND_DRIVER)
		on_unbind(data);
	else if (action == BUS_NOTIFY_UNBOUND_DRIVER)
		atomic_dec_if_positive(&removals);	/* it may have begun before we listened */
	return NOTIFY_OK;
}

static struct notifier_block notifier = { .notifier_call = notify };

/**
 * dl_removal_watch() - listen for the removal of what a filesystem is on
 * @sb: the filesystem
 *
 * Context: process context; the caller serialises. Nothing happens if its bus is watched already.
 * Return: 0, -EOPNOTSUPP: not directly on persistent memory, -ENODEV: it is going.
 */
int dl_removal_watch(const struct super_block *sb)
{
	struct device *dev = dl_removal_device(sb);
	int err;

	if (!dev)
		return -EOPNOTSUPP;
	if (watched)
		return watched == dev->bus ? 0 : -EOPNOTSUPP;
	driver_owner = dev->driver->owner;
	if (!try_module_get(driver_owner))
		return -ENODEV;
	atomic_set(&removals, 0);
	err = bus_register_notifier(dev->bus, &notifier);
	if (err)
		module_put(driver_owner);
	else
		watched = dev->bus;
	return err ? -ENODEV : 0;
}

/**
 * dl_removal_unwatch() - stop listening; no lease is left
 *
 * Context: process context; the caller serialises.
 */
void dl_removal_unwatch(void)
{
	if (!watched)
		return;
	bus_unregister_notifier(watched, &notifier);
	watched = NULL;
	module_put(driver_owner);
}
