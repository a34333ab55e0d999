// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/dma-direct.h>
#include <linux/dma-resv.h>
#include <linux/fcntl.h>
#include <linux/iommu.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "attach.h"
#include "dmabuf.h"

struct dl_dmabuf {
	struct dma_buf *buf;		/* we are its priv */
	struct daxlease_attachment *att; /* has a reference on the lease; NULL: creation failed */
	struct daxlease *lease;
	struct dl_extents *runs;	/* pages counted from the start of the dma-buf */
	u64 first;			/* page of the lease */
	u64 count;			/* pages */
	bool write;

	/* dma_buf.resv */
	bool dead;
	unsigned int mapped;		/* scatter tables that importers have */
};

/*
 * Importers whose move_notify ends the device's access and unmaps before it returns, by the name of
 * that function: without CONFIG_DMABUF_MOVE_NOTIFY nothing else tells them from those that pin.
 */
static const char * const known_importers[] = {
	"mlx5_ib_dmabuf_invalidate_cb",	/* mlx5_ib with on-demand paging */
	/*
	 * Drivers of ib_umem_dmabuf_get_pinned_revocable_and_lock(), whose contract it is; the tree
	 * of Linux 6.12 has none yet.
	 */
	"ib_umem_dmabuf_revoke_locked",
};

static bool lets_go(const struct dma_buf_attach_ops *ops)
{
	char name[KSYM_SYMBOL_LEN];

	if (!ops)
		return false;
	sprint_symbol_no_offset(name, (unsigned long)ops->move_notify);
	name[strcspn(name, " ")] = '\0';	/* the module */
	return match_string(known_importers, ARRAY_SIZE(known_importers), name) >= 0;
}

static int dmabuf_attach(struct dma_buf *buf, struct dma_buf_attachment *attach)
{
	struct dl_dmabuf *d = buf->priv;

	if (lets_go(attach->importer_ops))
		return 0;
	pr_warn_ratelimited("lease %llu: dma-buf refused to %s %s: its driver is not known to let go when asked\n",
			    d->lease->id, dev_driver_string(attach->dev), dev_name(attach->dev));
	return -EOPNOTSUPP;
}

/*
 * Mapping is not pinning: what is pinned here can be revoked like the rest. Without
 * CONFIG_DMABUF_MOVE_NOTIFY the dma-buf core pins before each mapping of a dynamic importer.
 */
static int dmabuf_pin(struct dma_buf_attachment *attach)
{
	struct dl_dmabuf *d = attach->dmabuf->priv;

	return d->dead ? -EKEYREVOKED : 0;
}

static void dmabuf_unpin(struct dma_buf_attachment *attach)
{
}

static unsigned int segment_pages(struct device *dev)
{
	return max(dma_get_max_seg_size(dev) >> PAGE_SHIFT, 1U);
}

