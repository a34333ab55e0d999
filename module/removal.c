// SPDX-License-Identifier: GPL-2.0
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "gate.h"
#include "removal.h"

#define MAX_GOING	16
#define LOCK_TRIES	10

static const struct bus_type *watched;	/* changed by watch and unwatch only */
static struct module *driver_owner;	/* keeps the bus while we listen to it */

/* Unbindings under way that were announced to us; more than fit: overflow, and no leases. */
static DEFINE_SPINLOCK(going_lock);
static const struct device *going[MAX_GOING];
static bool overflow;

/**
 * dl_removal_device() - the device whose driver provides the pages of a filesystem
 * @sb: the filesystem
 *
 * The mounted filesystem keeps the disk, but not the disk's parent: that is known to exist only
 * while the disk is live, which del_gendisk() (block/genhd.c) ends under open_mutex.
 * Return: the device with a reference, or ERR_PTR: -EOPNOTSUPP: no block device, -ENODEV: gone.
 */
struct device *dl_removal_device(const struct super_block *sb)
{
	struct device *dev = NULL;
	struct gendisk *disk;

	if (!sb->s_bdev)
		return ERR_PTR(-EOPNOTSUPP);
	disk = sb->s_bdev->bd_disk;
	mutex_lock(&disk->open_mutex);
	if (disk_live(disk))
		dev = get_device(disk_to_dev(disk)->parent);
	mutex_unlock(&disk->open_mutex);
	if (dev)
		return dev;
	/* A disk without a parent is not persistent memory: loop, device mapper. */
	return ERR_PTR(disk_to_dev(disk)->parent ? -ENODEV : -EOPNOTSUPP);
}

/*
 * Persistent memory itself, and staying? A device mapper's table can change without a word to the
 * file. The lock is only tried: an unbinding may last. With @hold a reference on the driver's
 * module is left in driver_owner.
 */
static int check_driver(struct device *dev, bool hold)
{
	int tries, err;

	for (tries = 0; !device_trylock(dev); tries++) {
		if (tries == LOCK_TRIES)
			return -ENODEV;
		if (fatal_signal_pending(current))
			return -EINTR;
		schedule_timeout_killable(1);
	}
	if (!dev->driver)
		err = -ENODEV;
	else
		err = strcmp(dev->driver->name, "nd_pmem") ? -EOPNOTSUPP : 0;
	if (!err && hold) {
		driver_owner = dev->driver->owner;
		err = try_module_get(driver_owner) ? 0 : -ENODEV;
	}
	device_unlock(dev);
	return err;
}

/**
 * dl_removal_under_way() - must no lease be given on a device?
 * @dev: the device
 *
 * Asked after a lease is published: either the lease is found by the notifier, or this says so.
 * Context: any; takes a spinlock.
 * Return: true if it is going, or has gone; or more are going than we keep count of.
 */
bool dl_removal_under_way(const struct device *dev)
{
	bool under_way;
	int i;

	spin_lock(&going_lock);
	under_way = overflow || !READ_ONCE(dev->driver);
	for (i = 0; i < MAX_GOING; i++)
		under_way |= going[i] == dev;
	spin_unlock(&going_lock);
	return under_way;
}

static void mark(const struct device *from, const struct device *to)
{
	int i;

	spin_lock(&going_lock);
	for (i = 0; i < MAX_GOING && going[i] != from; i++)
		;
	if (i < MAX_GOING)
		going[i] = to;
	else if (to)
		overflow = true;
	spin_unlock(&going_lock);
}

static int notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct device *dev = data;

	if (action == BUS_NOTIFY_UNBOUND_DRIVER)
		mark(dev, NULL);
	if (action != BUS_NOTIFY_UNBIND_DRIVER)
		return NOTIFY_OK;
	mark(NULL, dev);
	dl_gate_revoke(dev, DAXLEASE_REASON_REMOVE);
	return NOTIFY_OK;
}

static struct notifier_block notifier = { .notifier_call = notify };

static int register_notifier(struct device *dev)
{
	int err = check_driver(dev, true);

	if (err)
		return err;
	memset(going, 0, sizeof(going));
	overflow = false;
	if (bus_register_notifier(dev->bus, &notifier)) {
		module_put(driver_owner);
		return -ENODEV;
	}
	watched = dev->bus;
	return 0;
}

/**
 * dl_removal_watch() - listen for the removal of a device, and see that it has not begun
 * @dev: from dl_removal_device()
 *
 * Context: process context; the caller serialises.
 * Return: 0, -EOPNOTSUPP: not persistent memory, -ENODEV: it is going, -EINTR.
 */
int dl_removal_watch(struct device *dev)
{
	int err = 0;

	if (!watched)
		err = register_notifier(dev);
	if (!err)	/* has it begun before we listened? */
		err = check_driver(dev, false);
	if (!err && watched != dev->bus)
		err = -EOPNOTSUPP;
	return err;
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
