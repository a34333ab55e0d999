// SPDX-License-Identifier: GPL-2.0
/*
 * table: module/vfio_type1/dl_table.c over an IOMMU made of an array. It uses 2 MiB leaves where it
 * can, and can be told to lie, to fail, or to keep a page; it counts what does harm on VT-d: leaves
 * that are cut, and unmaps of holes.
 */
#include <linux/iommu.h>

#include "rig.h"

/* The drop-in and the core, which never meet in one file, both have a function of this name */
#define dl_granule_of	dl_span_granule_of
#include "dl_seg.h"
#undef dl_granule_of

#undef GRANULE
#define GRANULE		((unsigned long)DL_GRANULE)
#define NR		4				/* granules of the segment */
#define PAGES		(NR * GRANULE)
#define BASE		0x40000000UL			/* IOVA of the segment */

enum fault { NONE, UNMAPS_NOTHING, SAYS_NOTHING, LEAVES_LAST, STUCK };

/**
 * struct board - the IOMMU and what is behind it
 * @phys: by page: where it is mapped to, 0: not
 * @leaf: by page: pages of the leaf it is in
 * @fault: what goes wrong with unmap
 * @cut: leaves that were cut
 * @holes: pages that were unmapped and not mapped
 * @flushes: whole flushes, and syncs
 * @maps_left: map calls until they fail
 */
struct board {
	struct iommu_domain domain;
	struct dl_domain dd;
	struct dl_container c;
	struct dl_seg seg;
	struct daxlease *lease;
	phys_addr_t phys[PAGES];
	u16 leaf[PAGES];
	enum fault fault;
	unsigned int cut;
	unsigned int holes;
	unsigned int flushes;
	unsigned int maps_left;
	DECLARE_BITMAP(live, NR);
	DECLARE_BITMAP(scratch, NR);
};

static struct board *board_of(struct iommu_domain *domain)
{
	return container_of(domain, struct board, domain);
}

static unsigned long page_of(unsigned long iova)
{
	return (iova - BASE) >> PAGE_SHIFT;
}

static int fake_map(struct iommu_domain *domain, unsigned long iova, phys_addr_t paddr,
		    size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	struct board *b = board_of(domain);
	unsigned long page = page_of(iova), n = pgsize >> PAGE_SHIFT, i;

	if (!b->maps_left)
		return -ENOMEM;
	b->maps_left--;
	for (i = 0; i < n * pgcount; i++) {
		b->phys[page + i] = paddr + (i << PAGE_SHIFT);
		b->leaf[page + i] = n;
	}
	*mapped = pgsize * pgcount;
	return 0;
}

static size_t fake_unmap(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
			 size_t pgcount, struct iommu_iotlb_gather *gather)
{
	struct board *b = board_of(domain);
	unsigned long page = page_of(iova), n = (pgsize * pgcount) >> PAGE_SHIFT, i;

	if (b->fault == UNMAPS_NOTHING) {
		b->fault = NONE;
		return n << PAGE_SHIFT;
	}
	for (i = 0; i < n; i++) {
		b->holes += !b->phys[page + i];
		if (b->leaf[page + i] == GRANULE &&
		    (n - i < GRANULE - (page + i) % GRANULE || (!i && page % GRANULE)))
			b->cut++;
		if (b->fault == STUCK)
			continue;
		if (b->fault == LEAVES_LAST && i == n - 1) {
			b->leaf[page + i] = 1;
			continue;
		}
		b->phys[page + i] = 0;
		b->leaf[page + i] = 0;
	}
	if (b->fault == SAYS_NOTHING) {
		b->fault = NONE;
		return 0;
	}
	if (b->fault == LEAVES_LAST)
		b->fault = NONE;
	return n << PAGE_SHIFT;
}

static phys_addr_t fake_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	struct board *b = board_of(domain);

	return page_of(iova) < PAGES ? b->phys[page_of(iova)] : 0;
}

static void fake_flush_all(struct iommu_domain *domain)
{
	board_of(domain)->flushes++;
}

static void fake_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	board_of(domain)->flushes++;
}

static const struct iommu_domain_ops domain_ops = {
	.map_pages = fake_map,
	.unmap_pages = fake_unmap,
	.iova_to_phys = fake_iova_to_phys,
	.flush_iotlb_all = fake_flush_all,
	.iotlb_sync = fake_sync,
};

