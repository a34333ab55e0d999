// SPDX-License-Identifier: GPL-2.0
/* extent: pages are appended in order, merged into runs, and found again. */
#include <kunit/test.h>
#include <linux/sched.h>

#include "extent.h"

struct piece {
	u64 count, pfn;
};

static const struct {
	const char *desc;
	struct piece pieces[8];
	size_t runs;
} rows[] = {
	{ "one page", { { 1, 100 } }, 1 },
	{ "neighbours become one run", { { 1, 100 }, { 1, 101 }, { 2, 102 }, { 4, 104 } }, 1 },
	{ "a gap on the medium", { { 2, 100 }, { 2, 103 } }, 2 },
	{ "backwards on the medium", { { 1, 102 }, { 1, 101 }, { 1, 100 } }, 3 },
	{ "the same page again", { { 1, 100 }, { 1, 100 } }, 2 },
	{ "a run that continues an earlier one", { { 2, 100 }, { 2, 200 }, { 2, 102 } }, 3 },
	{ "many",
	  { { 1, 10 }, { 1, 20 }, { 1, 30 }, { 1, 40 }, { 512, 512 }, { 1, 50 }, { 1, 51 } },
	  6 },
};

KUNIT_ARRAY_PARAM_DESC(rows, rows, desc);

static void check_page(struct kunit *test, const struct dl_extents *ext, u64 page, u64 pfn)
{
	struct daxlease_run run = {};

	KUNIT_ASSERT_TRUE(test, dl_extents_at(ext, page, &run));
	KUNIT_EXPECT_EQ(test, run.first, page);
	KUNIT_EXPECT_EQ(test, run.pfn, pfn);
	KUNIT_EXPECT_GE(test, run.count, 1);
}

static void pages_are_found_where_they_are(struct kunit *test)
{
	const typeof(rows[0]) *row = test->param_value;
	const struct piece *p;
	struct dl_extents *ext = NULL;
	struct daxlease_run run;
	u64 page = 0, i;
	int trim;

	for (p = row->pieces; p->count; p++)
		KUNIT_ASSERT_EQ(test, dl_extents_append(&ext, p->count, p->pfn), 0);
	KUNIT_EXPECT_EQ(test, ext->nr, row->runs);
	for (trim = 0; trim < 2; trim++) {
		for (page = 0, p = row->pieces; p->count; p++)
			for (i = 0; i < p->count; i++)
				check_page(test, ext, page++, p->pfn + i);
		KUNIT_EXPECT_FALSE(test, dl_extents_at(ext, page, &run));
		KUNIT_EXPECT_FALSE(test, dl_extents_at(ext, U64_MAX, &run));
		dl_extents_trim(&ext);
		KUNIT_EXPECT_EQ(test, ext->room, ext->nr);
	}
	dl_extents_free(ext);
}

/* Wherever a walk begins to look, it finds the same */
static void a_walk_finds_what_a_look_does(struct kunit *test)
{
	const typeof(rows[0]) *row = test->param_value;
	const struct piece *p;
	struct dl_extents *ext = NULL;
	struct daxlease_run want, got;
	u64 page;
	u32 from, at;

	for (p = row->pieces; p->count; p++)
		KUNIT_ASSERT_EQ(test, dl_extents_append(&ext, p->count, p->pfn), 0);
	for (from = 0; from < row->runs + 2; from++) {
		for (page = 0; dl_extents_at(ext, page, &want); page++) {
			at = from;
			KUNIT_ASSERT_TRUE(test, dl_extents_walk(ext, &at, page, &got));
			KUNIT_EXPECT_MEMEQ(test, &got, &want, sizeof(got));
			KUNIT_EXPECT_EQ(test, ext->runs[at].pfn + page - ext->runs[at].first,
					want.pfn);
		}
		KUNIT_EXPECT_EQ(test, page, dl_extents_pages(ext));
		KUNIT_EXPECT_FALSE(test, dl_extents_walk(ext, &at, page, &got));
	}
	dl_extents_free(ext);
}

