// SPDX-License-Identifier: GPL-2.0
/*
 * granule: module/vfio_type1/dl_granule.h. Leaves of the IOMMU's page table, as iommu_map() makes
 * them, never lie in two calls and never cross the edge of a granule, whatever the page sizes.
 */
#include <kunit/test.h>
#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/prandom.h>

#include "dl_granule.h"

#define ROUNDS		1500

static const struct {
	const char *desc;
	u64 sizes;		/* page sizes of the IOMMU, in pages */
} iommus[] = {
	{ "4 KiB", 1 },
	{ "4 KiB, 2 MiB", 1 | 512 },
	{ "4 KiB, 2 MiB, 1 GiB", 1 | 512 | 262144 },
	{ "4 KiB, 64 KiB, 2 MiB, 32 MiB", 1 | 16 | 512 | 8192 },
	{ "4 KiB, 8 MiB", 1 | 2048 },
	{ "every power of two", BIT_ULL(27) - 1 },
};

KUNIT_ARRAY_PARAM_DESC(iommus, iommus, desc);

/* iommu_pgsize(): the largest page that is aligned on both sides and not too long */
static u64 leaf(u64 sizes, u64 iova, u64 pfn, u64 left)
{
	u64 both = iova | pfn;

	sizes &= GENMASK_ULL(__fls(left), 0);
	if (both)
		sizes &= GENMASK_ULL(__ffs(both), 0);
	return BIT_ULL(__fls(sizes));
}

static struct dl_span random_span(struct rnd_state *rnd, int round)
{
	struct dl_span s = {
		.pgoff = prandom_u32_state(rnd) % 1500,
		.pages = 1 + prandom_u32_state(rnd) % (round % 50 ? 4000 : 700000),
		.iova_page = prandom_u32_state(rnd) % 4096,
	};

	if (prandom_u32_state(rnd) % 2)
		s.iova_page = s.iova_page / DL_GRANULE * DL_GRANULE + s.pgoff % DL_GRANULE;
	return s;
}

static void check_tiling(struct kunit *test, const struct dl_span *s)
{
	u64 nr = dl_granules(s), g;

	KUNIT_ASSERT_EQ(test, dl_granule_start(s, 0), 0);
	KUNIT_ASSERT_EQ(test, dl_granule_start(s, nr), s->pages);
	for (g = 0; g < nr; g++) {
		u64 a = dl_granule_start(s, g), b = dl_granule_start(s, g + 1);

		KUNIT_ASSERT_LT(test, a, b);
		KUNIT_ASSERT_LE(test, b - a, DL_GRANULE);
		KUNIT_ASSERT_EQ(test, dl_granule_of(s, a), g);
		KUNIT_ASSERT_EQ(test, dl_granule_of(s, b - 1), g);
	}
}

/* One iommu_map() call: @page to @end, at @pfn */
static void check_call(struct kunit *test, const struct dl_span *s, u64 sizes, u64 page, u64 end,
		       u64 pfn)
{
	u64 n;

	for (; page < end; page += n, pfn += n) {
		n = leaf(sizes, s->iova_page + page, pfn, end - page);
		if (page + n <= end && dl_granule_of(s, page) == dl_granule_of(s, page + n - 1))
			continue;
		KUNIT_FAIL_AND_ABORT(test, "pgoff %llu iova %llu: leaf of %llu pages at page %llu",
				     s->pgoff, s->iova_page, n, page);
	}
}

static void leaves_stay_in_granules(struct kunit *test)
{
	const typeof(iommus[0]) *row = test->param_value;
	u64 above = row->sizes & ~(2 * DL_GRANULE - 1);
	u64 larger = above ? above & -above : 0;
	struct rnd_state rnd;
	int round;

	prandom_seed_state(&rnd, 1);
	for (round = 0; round < ROUNDS; round++) {
		struct dl_span s = random_span(&rnd, round);
		u64 page, end, run_end = 0, pfn = 0;

		check_tiling(test, &s);
		for (page = 0; page < s.pages; pfn += end - page, page = end) {
			if (page >= run_end) {
				run_end = min(page + 1 + prandom_u32_state(&rnd) % 3000, s.pages);
				pfn = prandom_u32_state(&rnd) % 3 ?
					BIT_ULL(20) + (s.iova_page + page) % 262144 :
					1000000 + prandom_u32_state(&rnd) % 10000;
			}
			end = dl_call_end(&s, page, larger);
			KUNIT_ASSERT_GT(test, end, page);
			KUNIT_ASSERT_LE(test, end, s.pages);
			KUNIT_ASSERT_LE(test, end - page, DL_MAX_CALL);
			end = min(end, run_end);
			check_call(test, &s, row->sizes, page, end, pfn);
		}
	}
}

/* Without this a fence of one granule would be a matter of small pages only */
static void congruent_calls_are_long(struct kunit *test)
{
	struct dl_span s = { .pgoff = 512, .pages = 8 * DL_GRANULE, .iova_page = 1024 };

	KUNIT_EXPECT_TRUE(test, dl_congruent(&s));
	KUNIT_EXPECT_EQ(test, dl_call_end(&s, 0, 262144), s.pages);
	KUNIT_EXPECT_EQ(test, dl_call_end(&s, 0, 0), s.pages);
	KUNIT_EXPECT_EQ(test, dl_call_end(&s, 0, 2 * DL_GRANULE), DL_GRANULE);
	s.iova_page++;
	KUNIT_EXPECT_FALSE(test, dl_congruent(&s));
	KUNIT_EXPECT_EQ(test, dl_call_end(&s, 0, 262144), DL_GRANULE);
	KUNIT_EXPECT_EQ(test, dl_call_end(&s, 5, 262144), DL_GRANULE);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(leaves_stay_in_granules, iommus_gen_params),
	KUNIT_CASE(congruent_calls_are_long),
	{}
};

static struct kunit_suite suite = {
	.name = "granule",
	.test_cases = cases,
};

kunit_test_suite(suite);
