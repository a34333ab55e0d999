// SPDX-License-Identifier: GPL-2.0
/*
 * What the benchmark cannot measure from user space: a lease without VFIO, the IOMMU without a
 * lease, an eventfd signalled by the kernel. Test equipment, never installed.
 */
#include <linux/eventfd.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include <daxlease_consumer.h>

#include "dl_bench.h"
#include "dl_granule.h"

#define BATCH	128

static struct iommu_domain *domain_of(const char *address, struct pci_dev **pdev)
{
	unsigned int segment, bus, slot, fn;

	if (sscanf(address, "%x:%x:%x.%x", &segment, &bus, &slot, &fn) != 4)
		return NULL;
	*pdev = pci_get_domain_bus_and_slot(segment, bus, PCI_DEVFN(slot, fn));
	return *pdev ? iommu_get_domain_for_dev(&(*pdev)->dev) : NULL;
}

/* The runs from @page on that go into one call */
static int runs_of_call(struct daxlease *lease, struct scatterlist *sg, u64 page, u64 stop)
{
	struct daxlease_run run;
	u32 at = 0;
	int n;

	for (n = 0; n < BATCH && page < stop; n++, page += run.count) {
		if (!daxlease_run_walk(lease, &at, page, &run))
			return -EFAULT;
		run.count = min(run.count, stop - page);
		sg_set_page(&sg[n], pfn_to_page(run.pfn), run.count << PAGE_SHIFT, 0);
	}
	return n;
}

/* As dl_table_map() of the drop-in does. */
static int map_lease(struct iommu_domain *domain, struct daxlease *lease, struct dl_bench_span *s)
{
	unsigned long sizes = domain->pgsize_bitmap & ~(2 * DL_GRANULE * PAGE_SIZE - 1);
	u64 larger = sizes ? (1UL << __ffs(sizes)) >> PAGE_SHIFT : 0;
	struct dl_span span = {
		.pgoff = daxlease_pgoff(lease),
		.pages = s->size >> PAGE_SHIFT,
		.iova_page = s->iova >> PAGE_SHIFT,
	};
	struct scatterlist *sg = kmalloc_array(BATCH, sizeof(*sg), GFP_KERNEL);
	ssize_t done = sg ? 0 : -ENOMEM;
	u64 page;
	int n;

	if (sg)
		sg_init_table(sg, BATCH);
	for (page = 0; done >= 0 && page < span.pages; page += done >> PAGE_SHIFT) {
		n = runs_of_call(lease, sg, page, dl_call_end(&span, page, larger));
		done = n < 0 ? n : iommu_map_sg(domain, s->iova + (page << PAGE_SHIFT), sg, n,
						IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE, GFP_KERNEL);
		s->calls++;
	}
	kfree(sg);
	return min_t(ssize_t, done, 0);
}

static int in_the_iommu(struct daxlease *lease, struct dl_bench_span *s)
{
	struct pci_dev *pdev = NULL;
	struct iommu_domain *domain;
	u64 start, mapped;
	int err = -ENODEV;

	s->device[sizeof(s->device) - 1] = 0;
	domain = domain_of(s->device, &pdev);
	if (!domain || domain->type != IOMMU_DOMAIN_UNMANAGED)
		goto out;
	start = ktime_get_raw_ns();
	err = map_lease(domain, lease, s);
	mapped = ktime_get_raw_ns();
	if (!err && iommu_unmap(domain, s->iova, s->size) != s->size)
		err = -EIO;
	s->map = mapped - start;
	s->unmap = ktime_get_raw_ns() - mapped;
out:
	pci_dev_put(pdev);
	return err;
}

static long measure_span(struct dl_bench_span __user *arg)
{
	struct dl_bench_span s;
	struct daxlease *lease;
	int err = 0;
	u64 start;

	if (copy_from_user(&s, arg, sizeof(s)))
		return -EFAULT;
	s.calls = 0;
	start = ktime_get_raw_ns();
	lease = daxlease_acquire_vma(s.addr, s.size, DAXLEASE_ACQ_WRITE);
	s.acquire = ktime_get_raw_ns() - start;
	if (IS_ERR(lease))
		return PTR_ERR(lease);
	if (s.iova)
		err = in_the_iommu(lease, &s);
	start = ktime_get_raw_ns();
	daxlease_put(lease);
	s.put = ktime_get_raw_ns() - start;
	if (err)
		return err;
	return copy_to_user(arg, &s, sizeof(s)) ? -EFAULT : 0;
}

static long signal_fd(u64 __user *arg)
{
	struct eventfd_ctx *ctx;
	u64 value;

	if (get_user(value, arg))
		return -EFAULT;
	ctx = eventfd_ctx_fdget(value);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	value = ktime_get_ns();
	eventfd_signal(ctx);
	eventfd_ctx_put(ctx);
	return put_user(value, arg);
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case DL_BENCH_SPAN:
		return measure_span((void __user *)arg);
	case DL_BENCH_SIGNAL:
		return signal_fd((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = bench_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dl_bench",
	.fops = &fops,
	.mode = 0600,
};
module_misc_device(device);

MODULE_DESCRIPTION("daxlease: the kernel's part of the benchmark");
MODULE_LICENSE("GPL");
