// SPDX-License-Identifier: GPL-2.0
/* range: bytes to pages, outward and inward; pages to granules. */
#include <kunit/test.h>

#include "range.h"

#define P	4096LL
#define G	((s64)DL_GRANULE_PAGES)
#define NONE	DL_RANGE_NONE
#define ALL	DL_RANGE_ALL

static bool same(struct dl_range a, struct dl_range b)
{
	return (dl_range_empty(a) && dl_range_empty(b)) || (a.first == b.first && a.last == b.last);
}

static void expect_range(struct kunit *test, struct dl_range got, struct dl_range want)
{
	KUNIT_EXPECT_TRUE_MSG(test, same(got, want), "[%llu, %llu], not [%llu, %llu]", got.first,
			      got.last, want.first, want.last);
}

struct bytes {
	const char *desc;
	s64 a, b;
	struct dl_range want;
};

static const struct bytes touched[] = {
	{ "nothing", 5 * P, 0, NONE },
	{ "one byte", 5 * P, 1, { 5, 5 } },
	{ "the last byte of a page", 5 * P - 1, 1, { 4, 4 } },
	{ "one page", 5 * P, P, { 5, 5 } },
	{ "one page and a byte", 5 * P, P + 1, { 5, 6 } },
	{ "two bytes over an edge", 5 * P - 1, 2, { 4, 5 } },
	{ "an unaligned page", 5 * P + 1, P, { 5, 6 } },
	{ "from the start", 0, 10 * P, { 0, 9 } },
	{ "to the largest offset", S64_MAX, 1, { S64_MAX >> 12, S64_MAX >> 12 } },
	{ "past the largest offset", S64_MAX, S64_MAX, { S64_MAX >> 12, (U64_MAX - 2) >> 12 } },
	{ "a negative offset", -1, P, ALL },
	{ "a negative length", P, -P, ALL },
};

KUNIT_ARRAY_PARAM_DESC(touched, touched, desc);

static void touched_rounds_outward(struct kunit *test)
{
	const struct bytes *row = test->param_value;

	expect_range(test, dl_range_touched(row->a, row->b), row->want);
}

static const struct bytes from[] = {
	{ "the start", 0, 0, ALL },
	{ "the first byte of a page", 5 * P, 0, { 5, DL_PAGE_MAX } },
	{ "the last byte of a page", 6 * P - 1, 0, { 5, DL_PAGE_MAX } },
	{ "the second byte of a page", 5 * P + 1, 0, { 5, DL_PAGE_MAX } },
	{ "the largest offset", S64_MAX, 0, { S64_MAX >> 12, DL_PAGE_MAX } },
	{ "a negative offset", -1, 0, ALL },
};

KUNIT_ARRAY_PARAM_DESC(from, from, desc);

static void from_rounds_down(struct kunit *test)
{
	const struct bytes *row = test->param_value;

	expect_range(test, dl_range_from(row->a), row->want);
}

static const struct bytes whole[] = {
	{ "one page", 5 * P, 6 * P - 1, { 5, 5 } },
	{ "one byte less", 5 * P, 6 * P - 2, NONE },
	{ "one byte later", 5 * P + 1, 6 * P - 1, NONE },
	{ "one page within parts of two", 5 * P - 1, 6 * P, { 5, 5 } },
	{ "parts of two pages", 5 * P + 1, 7 * P - 2, NONE },
	{ "the empty range", 5 * P, 5 * P - 1, NONE },
	{ "a range that runs backwards", 5 * P, 3 * P - 1, NONE },
	{ "to the end", 5 * P, -1, { 5, DL_PAGE_MAX } },
	{ "from within a page to the end", 5 * P + 1, -1, { 6, DL_PAGE_MAX } },
	{ "all of the file", 0, -1, ALL },
	{ "to the largest offset", 0, S64_MAX, { 0, S64_MAX >> 12 } },
	{ "a negative start", -P, 5 * P, ALL },
};

KUNIT_ARRAY_PARAM_DESC(whole, whole, desc);

static void whole_pages_round_inward(struct kunit *test)
{
	const struct bytes *row = test->param_value;

	expect_range(test, dl_range_whole_pages(row->a, row->b), row->want);
}

