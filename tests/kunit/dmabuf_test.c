// SPDX-License-Identifier: GPL-2.0
/*
 * dmabuf: the exporter against importers of every temper: one that lets go, one that never does,
 * one that maps again at once, strangers.
 */
#include <kunit/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>

#include "dmabuf.h"
#include "rig.h"

enum temper { LETS_GO, NEVER, AGAIN };

/* A device that has attached to a dma-buf and may have it mapped */
struct importer {
	struct dma_buf *buf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	enum temper temper;
	unsigned int notified;
	int again;		/* what mapping again came to */
};

static int map_locked(struct importer *im, enum dma_data_direction dir)
{
	struct sg_table *sgt = dma_buf_map_attachment(im->attach, dir);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	im->sgt = sgt;
	im->dir = dir;
	return 0;
}

static void unmap_locked(struct importer *im)
{
	if (im->sgt)
		dma_buf_unmap_attachment(im->attach, im->sgt, im->dir);
	im->sgt = NULL;
}

static int map(struct importer *im, enum dma_data_direction dir)
{
	int err;

	dma_resv_lock(im->buf->resv, NULL);
	err = map_locked(im, dir);
	dma_resv_unlock(im->buf->resv);
	return err;
}

static void unmap(struct importer *im)
{
	dma_resv_lock(im->buf->resv, NULL);
	unmap_locked(im);
	dma_resv_unlock(im->buf->resv);
}

static int pin(struct importer *im)
{
	int err;

	dma_resv_lock(im->buf->resv, NULL);
	err = dma_buf_pin(im->attach);
	dma_resv_unlock(im->buf->resv);
	return err;
}

static void unpin(struct importer *im)
{
	dma_resv_lock(im->buf->resv, NULL);
	dma_buf_unpin(im->attach);
	dma_resv_unlock(im->buf->resv);
}

/* Importers are known by the name of this function, so the mock has that of one that is. */
static void mlx5_ib_dmabuf_invalidate_cb(struct dma_buf_attachment *attach)
{
	struct importer *im = attach->importer_priv;

	im->notified++;
	if (im->temper == NEVER)
		return;
	unmap_locked(im);
	if (im->temper == AGAIN)
		im->again = map_locked(im, DMA_TO_DEVICE);
}

static void strangers_move_notify(struct dma_buf_attachment *attach)
{
}

/* The other name */
static void ib_umem_dmabuf_revoke_locked(struct dma_buf_attachment *attach)
{
	mlx5_ib_dmabuf_invalidate_cb(attach);
}

static const struct dma_buf_attach_ops known_ops = {
	.move_notify = mlx5_ib_dmabuf_invalidate_cb,
};

static const struct dma_buf_attach_ops revocable_ops = {
	.move_notify = ib_umem_dmabuf_revoke_locked,
};

static const struct dma_buf_attach_ops stranger_ops = {
	.move_notify = strangers_move_notify,
};

static struct device *device(struct kunit *test, u64 mask)
{
	static unsigned int nr;
	struct device *dev;
	char name[16];

	snprintf(name, sizeof(name), "importer-%u", nr++);
	dev = kunit_device_register(test, name);
	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	KUNIT_ASSERT_EQ(test, dma_coerce_mask_and_coherent(dev, mask), 0);
	return dev;
}

static void put(void *buf)
{
	dma_buf_put(buf);
	flush_delayed_fput();
}

/* A dma-buf of some pages of a lease that begins with its file */
static struct dma_buf *export(struct kunit *test, struct daxlease *lease, u64 first, u64 last,
			      bool write)
{
	struct dma_buf *buf = dl_dmabuf_create(lease, (struct dl_range){ first, last }, write);

	KUNIT_ASSERT_FALSE(test, IS_ERR(buf));
	kunit_add_action_or_reset(test, put, buf);
	return buf;
}

static void detach(void *arg)
{
	struct importer *im = arg;

	unmap(im);
	dma_buf_detach(im->buf, im->attach);
}

