// SPDX-License-Identifier: GPL-2.0
/* budget: the arithmetic of a leaky bucket, with a clock of its own. */
#include <linux/cred.h>
#include <linux/sched.h>

#include "quota.h"
#include "rig.h"

#define MS	NSEC_PER_MSEC
#define ROOM	(1000 * MS)

/*
 * op: a break that begins @at is paid for, or refused, its grace being @grace; or the break that is
 * oldest is over @at. All in ms.
 */
struct step {
	enum { END, PAID, REFUSED, OVER } op;
	u64 at, grace;
};

static const struct {
	const char *desc;
	struct step steps[8];
} rows[] = {
	{ "a full bucket pays nothing more",
	  { { PAID, 0, 1000 }, { REFUSED, 0, 1001 }, { REFUSED, 0, 2000 } } },
	{ "a bucket that is not full pays once more",
	  { { PAID, 0, 999 }, { PAID, 0, 1999 }, { REFUSED, 0, 2000 } } },
	{ "breaks at the same time pay once",
	  { { PAID, 0, 1000 }, { PAID, 0, 1000 }, { PAID, 1, 999 }, { PAID, 500, 500 } } },
	{ "a tenth of the time leaks out",
	  { { PAID, 0, 1000 }, { REFUSED, 0, 1001 }, { PAID, 10, 991 }, { REFUSED, 10, 992 },
	    { PAID, 20, 982 } } },
	{ "it takes ten graces to pay one back",
	  { { PAID, 0, 1000 }, { PAID, 1, 1999 }, { REFUSED, 10000, 1 }, { PAID, 10010, 1 } } },
	{ "a bucket does not leak below empty",
	  { { PAID, 0, 10 }, { PAID, 100000, 1000 }, { REFUSED, 100000, 1001 } } },
	{ "what was not used comes back",
	  { { PAID, 0, 1000 }, { OVER, 100 }, { PAID, 100, 910 }, { REFUSED, 100, 911 } } },
	{ "with the last break that is open",
	  { { PAID, 0, 999 }, { PAID, 0, 1998 }, { OVER, 0 }, { REFUSED, 0, 1999 }, { OVER, 0 },
	    { PAID, 0, 1000 }, { REFUSED, 0, 1001 } } },
	{ "a clock that was read earlier leaks nothing",
	  { { PAID, 1000, 1000 }, { REFUSED, 500, 1501 }, { REFUSED, 1000, 1001 },
	    { PAID, 1010, 991 } } },
};

KUNIT_ARRAY_PARAM_DESC(rows, rows, desc);

static void bucket_leaks(struct kunit *test)
{
	const typeof(rows[0]) *row = test->param_value;
	struct rig *rig = test->priv;
	struct dl_budget *b = rig->gate->budget;
	u64 base = ktime_get_ns();
	const struct step *s;

	for (s = row->steps; s->op != END; s++) {
		if (s->op == OVER)
			dl_budget_settle(b, base + s->at * MS);
		else
			KUNIT_EXPECT_EQ_MSG(test,
					    dl_budget_pay(b, s->grace * MS, ROOM,
							  base + s->at * MS),
					    s->op == PAID, "step %ld", s - row->steps);
	}
}

static void room_is_the_holders(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_budget *b = rig->gate->budget;
	u64 now = ktime_get_ns();

	KUNIT_EXPECT_TRUE(test, dl_budget_pay(b, 2000 * MS, ROOM, now));
	KUNIT_EXPECT_FALSE(test, dl_budget_pay(b, 2001 * MS, ROOM, now));
	KUNIT_EXPECT_TRUE(test, dl_budget_pay(b, 2001 * MS, 30 * ROOM, now));
}

/* The last reference goes, and with it nothing but what is empty */
static void spent_is_remembered(struct kunit *test)
{
	u64 now = ktime_get_ns();
	struct dl_budget *b;

	b = dl_budget_of_user(KUIDT_INIT(1), 1);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_TRUE(test, dl_budget_pay(b, 2000 * MS, ROOM, now));
	dl_budget_put(b);
	b = dl_budget_of_user(KUIDT_INIT(1), 1);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_FALSE(test, dl_budget_pay(b, 2001 * MS, ROOM, now));
	dl_budget_settle(b, now);
	dl_budget_put(b);
	b = dl_budget_of_user(KUIDT_INIT(1), 1);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_EQ(test, b->level, 0);
	dl_budget_put(b);
}

/* Whatever others have spent: files and users have budgets of their own */
static void others_do_not_pay(struct kunit *test)
{
	struct dl_budget *b, *spent[2];
	u64 now = ktime_get_ns();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(spent); i++) {
		spent[i] = dl_budget_of_user(KUIDT_INIT(i + 1), 1);
		KUNIT_ASSERT_NOT_NULL(test, spent[i]);
		KUNIT_EXPECT_TRUE(test, dl_budget_pay(spent[i], (2000 + i) * MS, ROOM, now));
	}
	b = dl_budget_of_user(KUIDT_INIT(1), 2);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_TRUE(test, dl_budget_pay(b, 3000 * MS, ROOM, now));
	dl_budget_settle(b, now);
	dl_budget_put(b);
	for (i = 0; i < ARRAY_SIZE(spent); i++) {
		dl_budget_settle(spent[i], now);
		dl_budget_put(spent[i]);
	}
}

/* An allocation of a lease of which each point fails in turn: how many runs it failed */
static int fail_each_point(struct kunit *test, u64 before)
{
	struct rig *rig = test->priv;
	struct dl_range range = { 0, 0 };
	int nth = 0, failed = 0, left;
	struct daxlease *lease;

	do {
		current->fail_nth = ++nth;
		lease = dl_lease_alloc(rig->gate, rig->file, range);
		left = current->fail_nth;
		current->fail_nth = 0;
		KUNIT_EXPECT_EQ(test, dl_quota_total(), before + !IS_ERR(lease));
		failed += IS_ERR(lease);
		if (!IS_ERR(lease))
			dl_lease_put(lease);
		RIG_UNTIL(test, dl_quota_total() == before);
	} while (!left);
	return failed;
}

/*
 * A user whom no other case knows: what counts for a user has to be made, and that fails, too. Once
 * more if it did not: a failure that is tolerated (a slab will do with fewer pages) leaves the next
 * call one place less.
 */
static void a_lease_without_memory_is_not_counted(struct kunit *test)
{
	u64 before = dl_quota_total();
	struct cred *cred = prepare_creds();
	const struct cred *old;
	int failed, sweeps = 0;

	KUNIT_ASSERT_NOT_NULL(test, cred);
	cred->uid = KUIDT_INIT(4711);
	cred->euid = cred->uid;
	cred->fsuid = cred->uid;
	old = override_creds(cred);
	do {
		failed = fail_each_point(test, before);
	} while (failed < 2 && ++sweeps < 4);
	revert_creds(old);
	put_cred(cred);
	KUNIT_EXPECT_GE_MSG(test, failed, 2, "making the budget did not fail");
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(bucket_leaks, rows_gen_params),
	KUNIT_CASE(room_is_the_holders),
	KUNIT_CASE(spent_is_remembered),
	KUNIT_CASE(others_do_not_pay),
	KUNIT_CASE(a_lease_without_memory_is_not_counted),
	{}
};

static struct kunit_suite suite = {
	.name = "budget",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