static const struct {
	const char *desc;
	struct dl_range a, b, clip, span;
} pairs[] = {
	{ "apart", { 1, 2 }, { 5, 6 }, NONE, { 1, 6 } },
	{ "adjacent", { 1, 2 }, { 3, 4 }, NONE, { 1, 4 } },
	{ "sharing a page", { 1, 3 }, { 3, 4 }, { 3, 3 }, { 1, 4 } },
	{ "one in the other", { 1, 9 }, { 3, 4 }, { 3, 4 }, { 1, 9 } },
	{ "the same", { 3, 4 }, { 3, 4 }, { 3, 4 }, { 3, 4 } },
	{ "one empty", { 3, 4 }, NONE, NONE, { 3, 4 } },
	{ "an empty one within", { 3, 9 }, { 6, 5 }, NONE, { 3, 9 } },
	{ "both empty", NONE, NONE, NONE, NONE },
	{ "all and a page", ALL, { 7, 7 }, { 7, 7 }, ALL },
};

KUNIT_ARRAY_PARAM_DESC(pairs, pairs, desc);

static void pairs_clip_and_span(struct kunit *test)
{
	const typeof(pairs[0]) *row = test->param_value;

	expect_range(test, dl_range_clip(row->a, row->b), row->clip);
	expect_range(test, dl_range_clip(row->b, row->a), row->clip);
	expect_range(test, dl_range_span(row->a, row->b), row->span);
	expect_range(test, dl_range_span(row->b, row->a), row->span);
	KUNIT_EXPECT_EQ(test, dl_range_overlaps(row->a, row->b), !dl_range_empty(row->clip));
	KUNIT_EXPECT_EQ(test, dl_range_overlaps(row->b, row->a), !dl_range_empty(row->clip));
}

static const struct {
	const char *desc;
	struct dl_range lease;
	u64 count;
	struct dl_range first, last;
} leases[] = {
	{ "one page", { 5, 5 }, 1, { 5, 5 }, { 5, 5 } },
	{ "one granule", { G, 2 * G - 1 }, 1, { G, 2 * G - 1 }, { G, 2 * G - 1 } },
	{ "one page more", { G, 2 * G }, 2, { G, 2 * G - 1 }, { 2 * G, 2 * G } },
	{ "two pages over an edge", { G - 1, G }, 2, { G - 1, G - 1 }, { G, G } },
	{ "parts of three", { G - 3, 2 * G + 4 }, 3, { G - 3, G - 1 }, { 2 * G, 2 * G + 4 } },
	{ "far into the file", { 1000 * G + 1, 1004 * G }, 5, { 1000 * G + 1, 1001 * G - 1 },
	  { 1004 * G, 1004 * G } },
};

KUNIT_ARRAY_PARAM_DESC(leases, leases, desc);

static void granules_tile_a_lease(struct kunit *test)
{
	const typeof(leases[0]) *row = test->param_value;
	u64 page = row->lease.first, g;

	KUNIT_ASSERT_EQ(test, dl_granule_count(row->lease), row->count);
	expect_range(test, dl_granule_pages(row->lease, 0, 0), row->first);
	expect_range(test, dl_granule_pages(row->lease, row->count - 1, row->count - 1), row->last);
	expect_range(test, dl_granule_pages(row->lease, 0, row->count - 1), row->lease);
	for (g = 0; g < row->count; g++) {
		struct dl_range pages = dl_granule_pages(row->lease, g, g);

		KUNIT_EXPECT_EQ(test, pages.first, page);
		KUNIT_EXPECT_EQ(test, dl_granule_of(row->lease, pages.first), g);
		KUNIT_EXPECT_EQ(test, dl_granule_of(row->lease, pages.last), g);
		page = pages.last + 1;
	}
	KUNIT_EXPECT_EQ(test, page, row->lease.last + 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(touched_rounds_outward, touched_gen_params),
	KUNIT_CASE_PARAM(from_rounds_down, from_gen_params),
	KUNIT_CASE_PARAM(whole_pages_round_inward, whole_gen_params),
	KUNIT_CASE_PARAM(pairs_clip_and_span, pairs_gen_params),
	KUNIT_CASE_PARAM(granules_tile_a_lease, leases_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "range",
	.test_cases = cases,
};

kunit_test_suite(suite);