static struct dl_extents *one_extent(struct kunit *test)
{
	struct dl_extents *ext = NULL;

	KUNIT_ASSERT_EQ(test, dl_extents_append(&ext, PAGES, 1UL << 20), 0);
	return ext;
}

static void free_board(void *board)
{
	kvfree(board);
}

/* A segment of four granules that lie in one piece of memory, aligned for large pages */
static struct board *board(struct kunit *test)
{
	struct board *b = kvzalloc(sizeof(*b), GFP_KERNEL);
	struct rig *rig = test->priv;
	struct dl_extents *old;

	KUNIT_ASSERT_NOT_NULL(test, b);
	kunit_add_action_or_reset(test, free_board, b);
	b->lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	old = rcu_replace_pointer(b->lease->extents, one_extent(test), true);
	dl_extents_free(old);
	b->domain.type = __IOMMU_DOMAIN_PAGING;
	b->domain.ops = &domain_ops;
	b->domain.pgsize_bitmap = SZ_4K | SZ_2M;
	b->domain.geometry.aperture_end = ~0UL;
	b->dd.domain = &b->domain;
	b->maps_left = UINT_MAX;
	mutex_init(&b->c.lock);
	INIT_LIST_HEAD(&b->c.domains);
	INIT_LIST_HEAD(&b->c.segs);
	list_add(&b->dd.node, &b->c.domains);
	b->seg.c = &b->c;
	b->seg.span = (struct dl_span){ .pages = PAGES, .iova_page = BASE >> PAGE_SHIFT };
	b->seg.prot = IOMMU_READ | IOMMU_WRITE;
	b->seg.lease = b->lease;
	b->seg.granules = NR;
	b->seg.live = b->live;
	b->seg.scratch = b->scratch;
	bitmap_fill(b->live, NR);
	return b;
}

static int map_all(struct board *b)
{
	int err;

	mutex_lock(&b->c.lock);
	err = dl_table_map(&b->seg, &b->dd, 0, NR);
	b->seg.mapped = err ? 0 : NR;
	mutex_unlock(&b->c.lock);
	return err;
}

static bool unmap(struct board *b, unsigned long first, unsigned long end)
{
	bool gone;

	mutex_lock(&b->c.lock);
	gone = dl_table_unmap(&b->seg, first, end);
	mutex_unlock(&b->c.lock);
	return gone;
}

static unsigned long mapped(struct board *b, unsigned long first, unsigned long end)
{
	unsigned long page, n = 0;

	for (page = first * GRANULE; page < end * GRANULE; page++)
		n += !!b->phys[page];
	return n;
}

static void live_granules_are_mapped_and_no_others(struct kunit *test)
{
	struct board *b = board(test);

	__clear_bit(1, b->live);
	KUNIT_EXPECT_EQ(test, map_all(b), 0);
	KUNIT_EXPECT_EQ(test, mapped(b, 0, 1), GRANULE);
	KUNIT_EXPECT_EQ(test, mapped(b, 1, 2), 0);
	KUNIT_EXPECT_EQ(test, mapped(b, 2, NR), 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, b->leaf[0], GRANULE);
	KUNIT_EXPECT_EQ(test, b->phys[2 * GRANULE], PFN_PHYS((1UL << 20) + 2 * GRANULE));
}

static void a_fence_takes_its_granules_and_flushes(struct kunit *test)
{
	struct board *b = board(test);

	KUNIT_ASSERT_EQ(test, map_all(b), 0);
	KUNIT_EXPECT_TRUE(test, unmap(b, 1, 2));
	KUNIT_EXPECT_EQ(test, mapped(b, 1, 2), 0);
	KUNIT_EXPECT_EQ(test, mapped(b, 0, NR), 3 * GRANULE);
	KUNIT_EXPECT_EQ(test, b->cut + b->holes, 0);
	KUNIT_EXPECT_NE(test, b->flushes, 0);
	KUNIT_EXPECT_FALSE(test, b->seg.suspect);
}

static void granules_beyond_the_reach_are_not_unmapped(struct kunit *test)
{
	struct board *b = board(test);

	KUNIT_ASSERT_EQ(test, map_all(b), 0);
	b->seg.mapped = 2;
	KUNIT_EXPECT_TRUE(test, unmap(b, 1, NR));
	KUNIT_EXPECT_EQ(test, mapped(b, 2, NR), 2 * GRANULE);
}