static int fill_table(const struct dl_dmabuf *d, struct device *dev, struct sg_table *sgt)
{
	unsigned int most = segment_pages(dev);
	struct scatterlist *sg;
	u64 nr = 0, i, done, n;
	int err;

	for (i = 0; i < d->runs->nr; i++)
		nr += DIV_ROUND_UP_ULL(d->runs->runs[i].count, most);
	if (nr > UINT_MAX)
		return -E2BIG;
	err = sg_alloc_table(sgt, nr, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	sg = sgt->sgl;
	for (i = 0; i < d->runs->nr; i++) {
		const struct daxlease_run *run = &d->runs->runs[i];

		for (done = 0; done < run->count; done += n, sg = sg_next(sg)) {
			n = min_t(u64, run->count - done, most);
			sg_set_page(sg, pfn_to_page(run->pfn + done), n << PAGE_SHIFT, 0);
		}
	}
	return 0;
}

static bool translated(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && (domain->type & __IOMMU_DOMAIN_PAGING);
}

/* A bounce buffer (swiotlb) would stay reachable after the fence and lose what the device wrote. */
static bool bounced(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	if (translated(dev))
		return false;
	for_each_sgtable_sg(sgt, sg, i)
		if (sg_dma_address(sg) != phys_to_dma(dev, sg_phys(sg)))
			return true;
	return false;
}

/* Lazy domains (the default) leave the IOTLB as it is for some milliseconds after an unmapping. */
static void flush_iotlb(struct device *dev)
{
	if (translated(dev))
		iommu_flush_iotlb_all(iommu_get_domain_for_dev(dev));
}

static void unmap(struct device *dev, struct sg_table *sgt, enum dma_data_direction dir)
{
	dma_unmap_sgtable(dev, sgt, dir, 0);
	flush_iotlb(dev);
}

static struct sg_table *map_live(struct dl_dmabuf *d, struct device *dev,
				 enum dma_data_direction dir)
{
	struct sg_table *sgt = kzalloc(sizeof(*sgt), GFP_KERNEL_ACCOUNT);
	int err;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = fill_table(d, dev, sgt);
	if (err)
		goto out_free;
	err = dma_map_sgtable(dev, sgt, dir, 0);
	if (err)
		goto out_table;
	if (!bounced(dev, sgt))
		return sgt;
	pr_warn_ratelimited("lease %llu: %s cannot reach its pages but through bounce buffers\n",
			    d->lease->id, dev_name(dev));
	err = -EOPNOTSUPP;
	unmap(dev, sgt, dir);
out_table:
	sg_free_table(sgt);
out_free:
	kfree(sgt);
	return ERR_PTR(err);
}

static struct sg_table *dmabuf_map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct dl_dmabuf *d = attach->dmabuf->priv;
	struct sg_table *sgt;
	unsigned int noio;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (d->dead)
		return ERR_PTR(-EKEYREVOKED);
	if (!d->write && dir != DMA_TO_DEVICE)
		return ERR_PTR(-EACCES);
	/* A fence may be waiting for the reservation lock, with filesystem locks held. */
	noio = memalloc_noio_save();
	sgt = map_live(d, attach->dev, dir);
	memalloc_noio_restore(noio);
	if (!IS_ERR(sgt))
		d->mapped++;
	return sgt;
}

static void dmabuf_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			 enum dma_data_direction dir)
{
	struct dl_dmabuf *d = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	unmap(attach->dev, sgt, dir);
	sg_free_table(sgt);
	kfree(sgt);
	d->mapped--;
}

static bool dmabuf_fence(void *priv, u64 first, u64 count)
{
	struct dl_dmabuf *d = priv;
	bool gone;

	dma_resv_lock(d->buf->resv, NULL);
	d->dead = true;
	dma_buf_move_notify(d->buf);
	gone = !d->mapped;
	dma_resv_unlock(d->buf->resv);
	return gone;
}

static const struct daxlease_consumer_ops consumer_ops = {
	.name = "dma-buf",
	.whole = true,
	.fence = dmabuf_fence,
};

static void dmabuf_release(struct dma_buf *buf)
{
	struct dl_dmabuf *d = buf->priv;

	WARN_ON(d->mapped);
	if (d->att)
		daxlease_detach(d->att);
	dl_extents_free(d->runs);
	kfree(d);
}

static const struct dma_buf_ops dmabuf_ops = {
	.attach = dmabuf_attach,
	.pin = dmabuf_pin,
	.unpin = dmabuf_unpin,
	.map_dma_buf = dmabuf_map,
	.unmap_dma_buf = dmabuf_unmap,
	.release = dmabuf_release,
};

static struct dl_dmabuf *alloc_dmabuf(struct daxlease *lease, struct dl_range range, bool write)
{
	struct dl_dmabuf *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);

	if (!d)
		return NULL;
	d->lease = lease;
	d->first = range.first - lease->range.first;
	d->count = dl_range_pages(range);
	d->write = write;
	return d;
}

static struct dma_buf *export(struct dl_dmabuf *d)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	info.ops = &dmabuf_ops;
	info.size = d->count << PAGE_SHIFT;
	info.flags = d->write ? O_RDWR : O_RDONLY;
	info.priv = d;
	return dma_buf_export(&info);
}