static struct importer *import_by(struct kunit *test, struct dma_buf *buf, enum temper temper,
				  const struct dma_buf_attach_ops *ops)
{
	struct importer *im = kunit_kzalloc(test, sizeof(*im), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, im);
	im->buf = buf;
	im->temper = temper;
	im->attach = dma_buf_dynamic_attach(buf, device(test, DMA_BIT_MASK(64)), ops, im);
	KUNIT_ASSERT_FALSE(test, IS_ERR(im->attach));
	kunit_add_action_or_reset(test, detach, im);
	return im;
}

static struct importer *import(struct kunit *test, struct dma_buf *buf, enum temper temper)
{
	return import_by(test, buf, temper, &known_ops);
}

static struct daxlease *four_granules(struct kunit *test)
{
	return rig_lease(test, test->priv, 0, 4 * GRANULE - 1, LONG_GRACE);
}

static bool clear(struct kunit *test)
{
	struct rig *rig = test->priv;

	return dl_gate_clear(rig->gate, DL_RANGE_ALL);
}

static void an_importer_gets_the_pages(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dma_buf *buf = export(test, four_granules(test), 5, 7, true);
	struct importer *im = import(test, buf, LETS_GO);
	struct scatterlist *sg;
	int i;

	KUNIT_EXPECT_EQ(test, buf->size, 3 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
	KUNIT_EXPECT_EQ(test, im->sgt->nents, 3);	/* the rig has one page for all */
	for_each_sgtable_dma_sg(im->sgt, sg, i) {
		KUNIT_EXPECT_EQ(test, sg_dma_address(sg), page_to_phys(rig->page));
		KUNIT_EXPECT_EQ(test, sg_dma_len(sg), PAGE_SIZE);
	}
	unmap(im);
	KUNIT_EXPECT_EQ(test, im->notified, 0);
}

static void nothing_is_asked_before_the_fence(struct kunit *test)
{
	struct daxlease *lease = four_granules(test);
	struct importer *im = import(test, export(test, lease, 0, GRANULE, true), LETS_GO);

	KUNIT_ASSERT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
	rig_break(lease, 0, 0);
	KUNIT_EXPECT_EQ(test, im->notified, 0);
	unmap(im);
	KUNIT_EXPECT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, im->notified, 1);
	KUNIT_EXPECT_NULL(test, im->sgt);
	KUNIT_EXPECT_EQ(test, map(im, DMA_BIDIRECTIONAL), -EKEYREVOKED);
	KUNIT_EXPECT_EQ(test, map(im, DMA_TO_DEVICE), -EKEYREVOKED);
}

static void who_never_lets_go_holds_the_fence(struct kunit *test)
{
	struct daxlease *lease = rig_lease(test, test->priv, 0, GRANULE - 1, LONG_GRACE);
	struct dma_buf *buf = export(test, lease, 0, 0, true);
	struct importer *good = import(test, buf, LETS_GO), *bad = import(test, buf, NEVER);
	struct helper *waiter;

	KUNIT_ASSERT_EQ(test, map(good, DMA_BIDIRECTIONAL), 0);
	KUNIT_ASSERT_EQ(test, map(bad, DMA_BIDIRECTIONAL), 0);
	rig_break(lease, 0, 0);
	waiter = helper_start(test, call_wait_whole_file, test->priv);
	KUNIT_EXPECT_FALSE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, good->notified, 1);
	KUNIT_EXPECT_EQ(test, bad->notified, 1);
	KUNIT_EXPECT_FALSE(test, clear(test));
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_FALSE(test, completion_done(&waiter->done));

	/* It is asked again, and when it has unmapped the operation goes on */
	KUNIT_EXPECT_FALSE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, bad->notified, 2);
	unmap(bad);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, helper_join(test, waiter), 0);
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 0));
}

static void who_maps_again_at_once_gets_nothing(struct kunit *test)
{
	struct daxlease *lease = four_granules(test);
	struct importer *im = import(test, export(test, lease, 0, 0, true), AGAIN);

	KUNIT_ASSERT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, im->again, -EKEYREVOKED);
	KUNIT_EXPECT_NULL(test, im->sgt);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
}

/* As the dma-buf core does for every mapping where CONFIG_DMABUF_MOVE_NOTIFY is off */
static void what_is_pinned_is_revoked_too(struct kunit *test)
{
	struct daxlease *lease = four_granules(test);
	struct importer *im = import(test, export(test, lease, 0, 0, true), LETS_GO);

	KUNIT_ASSERT_EQ(test, pin(im), 0);
	KUNIT_ASSERT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_NULL(test, im->sgt);
	unpin(im);
	KUNIT_EXPECT_EQ(test, pin(im), -EKEYREVOKED);
}