struct row {
	const char *desc;
	enum fault fault;
	bool gone;
};

static const struct row faults[] = {
	{ "says it has, and has unmapped nothing", UNMAPS_NOTHING, true },
	{ "says it could not, and has", SAYS_NOTHING, true },
	{ "leaves the last page", LEAVES_LAST, true },
	{ "cannot unmap", STUCK, false },
};

KUNIT_ARRAY_PARAM_DESC(faults, faults, desc);

/* What an IOMMU says is not believed: it is looked at, and if need be page by page */
static void nothing_is_confirmed_unseen(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct board *b = board(test);

	KUNIT_ASSERT_EQ(test, map_all(b), 0);
	b->fault = row->fault;
	KUNIT_EXPECT_EQ(test, unmap(b, 1, 3), row->gone);
	KUNIT_EXPECT_EQ(test, mapped(b, 1, 3), row->gone ? 0 : 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, mapped(b, 0, 1) + mapped(b, 3, NR), 2 * GRANULE);
	KUNIT_EXPECT_TRUE(test, b->seg.suspect);
	KUNIT_EXPECT_EQ(test, b->cut, 0);

	/* Once it works again, so does the fence */
	b->fault = NONE;
	KUNIT_EXPECT_TRUE(test, unmap(b, 1, 3));
	KUNIT_EXPECT_EQ(test, mapped(b, 1, 3), 0);
}

/* A segment in doubt is looked at page by page, and still no leaf is cut and no hole touched */
static void a_sweep_cuts_no_leaf(struct kunit *test)
{
	struct board *b = board(test);

	KUNIT_ASSERT_EQ(test, map_all(b), 0);
	KUNIT_ASSERT_TRUE(test, unmap(b, 1, 2));
	b->seg.suspect = true;
	KUNIT_EXPECT_TRUE(test, unmap(b, 0, NR));
	KUNIT_EXPECT_EQ(test, mapped(b, 0, NR), 0);
	KUNIT_EXPECT_EQ(test, b->cut, 0);
	KUNIT_EXPECT_EQ(test, b->holes, 0);
	KUNIT_EXPECT_NE(test, b->flushes, 0);
}

static void a_map_that_fails_leaves_a_suspect(struct kunit *test)
{
	struct board *b = board(test);

	b->seg.small_pages = true;
	b->maps_left = 700;
	KUNIT_EXPECT_EQ(test, map_all(b), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, b->seg.suspect);
	b->seg.mapped = NR;
	KUNIT_EXPECT_TRUE(test, unmap(b, 0, NR));
	KUNIT_EXPECT_EQ(test, mapped(b, 0, NR), 0);
	KUNIT_EXPECT_EQ(test, b->holes, 0);
}

static void every_domain_has_to_confirm(struct kunit *test)
{
	struct board *b = board(test), *second = board(test);

	KUNIT_ASSERT_EQ(test, map_all(b), 0);
	KUNIT_ASSERT_EQ(test, map_all(second), 0);
	list_move_tail(&second->dd.node, &b->c.domains);
	b->fault = STUCK;
	KUNIT_EXPECT_FALSE(test, unmap(b, 0, 1));
	KUNIT_EXPECT_EQ(test, mapped(second, 0, 1), 0);
	b->fault = NONE;
	second->fault = STUCK;
	KUNIT_EXPECT_FALSE(test, unmap(b, 1, 2));
	second->fault = NONE;
	KUNIT_EXPECT_TRUE(test, unmap(b, 0, 2));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(live_granules_are_mapped_and_no_others),
	KUNIT_CASE(a_fence_takes_its_granules_and_flushes),
	KUNIT_CASE(granules_beyond_the_reach_are_not_unmapped),
	KUNIT_CASE_PARAM(nothing_is_confirmed_unseen, faults_gen_params),
	KUNIT_CASE(a_sweep_cuts_no_leaf),
	KUNIT_CASE(a_map_that_fails_leaves_a_suspect),
	KUNIT_CASE(every_domain_has_to_confirm),
	{}
};

static struct kunit_suite suite = {
	.name = "table",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
