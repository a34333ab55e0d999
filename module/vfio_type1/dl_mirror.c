// SPDX-License-Identifier: GPL-2.0-only
/*
 * daxlease in VFIO type1: the container, the mirror of its domains, and the mirror lock.
 *
 * The mirror lists the domains of a container so that a fence can walk them without iommu->lock,
 * which is held across page faults. Its lock, the mirror lock, keeps fences away from a domain that
 * is half attached or about to be freed. This file calls the IOMMU core only.
 *
 * Locks, outermost first: iommu->lock > mirror lock > group->mutex > the IOMMU driver's. A fence
 * comes in with i_rwsem, an invalidate lock, mmap_lock or a locked DAX entry held and takes the
 * mirror lock, so whoever holds the mirror lock must not reclaim through a filesystem, fault on a
 * user address, or call into the daxlease core (daxlease_run_walk() excepted, which takes no lock).
 * dl_lock() sees to the first two.
 *
 * A device with ATS enabled keeps translations of its own, and may use them without asking the
 * IOMMU again. A fence asks it to drop them, but whether it does is not for us to confirm. So by
 * default a container that has, or once had, such a device gets no leases, and one with leases does
 * not get such a device. The module parameter allow_ats trusts the devices instead.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": daxlease: " fmt

#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dl_type1.h"

/**
 * dl_lock - take the mirror lock
 * @c: the container
 *
 * Until dl_unlock(), allocations do not reclaim through a filesystem or block device, and a user
 * access fails instead of faulting.
 *
 * Return: to be handed to dl_unlock().
 */
unsigned int dl_lock(struct dl_container *c)
{
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&c->lock);
	pagefault_disable();
	return noio;
}

/**
 * dl_unlock - release the mirror lock
 * @c: the container
 * @noio: what dl_lock() returned
 */
void dl_unlock(struct dl_container *c, unsigned int noio)
{
	pagefault_enable();
	mutex_unlock(&c->lock);
	memalloc_noio_restore(noio);
}

/**
 * dl_container_init - set up daxlease's part of a new container
 * @c: to set up
 * @iommu_lock: iommu->lock
 * @iommu: the struct vfio_iommu that @c is part of; the last dl_container_put() frees it
 *
 * Context: may take mmap_lock of current.
 */
void dl_container_init(struct dl_container *c, struct mutex *iommu_lock, void *iommu)
{
	mutex_init(&c->lock);
	INIT_LIST_HEAD(&c->domains);
	INIT_LIST_HEAD(&c->segs);
	dl_scratch_setup(c);
	refcount_set(&c->users, 1);
	c->iommu_lock = iommu_lock;
	c->iommu = iommu;

	/* teach lockdep that a fence may come with mmap_lock held */
	if (IS_ENABLED(CONFIG_LOCKDEP) && current->mm) {
		mmap_read_lock(current->mm);
		might_lock(&c->lock);
		mmap_read_unlock(current->mm);
	}
}

/**
 * dl_container_put - drop a use of a container, freeing it after the last
 * @c: the container; gone when this returns, unless the caller has another use of it
 *
 * The struct vfio_iommu cannot simply be freed when the last group leaves, because a MAP_DMA may be
 * waiting for its lease without a lock, and VFIO does not keep a container alive for its ioctls.
 */
void dl_container_put(struct dl_container *c)
{
	if (!refcount_dec_and_test(&c->users))
		return;
	WARN_ON_ONCE(!list_empty(&c->segs) || !list_empty(&c->domains));
	dl_scratch_free(c);
	mutex_destroy(&c->lock);
	kfree(c->iommu);
}

static bool allow_ats;
module_param(allow_ats, bool, 0644);
MODULE_PARM_DESC(allow_ats,
		 "Lease fs-dax memory to devices with ATS, and trust them to drop what they cached (N).");

