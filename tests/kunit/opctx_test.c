// SPDX-License-Identifier: GPL-2.0
/* opctx: a record bars its range until its operation ends or its task dies, and explains it. */
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "rig.h"

static bool barred(struct rig *rig, u64 first, u64 last)
{
	bool yes;

	spin_lock(&rig->gate->lock);
	yes = dl_op_barred(rig->gate, (struct dl_range){ first, last });
	spin_unlock(&rig->gate->lock);
	return yes;
}

static struct dl_op *begin(struct rig *rig, u64 first, u64 last)
{
	return dl_op_begin(rig->inode, (struct dl_range){ first, last });
}

static void a_record_bars_its_range_and_no_more(struct kunit *test)
{
	struct rig *rig = test->priv, *other = rig_other(test);
	struct dl_op *op = begin(rig, 10, 19);

	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_EXPECT_FALSE(test, barred(rig, 0, 9));
	KUNIT_EXPECT_TRUE(test, barred(rig, 0, 10));
	KUNIT_EXPECT_TRUE(test, barred(rig, 12, 13));
	KUNIT_EXPECT_TRUE(test, barred(rig, 19, 30));
	KUNIT_EXPECT_FALSE(test, barred(rig, 20, 30));
	KUNIT_EXPECT_FALSE(test, barred(other, 10, 19));
	dl_op_end(op);
	KUNIT_EXPECT_FALSE(test, barred(rig, 0, 30));
}

static void a_bar_reaches_beyond_the_leases_it_hits(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_op *op;

	rig_lease(test, rig, 0, 4, LONG_GRACE);
	op = begin(rig, 0, 9);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_EXPECT_TRUE(test, barred(rig, 5, 9));
	dl_op_end(op);
}

static void bars_end_one_by_one(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_op *a = begin(rig, 0, 9), *b = begin(rig, 5, 14);

	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_ASSERT_NOT_NULL(test, b);
	dl_op_end(a);
	KUNIT_EXPECT_FALSE(test, barred(rig, 0, 4));
	KUNIT_EXPECT_TRUE(test, barred(rig, 5, 9));
	dl_op_end(b);
	KUNIT_EXPECT_FALSE(test, barred(rig, 0, 14));
}

static void an_operation_that_changes_nothing_bars_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_op *op = dl_op_begin(rig->inode, DL_RANGE_NONE);
	struct dl_range range;

	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_EXPECT_FALSE(test, barred(rig, 0, DL_PAGE_MAX));
	KUNIT_EXPECT_TRUE(test, dl_op_range(rig->gate, &range));
	KUNIT_EXPECT_TRUE(test, dl_range_empty(range));
	dl_op_end(op);
}

static void the_innermost_record_explains(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_op *outer = begin(rig, 0, 99), *inner = begin(rig, 5, 6);
	struct dl_range range = {};

	KUNIT_ASSERT_NOT_NULL(test, outer);
	KUNIT_ASSERT_NOT_NULL(test, inner);
	KUNIT_EXPECT_TRUE(test, dl_op_range(rig->gate, &range));
	KUNIT_EXPECT_EQ(test, range.first, 5);
	dl_op_end(inner);
	KUNIT_EXPECT_TRUE(test, dl_op_range(rig->gate, &range));
	KUNIT_EXPECT_EQ(test, range.last, 99);
	dl_op_end(outer);
	KUNIT_EXPECT_FALSE(test, dl_op_range(rig->gate, &range));
}

static int has_no_record(void *rig)
{
	struct dl_range range;

	return !dl_op_range(((struct rig *)rig)->gate, &range);
}

static void a_record_explains_its_own_task_only(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_op *op = begin(rig, 0, 9);

	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_EXPECT_TRUE(test, helper_join(test, helper_start(test, has_no_record, rig)));
	dl_op_end(op);
}

static int begin_and_forget(void *rig)
{
	return begin(rig, 0, 9) ? 0 : -ENOMEM;
}

/* As after an oops: the task is gone and its record is still there */
static void a_record_is_void_when_its_task_exits(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct helper *h = helper_start(test, begin_and_forget, rig);
	struct dl_op *op;

	KUNIT_ASSERT_EQ(test, helper_join(test, h), 0);
	KUNIT_EXPECT_TRUE(test, barred(rig, 0, 9));
	helper_stop(test, h);
	KUNIT_EXPECT_FALSE(test, barred(rig, 0, 9));
	KUNIT_EXPECT_FALSE(test, list_empty(&rig->gate->ops));

	/* Wholly gone: the next operation sweeps it away */
	RIG_UNTIL(test, READ_ONCE(h->task->exit_state));
	op = begin(rig, 100, 100);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_EXPECT_TRUE(test, list_is_singular(&rig->gate->ops));
	dl_op_end(op);
	KUNIT_EXPECT_TRUE(test, list_empty(&rig->gate->ops));
}

static void a_file_without_gate_has_no_records(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct inode *inode = d_inode(rig->file->f_path.dentry->d_sb->s_root);

	KUNIT_EXPECT_FALSE(test, dl_gate_exists(inode));
	KUNIT_EXPECT_NULL(test, dl_op_begin(inode, DL_RANGE_ALL));
}

static void holders_hear_when_the_last_bar_is_gone(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	struct dl_breaker by = {
		.range = { 0, 9 }, .reason = DAXLEASE_REASON_FALLOCATE, .barred = true,
	};
	struct dl_op *a = begin(rig, 0, 9), *b = begin(rig, 5, 9);
	struct daxlease_event ev;

	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_ASSERT_NOT_NULL(test, b);
	rig_break_by(lease, &by);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	rig_event(test, rig->queue);
	dl_op_end(a);
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
	dl_op_end(b);
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.bits, DAXLEASE_EVENT_CLEARED);
	KUNIT_EXPECT_EQ(test, ev.lost_length, GRANULE * PAGE_SIZE);
}

#define RESERVE	64

static void the_pool_serves_without_memory_and_runs_dry(struct kunit *test)
{
	struct dl_op **ops = kunit_kcalloc(test, RESERVE + 1, sizeof(*ops), GFP_KERNEL);
	struct rig *rig = test->priv;
	int i, got = 0;

	KUNIT_ASSERT_NOT_NULL(test, ops);
	for (i = 0; i <= RESERVE; i++) {
		current->fail_nth = 1;
		ops[i] = begin(rig, i, i);
		current->fail_nth = 0;
		got += !!ops[i];
	}
	KUNIT_EXPECT_EQ(test, got, RESERVE);
	KUNIT_EXPECT_NULL(test, ops[RESERVE]);
	KUNIT_EXPECT_TRUE(test, barred(rig, RESERVE - 1, RESERVE - 1));
	for (i = 0; i <= RESERVE; i++)
		if (ops[i])
			dl_op_end(ops[i]);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_record_bars_its_range_and_no_more),
	KUNIT_CASE(a_bar_reaches_beyond_the_leases_it_hits),
	KUNIT_CASE(bars_end_one_by_one),
	KUNIT_CASE(an_operation_that_changes_nothing_bars_nothing),
	KUNIT_CASE(the_innermost_record_explains),
	KUNIT_CASE(a_record_explains_its_own_task_only),
	KUNIT_CASE(a_record_is_void_when_its_task_exits),
	KUNIT_CASE(a_file_without_gate_has_no_records),
	KUNIT_CASE(holders_hear_when_the_last_bar_is_gone),
	KUNIT_CASE(the_pool_serves_without_memory_and_runs_dry),
	{}
};

static struct kunit_suite suite = {
	.name = "opctx",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