/* ib_umem's revocable kind: pinned once, mapped once, revoked for good */
static void what_is_pinned_revocably_is_let_in(struct kunit *test)
{
	struct daxlease *lease = four_granules(test);
	struct importer *im = import_by(test, export(test, lease, 0, 0, true), LETS_GO,
					&revocable_ops);

	KUNIT_ASSERT_EQ(test, pin(im), 0);
	KUNIT_ASSERT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, im->notified, 1);
	KUNIT_EXPECT_NULL(test, im->sgt);
	unpin(im);
}

static void strangers_are_refused(struct kunit *test)
{
	struct dma_buf *buf = export(test, four_granules(test), 0, 0, true);
	struct device *dev = device(test, DMA_BIT_MASK(64));

	KUNIT_EXPECT_EQ(test, PTR_ERR(dma_buf_dynamic_attach(buf, dev, &stranger_ops, test)),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, PTR_ERR(dma_buf_attach(buf, dev)), -EOPNOTSUPP);
	KUNIT_EXPECT_TRUE(test, list_empty(&buf->attachments));
}

static const struct {
	const char *desc;
	bool write;
	enum dma_data_direction dir;
	int err;
} directions[] = {
	{ "read, to the device", false, DMA_TO_DEVICE, 0 },
	{ "read, from the device", false, DMA_FROM_DEVICE, -EACCES },
	{ "read, both", false, DMA_BIDIRECTIONAL, -EACCES },
	{ "write, to the device", true, DMA_TO_DEVICE, 0 },
	{ "write, from the device", true, DMA_FROM_DEVICE, 0 },
	{ "write, both", true, DMA_BIDIRECTIONAL, 0 },
};

KUNIT_ARRAY_PARAM_DESC(directions, directions, desc);

static void reading_gives_no_writing(struct kunit *test)
{
	const typeof(directions[0]) *row = test->param_value;
	struct dma_buf *buf = export(test, four_granules(test), 0, 0, row->write);

	KUNIT_EXPECT_EQ(test, map(import(test, buf, LETS_GO), row->dir), row->err);
}

static void a_part_lost_is_all_lost(struct kunit *test)
{
	struct daxlease *lease = four_granules(test);
	struct dma_buf *buf = export(test, lease, GRANULE, 3 * GRANULE - 1, true);
	struct importer *im = import(test, buf, LETS_GO);
	struct dl_range lost = { 2 * GRANULE, 4 * GRANULE - 1 };

	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, im->notified, 0);
	KUNIT_ASSERT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
	rig_break(lease, 2 * GRANULE, 2 * GRANULE);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_NULL(test, im->sgt);
	KUNIT_EXPECT_EQ(test, map(im, DMA_BIDIRECTIONAL), -EKEYREVOKED);

	/* What is left can be exported anew, what is lost cannot */
	KUNIT_EXPECT_EQ(test, PTR_ERR(dl_dmabuf_create(lease, lost, true)), -EKEYREVOKED);
	flush_delayed_fput();
	im = import(test, export(test, lease, 3 * GRANULE, 4 * GRANULE - 1, true), LETS_GO);
	KUNIT_EXPECT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
}

static void it_keeps_the_object_and_not_the_lease(struct kunit *test)
{
	struct daxlease *lease = four_granules(test);
	struct importer *im = import(test, export(test, lease, 0, 0, true), LETS_GO);

	KUNIT_ASSERT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
	KUNIT_EXPECT_TRUE(test, dl_lease_end(lease));
	KUNIT_EXPECT_TRUE(test, clear(test));
	KUNIT_EXPECT_EQ(test, map(im, DMA_BIDIRECTIONAL), -EKEYREVOKED);
	/* The case ends with the lease, then the importer and the dma-buf: rig.c counts */
}

