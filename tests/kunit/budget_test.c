// SPDX-License-Identifier: GPL-2.0
/* budget: the arithmetic of a leaky bucket, with a clock of its own. */
#include "rig.h"

#define MS	NSEC_PER_MSEC
#define ROOM	(1000 * MS)

/* op: take and it is paid, take and it is refused, or refund; times and amounts in ms */
struct step {
	enum { END, PAID, REFUSED, REFUND } op;
	u64 at, amount;
};

static const struct {
	const char *desc;
	struct step steps[8];
} rows[] = {
	{ "a full bucket pays nothing more",
	  { { PAID, 0, 1000 }, { REFUSED, 0, 1 }, { REFUSED, 0, 1000 } } },
	{ "a bucket that is not full pays once more",
	  { { PAID, 0, 999 }, { PAID, 0, 1000 }, { REFUSED, 0, 1 } } },
	{ "a tenth of the time leaks out",
	  { { PAID, 0, 1000 }, { REFUSED, 0, 1 }, { PAID, 10, 1 }, { REFUSED, 10, 1 },
	    { PAID, 20, 1 } } },
	{ "it takes ten graces to pay one back",
	  { { PAID, 0, 1000 }, { PAID, 1, 1000 }, { REFUSED, 10000, 1 }, { PAID, 10010, 1 } } },
	{ "a bucket does not leak below empty",
	  { { PAID, 0, 10 }, { PAID, 100000, 1000 }, { REFUSED, 100000, 1 } } },
	{ "what was not used comes back",
	  { { PAID, 0, 1000 }, { REFUND, 0, 900 }, { PAID, 0, 900 }, { REFUSED, 0, 1 } } },
	{ "no more comes back than was paid",
	  { { PAID, 0, 10 }, { REFUND, 0, 5000 }, { PAID, 0, 1000 }, { REFUSED, 0, 1 } } },
	{ "a clock that was read earlier leaks nothing",
	  { { PAID, 1000, 1000 }, { REFUSED, 500, 1 }, { REFUSED, 1000, 1 }, { PAID, 1010, 1 } } },
};

KUNIT_ARRAY_PARAM_DESC(rows, rows, desc);

static void bucket_leaks(struct kunit *test)
{
	const typeof(rows[0]) *row = test->param_value;
	struct rig *rig = test->priv;
	/* Later than any row before: two files may share a bucket */
	u64 base = ktime_get_ns() + (row - rows) * 1000 * NSEC_PER_SEC;
	const struct step *s;

	for (s = row->steps; s->op != END; s++) {
		if (s->op == REFUND)
			dl_budget_refund(rig->inode, s->amount * MS);
		else
			KUNIT_EXPECT_EQ_MSG(test,
					    dl_budget_take(rig->inode, s->amount * MS, ROOM,
							   base + s->at * MS),
					    s->op == PAID, "step %ld", s - row->steps);
	}
}

static void room_is_the_holders(struct kunit *test)
{
	struct rig *rig = test->priv;
	u64 now = ktime_get_ns();

	KUNIT_EXPECT_TRUE(test, dl_budget_take(rig->inode, 2000 * MS, ROOM, now));
	KUNIT_EXPECT_FALSE(test, dl_budget_take(rig->inode, 1, ROOM, now));
	KUNIT_EXPECT_TRUE(test, dl_budget_take(rig->inode, 1, 30 * ROOM, now));
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(bucket_leaks, rows_gen_params),
	KUNIT_CASE(room_is_the_holders),
	{}
};

static struct kunit_suite suite = {
	.name = "budget",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