static void a_run_ends_where_the_medium_does(struct kunit *test)
{
	struct dl_extents *ext = NULL;
	struct daxlease_run run = {};

	KUNIT_ASSERT_EQ(test, dl_extents_append(&ext, 10, 100), 0);
	KUNIT_ASSERT_EQ(test, dl_extents_append(&ext, 5, 500), 0);
	KUNIT_ASSERT_TRUE(test, dl_extents_at(ext, 4, &run));
	KUNIT_EXPECT_EQ(test, run.count, 6);
	KUNIT_ASSERT_TRUE(test, dl_extents_at(ext, 10, &run));
	KUNIT_EXPECT_EQ(test, run.count, 5);
	dl_extents_free(ext);
}

static void check_frames(struct kunit *test, const struct dl_extents *ext, u64 pfn, u64 count,
			 struct dl_range want)
{
	struct dl_range got = dl_extents_with(ext, pfn, count);

	KUNIT_EXPECT_EQ(test, dl_range_empty(got), dl_range_empty(want));
	if (!dl_range_empty(want)) {
		KUNIT_EXPECT_EQ(test, got.first, want.first);
		KUNIT_EXPECT_EQ(test, got.last, want.last);
	}
}

static void frames_are_found_where_they_are(struct kunit *test)
{
	struct dl_extents *ext = NULL;

	check_frames(test, ext, 0, U64_MAX, DL_RANGE_NONE);
	KUNIT_ASSERT_EQ(test, dl_extents_append(&ext, 10, 500), 0);
	KUNIT_ASSERT_EQ(test, dl_extents_append(&ext, 5, 100), 0);
	KUNIT_ASSERT_EQ(test, dl_extents_append(&ext, 5, 700), 0);
	check_frames(test, ext, 500, 1, (struct dl_range){ 0, 0 });
	check_frames(test, ext, 509, 1, (struct dl_range){ 9, 9 });
	check_frames(test, ext, 103, 1, (struct dl_range){ 13, 13 });
	check_frames(test, ext, 704, 9, (struct dl_range){ 19, 19 });
	check_frames(test, ext, 90, 12, (struct dl_range){ 10, 11 });
	check_frames(test, ext, 499, 1, DL_RANGE_NONE);
	check_frames(test, ext, 510, 190, DL_RANGE_NONE);
	check_frames(test, ext, 104, 397, (struct dl_range){ 0, 14 });
	dl_extents_free(ext);
}

static void nothing_is_found_in_nothing(struct kunit *test)
{
	struct dl_extents *ext = NULL;
	struct daxlease_run run;

	dl_extents_trim(&ext);
	KUNIT_EXPECT_FALSE(test, dl_extents_at(ext, 0, &run));
	dl_extents_free(ext);
}

static void without_memory_nothing_changes(struct kunit *test)
{
	struct dl_extents *ext = NULL;
	int err;

	KUNIT_ASSERT_EQ(test, dl_extents_append(&ext, 1, 100), 0);
	current->fail_nth = 1;
	err = dl_extents_append(&ext, 1, 200);
	current->fail_nth = 0;
	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	KUNIT_EXPECT_EQ(test, ext->nr, 1);
	check_page(test, ext, 0, 100);
	KUNIT_EXPECT_EQ(test, dl_extents_append(&ext, 1, 200), 0);
	check_page(test, ext, 1, 200);
	dl_extents_free(ext);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(pages_are_found_where_they_are, rows_gen_params),
	KUNIT_CASE_PARAM(a_walk_finds_what_a_look_does, rows_gen_params),
	KUNIT_CASE(a_run_ends_where_the_medium_does),
	KUNIT_CASE(frames_are_found_where_they_are),
	KUNIT_CASE(nothing_is_found_in_nothing),
	KUNIT_CASE(without_memory_nothing_changes),
	{}
};

static struct kunit_suite suite = {
	.name = "extent",
	.test_cases = cases,
};

kunit_test_suite(suite);