/* As REARM does it, but for the file */
static void rearm(struct daxlease *lease)
{
	unsigned int noio = dl_fence_lock(lease);

	spin_lock(&lease->gate->lock);
	bitmap_zero(lease->lost, dl_granule_count(lease->range));
	lease->granules_lost = 0;
	lease->generation++;
	spin_unlock(&lease->gate->lock);
	WARN_ON(dl_attach_rearm(lease, lease->range));
	dl_fence_unlock(lease, noio);
}

static void a_rearm_does_not_revive_it(struct kunit *test)
{
	struct daxlease *lease = four_granules(test);
	struct dma_buf *buf = export(test, lease, 0, 0, true);
	struct importer *im = import(test, buf, LETS_GO);
	struct consumer *c;
	unsigned int noio;

	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	noio = dl_fence_lock(lease);
	KUNIT_EXPECT_TRUE(test, dl_attach_can_rearm(lease));
	dl_fence_unlock(lease, noio);
	rearm(lease);
	KUNIT_EXPECT_EQ(test, map(im, DMA_BIDIRECTIONAL), -EKEYREVOKED);
	c = consumer_prepare(test, test->priv, lease);
	KUNIT_EXPECT_EQ(test, PTR_ERR(daxlease_attach_dmabuf(buf, 0, 1, true, &consumer_whole, c)),
			-EKEYREVOKED);
	im = import(test, export(test, lease, 0, 0, true), LETS_GO);
	KUNIT_EXPECT_EQ(test, map(im, DMA_BIDIRECTIONAL), 0);
}

static const struct {
	const char *desc;
	u64 first, count;	/* of a dma-buf of 8 pages, from page 100 of the lease on */
	bool write, whole;
	int err;
} attaches[] = {
	{ "all", 0, 8, false, true, 0 },
	{ "a part", 3, 2, false, true, 0 },
	{ "nothing", 3, 0, false, true, -EINVAL },
	{ "past its end", 7, 2, false, true, -EINVAL },
	{ "beyond", 8, 1, false, true, -EINVAL },
	{ "more than there are pages", 1, U64_MAX, false, true, -EINVAL },
	{ "for writing", 0, 8, true, true, -EACCES },
	{ "by one that can lose a part", 0, 8, false, false, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(attaches, attaches, desc);

static void a_driver_attaches_through_it(struct kunit *test)
{
	const typeof(attaches[0]) *row = test->param_value;
	struct daxlease *lease = four_granules(test);
	struct dma_buf *buf = export(test, lease, 100, 107, false);
	struct consumer *c = consumer_prepare(test, test->priv, lease);
	struct daxlease_attachment *att;
	struct daxlease_run run;

	att = daxlease_attach_dmabuf(buf, row->first, row->count, row->write,
				     row->whole ? &consumer_whole : &consumer_ops, c);
	if (row->err) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(att), row->err);
		return;
	}
	KUNIT_ASSERT_FALSE(test, IS_ERR(att));
	c->att = att;
	KUNIT_EXPECT_TRUE(test, daxlease_attached_run(att, row->count - 1, &run));
	KUNIT_EXPECT_EQ(test, run.first, row->count - 1);
	KUNIT_EXPECT_EQ(test, run.count, 1);
	KUNIT_EXPECT_FALSE(test, daxlease_attached_run(att, row->count, &run));
	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, c->fences, 1);
	KUNIT_EXPECT_EQ(test, c->last.first, 100 + row->first);
	KUNIT_EXPECT_EQ(test, c->pages, row->count);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(an_importer_gets_the_pages),
	KUNIT_CASE(nothing_is_asked_before_the_fence),
	KUNIT_CASE(who_never_lets_go_holds_the_fence),
	KUNIT_CASE(who_maps_again_at_once_gets_nothing),
	KUNIT_CASE(what_is_pinned_is_revoked_too),
	KUNIT_CASE(what_is_pinned_revocably_is_let_in),
	KUNIT_CASE(strangers_are_refused),
	KUNIT_CASE_PARAM(reading_gives_no_writing, directions_gen_params),
	KUNIT_CASE(a_part_lost_is_all_lost),
	KUNIT_CASE(it_keeps_the_object_and_not_the_lease),
	KUNIT_CASE(a_rearm_does_not_revive_it),
	KUNIT_CASE_PARAM(a_driver_attaches_through_it, attaches_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "dmabuf",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