static int dl_report_ats(struct device *dev, void *data)
{
	if (!dev_is_pci(dev) || !to_pci_dev(dev)->ats_enabled)
		return 0;
	pr_info_once("%s has ATS enabled: fs-dax memory is %s\n", dev_name(dev),
		     allow_ats ? "leased to it, it is trusted to let go" :
				 "not leased to it (parameter allow_ats)");
	return 1;
}

/**
 * dl_attach_group - iommu_attach_group() while no fence runs
 * @c: the container
 * @domain: the domain, in the mirror or not
 * @group: the group
 *
 * A flush that races with an attach may miss the device.
 *
 * Context: iommu->lock held.
 *
 * Return: 0, the error of iommu_attach_group(), or -EOPNOTSUPP: there are leased mappings, and a
 * device has ATS enabled.
 */
int dl_attach_group(struct dl_container *c, struct iommu_domain *domain,
		    struct iommu_group *group)
{
	unsigned int noio = dl_lock(c);
	int ret = iommu_attach_group(domain, group);

	lockdep_assert_held(c->iommu_lock);
	/* when attached, not before: the IOMMU driver enables it then */
	if (!ret && iommu_group_for_each_dev(group, NULL, dl_report_ats)) {
		if (!allow_ats && !list_empty(&c->segs)) {
			iommu_detach_group(domain, group);
			ret = -EOPNOTSUPP;
		} else {
			c->ats = true;
		}
	}
	dl_unlock(c, noio);
	return ret;
}

/**
 * dl_detach_group - iommu_detach_group() while no fence runs
 * @c: the container
 * @domain: the domain, in the mirror or not
 * @group: the group
 */
void dl_detach_group(struct dl_container *c, struct iommu_domain *domain,
		     struct iommu_group *group)
{
	unsigned int noio = dl_lock(c);

	iommu_detach_group(domain, group);
	dl_unlock(c, noio);
}

/**
 * dl_domain_ready - everything has been replayed into the incoming domain
 * @c: the container
 * @dd: daxlease's part of the domain
 *
 * Context: iommu->lock held since dl_domain_add().
 */
void dl_domain_ready(struct dl_container *c, struct dl_domain *dd)
{
	unsigned int noio;

	lockdep_assert_held(c->iommu_lock);
	noio = dl_lock(c);
	WARN_ON_ONCE(c->incoming != dd);
	c->incoming = NULL;
	dl_unlock(c, noio);
}

/**
 * dl_domain_del - take a domain out of the mirror; no fence looks at it any more
 * @c: the container
 * @dd: daxlease's part of the domain, in the mirror or never added. Its groups are detached and it
 *	is about to be freed, with whatever is still mapped in it
 */
void dl_domain_del(struct dl_container *c, struct dl_domain *dd)
{
	unsigned int noio;

	if (!dd->domain)
		return;
	noio = dl_lock(c);
	if (c->incoming == dd)
		c->incoming = NULL;
	list_del(&dd->node);
	dl_unlock(c, noio);
}

/**
 * dl_domains_fit - whether leased memory may be mapped into the domains as they are now
 * @c: the container
 *
 * Only a domain whose unmap flushes before it returns, and that maps single pages, can be fenced,
 * and only devices that ask the IOMMU for each access.
 *
 * Context: iommu->lock held, which keeps the answer true.
 *
 * Return: 0, or -EOPNOTSUPP if one of them cannot be fenced or there is none.
 */
int dl_domains_fit(struct dl_container *c)
{
	struct dl_domain *dd;

	lockdep_assert_held(c->iommu_lock);
	if (list_empty(&c->domains) || (c->ats && !allow_ats))
		return -EOPNOTSUPP;
	list_for_each_entry(dd, &c->domains, node)
		if (dd->domain->type != IOMMU_DOMAIN_UNMANAGED ||
		    !(dd->domain->pgsize_bitmap & (2 * PAGE_SIZE - 1)))
			return -EOPNOTSUPP;
	return 0;
}