/* Its runs: they do not change while it lives, and when it is dead nobody asks. */
static int record(struct dl_dmabuf *d)
{
	struct daxlease_run run;
	u64 page, n;
	int err = 0;

	for (page = 0; !err && page < d->count; page += n) {
		if (!daxlease_run_at(d->lease, d->first + page, &run))
			return -EFAULT;
		n = min(run.count, d->count - page);
		err = dl_extents_append(&d->runs, n, run.pfn);
	}
	if (!err)
		dl_extents_trim(&d->runs);
	return err;
}

/**
 * dl_dmabuf_create() - a dma-buf of some pages of a lease
 * @lease: the lease, published
 * @range: pages of the file, within the lease
 * @write: devices may write; only of a write lease
 *
 * Context: process context, may sleep, no locks.
 * Return: the dma-buf, its reference the caller's, to be dropped with dma_buf_put(); or ERR_PTR:
 * -EKEYREVOKED: part of the range is lost; -ENOMEM.
 */
struct dma_buf *dl_dmabuf_create(struct daxlease *lease, struct dl_range range, bool write)
{
	struct dl_dmabuf *d;
	struct dma_buf *buf;
	int err;

	d = alloc_dmabuf(lease, range, write);
	if (!d)
		return ERR_PTR(-ENOMEM);
	buf = export(d);
	if (IS_ERR(buf)) {
		kfree(d);
		return buf;
	}
	/* From here on the release of the dma-buf cleans up; nobody else has it yet. */
	d->buf = buf;
	d->att = daxlease_attach(lease, d->first, d->count, &consumer_ops, d);
	err = PTR_ERR_OR_ZERO(d->att);
	if (err)
		d->att = NULL;
	else
		err = record(d);
	if (!err)
		return buf;
	dma_buf_put(buf);
	return ERR_PTR(err);
}

/**
 * daxlease_attach_dmabuf() - daxlease_attach() by way of a dma-buf
 * @buf: any dma-buf, a reference of which the caller keeps during the call
 * @first: first page, counted from the start of the dma-buf
 * @count: pages
 * @write: the consumer will write
 * @ops: as for daxlease_attach(); a consumer that loses all or nothing
 * @priv: given to @ops
 *
 * For drivers without a DMA device, which cannot import a dma-buf as others do. The attachment
 * does not need the dma-buf afterwards.
 * Context: as for daxlease_attach().
 * Return: the attachment, or ERR_PTR: -EINVAL: not a dma-buf of a lease, or not within it; -EACCES:
 * @write and the dma-buf is for reading; -EKEYREVOKED: revoked; else as daxlease_attach().
 */
struct daxlease_attachment *daxlease_attach_dmabuf(struct dma_buf *buf, u64 first, u64 count,
						   bool write,
						   const struct daxlease_consumer_ops *ops,
						   void *priv)
{
	struct daxlease_attachment *att;
	struct dl_dmabuf *d;
	bool dead;

	if (buf->ops != &dmabuf_ops)
		return ERR_PTR(-EINVAL);
	d = buf->priv;
	if (!ops->whole || !count || first + count < first || first + count > d->count)
		return ERR_PTR(-EINVAL);
	if (write && !d->write)
		return ERR_PTR(-EACCES);
	att = daxlease_attach(d->lease, d->first + first, count, ops, priv);
	if (IS_ERR(att))
		return att;
	/*
	 * Attached first: a dma-buf that is alive now was alive then, and every fence from then on
	 * hits the attachment, too. A dead one may belong to a lease that was re-armed since.
	 */
	dma_resv_lock(buf->resv, NULL);
	dead = d->dead;
	dma_resv_unlock(buf->resv);
	if (!dead)
		return att;
	daxlease_detach(att);
	return ERR_PTR(-EKEYREVOKED);
}
EXPORT_SYMBOL_GPL(daxlease_attach_dmabuf);

MODULE_IMPORT_NS(DMA_BUF);
