// SPDX-License-Identifier: GPL-2.0
/* break: notice, deadline arithmetic, joining, what is lost; release and revoke. */
#include "rig.h"

#define EMERGENCY	DAXLEASE_FLAG_EMERGENCY
#define NO_GRACE	DAXLEASE_FLAG_NO_GRACE
#define JOINED		DAXLEASE_FLAG_JOINED

static const struct {
	const char *desc;
	u64 grace;
	u32 by_flags;
	bool closed, freezing, spent;
	u64 want_grace;
	u32 want_flags;
} graces[] = {
	{ "the holder's grace", LONG_GRACE, 0, false, false, false, LONG_GRACE, 0 },
	{ "no grace asked for", 0, 0, false, false, false, 0, NO_GRACE },
	{ "an emergency", LONG_GRACE, EMERGENCY, false, false, false, 0, EMERGENCY },
	{ "a breaker that gives none", LONG_GRACE, NO_GRACE, false, false, false, 0, NO_GRACE },
	{ "nobody listens", LONG_GRACE, 0, true, false, false, 0, NO_GRACE },
	{ "the filesystem is being frozen", LONG_GRACE, 0, false, true, false, 0, NO_GRACE },
	{ "the budget is spent", LONG_GRACE, 0, false, false, true, 0, NO_GRACE },
};

KUNIT_ARRAY_PARAM_DESC(graces, graces, desc);

static void deadline_is_start_plus_grace(struct kunit *test)
{
	const typeof(graces[0]) *row = test->param_value;
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, row->grace);
	struct dl_breaker by = {
		.range = { 0, 0 }, .reason = DAXLEASE_REASON_TRUNCATE, .flags = row->by_flags,
	};
	struct sb_writers *writers = &rig->inode->i_sb->s_writers;
	struct daxlease_event ev;

	if (row->closed)
		dl_queue_close(rig->queue);
	if (row->spent) {
		rig->gate->budget->level = 2 * lease->grace_limit;
		rig->gate->budget->stamp = ktime_get_ns();
	}
	if (row->freezing)
		WRITE_ONCE(writers->frozen, SB_FREEZE_WRITE);
	spin_lock(&rig->gate->lock);
	KUNIT_EXPECT_TRUE(test, dl_break_start(lease, &by));
	KUNIT_EXPECT_EQ(test, lease->brk.deadline, lease->brk.started + row->want_grace);
	KUNIT_EXPECT_EQ(test, lease->brk.flags, row->want_flags);
	KUNIT_EXPECT_EQ(test, lease->state, DAXLEASE_BREAKING);
	spin_unlock(&rig->gate->lock);
	WRITE_ONCE(writers->frozen, SB_UNFROZEN);
	if (row->closed)
		return;
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.deadline_ns, ev.time_ns + row->want_grace);
	KUNIT_EXPECT_EQ(test, ev.flags, row->want_flags);
}

static void notice_says_what_is_hit_and_what_is_lost(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 10, 3 * GRANULE, LONG_GRACE);
	struct daxlease_event ev;

	KUNIT_ASSERT_TRUE(test, rig_break(lease, GRANULE + 1, GRANULE + 2));
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.bits, DAXLEASE_EVENT_BREAK);
	KUNIT_EXPECT_EQ(test, ev.reason, DAXLEASE_REASON_TRUNCATE);
	KUNIT_EXPECT_EQ(test, ev.hit_offset, (GRANULE + 1) * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ev.hit_length, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ev.lost_offset, GRANULE * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ev.lost_length, GRANULE * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ev.pid, task_tgid_nr(current));
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, ev.break_id));
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.bits, DAXLEASE_EVENT_FENCED | DAXLEASE_EVENT_CLEARED);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 1));
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 2));
}

static void all_lost_is_revoked(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, 2 * GRANULE - 1, LONG_GRACE);
	struct daxlease_event ev;

	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
	rig_break(lease, 0, DL_PAGE_MAX);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_REVOKED);
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_TRUE(test, ev.bits & DAXLEASE_EVENT_REVOKED);
	KUNIT_EXPECT_FALSE(test, rig_break(lease, 0, DL_PAGE_MAX));
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

static void what_is_outside_is_not_broken(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 100, 200, LONG_GRACE);

	KUNIT_EXPECT_FALSE(test, rig_break(lease, 0, 99));
	KUNIT_EXPECT_FALSE(test, rig_break(lease, 201, DL_PAGE_MAX));
	KUNIT_EXPECT_FALSE(test, rig_break(lease, 1, 0));
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

static int join(void *lease)
{
	return rig_break(lease, 2 * GRANULE, 2 * GRANULE);
}

static void a_second_operation_joins(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, 4 * GRANULE - 1, LONG_GRACE);
	struct daxlease_event first, second;

	rig_break(lease, 0, 0);
	first = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, helper_join(test, helper_start(test, join, lease)), true);
	second = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, second.flags, JOINED);
	KUNIT_EXPECT_EQ(test, second.break_id, first.break_id);
	KUNIT_EXPECT_EQ(test, second.deadline_ns, first.deadline_ns);
	KUNIT_EXPECT_EQ(test, second.hit_offset, 0);
	KUNIT_EXPECT_EQ(test, second.hit_length, (2 * GRANULE + 1) * PAGE_SIZE);
	KUNIT_EXPECT_NE(test, second.pid, first.pid);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, first.break_id));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 1));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 2));
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 3));
}

static void an_operation_that_asks_again_does_not_join(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, 2 * GRANULE - 1, LONG_GRACE);

	rig_break(lease, 0, 5);
	rig_event(test, rig->queue);
	KUNIT_EXPECT_TRUE(test, rig_break(lease, 0, 5));
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
	KUNIT_EXPECT_TRUE(test, rig_break(lease, GRANULE, GRANULE));
	KUNIT_EXPECT_EQ(test, rig_event(test, rig->queue).flags, JOINED);
}

static void an_emergency_ends_the_grace_of_an_open_break(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	struct dl_breaker by = {
		.range = { 0, 0 }, .reason = DAXLEASE_REASON_INVALIDATE, .flags = EMERGENCY,
	};
	struct daxlease_event ev;

	rig_break(lease, 0, 5);
	rig_event(test, rig->queue);
	rig_break_by(lease, &by);
	KUNIT_EXPECT_EQ(test, rig_wait_clear(test, rig), 0);
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.flags, JOINED | EMERGENCY);
	KUNIT_EXPECT_LE(test, ev.deadline_ns, ktime_get_ns());
}

static void grace_ends_when_the_last_listener_leaves(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);

	rig_break(lease, 0, 5);
	dl_break_reconsider(lease);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_BREAKING);
	dl_queue_close(rig->queue);
	dl_break_reconsider(lease);
	KUNIT_EXPECT_EQ(test, rig_wait_clear(test, rig), 0);
}

static void the_deadline_fences(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, NSEC_PER_MSEC);
	struct daxlease_event ev;

	rig_break(lease, 0, 0);
	KUNIT_EXPECT_EQ(test, rig_wait_clear(test, rig), 0);
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_GE(test, ktime_get_ns(), ev.deadline_ns);
	KUNIT_EXPECT_TRUE(test, ev.bits & DAXLEASE_EVENT_FENCED);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_REVOKED);
}

static void an_acquiring_lease_is_marked_dead(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_acquiring(test, rig, 10, 20, LONG_GRACE);

	KUNIT_EXPECT_FALSE(test, rig_break(lease, 0, 9));
	KUNIT_EXPECT_FALSE(test, lease->dead);
	KUNIT_EXPECT_FALSE(test, rig_break(lease, 20, 20));
	KUNIT_EXPECT_TRUE(test, lease->dead);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACQUIRING);
	KUNIT_EXPECT_TRUE(test, dl_gate_clear(rig->gate, DL_RANGE_ALL));
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
	KUNIT_EXPECT_TRUE(test, dl_lease_end(lease));
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_RELEASED);
}

/* The budget of an operation that breaks several leases at once: one grace, and what is not used */
static void an_operation_pays_one_grace(struct kunit *test)
{
	const u64 grace = 100 * NSEC_PER_SEC;
	struct rig *rig = test->priv;
	struct daxlease *a = rig_lease(test, rig, 0, 9, grace);
	struct daxlease *b = rig_lease(test, rig, 10, 19, grace);
	struct dl_breaker by = { .range = DL_RANGE_ALL, .reason = DAXLEASE_REASON_TRUNCATE };
	struct dl_budget *budget = rig->gate->budget;

	KUNIT_EXPECT_EQ(test, dl_gate_break(rig->gate, &by), 2);
	KUNIT_EXPECT_GE(test, budget->level, grace);
	KUNIT_EXPECT_LT(test, budget->level, grace + grace / 2);
	KUNIT_EXPECT_TRUE(test, dl_fence(a, 0));
	KUNIT_EXPECT_GE(test, budget->level, grace);
	KUNIT_EXPECT_TRUE(test, dl_fence(b, 0));
	KUNIT_EXPECT_LT(test, budget->level, grace / 2);
}

/* Each has the longest grace that there is, and the last of them hears later than the first */
static void one_grace_is_enough_for_many_leases(struct kunit *test)
{
	struct dl_breaker by = { .range = DL_RANGE_ALL, .reason = DAXLEASE_REASON_TRUNCATE };
	struct rig *rig = test->priv;
	struct daxlease *lease[16];
	u64 grace;
	int i;

	for (i = 0; i < ARRAY_SIZE(lease); i++) {
		lease[i] = rig_lease(test, rig, 0, 0, LONG_GRACE);
		lease[i]->grace_limit = LONG_GRACE;
	}
	KUNIT_EXPECT_EQ(test, dl_gate_break(rig->gate, &by), ARRAY_SIZE(lease));
	for (i = 0; i < ARRAY_SIZE(lease); i++) {
		spin_lock(&rig->gate->lock);
		grace = lease[i]->brk.deadline - lease[i]->brk.started;
		spin_unlock(&rig->gate->lock);
		KUNIT_EXPECT_EQ(test, grace, LONG_GRACE);
	}
	KUNIT_EXPECT_LE(test, rig->gate->budget->level, LONG_GRACE);
}

static u64 grace_given(struct daxlease *lease, const struct dl_breaker *by)
{
	u64 grace;

	rig_break_by(lease, by);
	spin_lock(&lease->gate->lock);
	grace = lease->brk.deadline - lease->brk.started;
	spin_unlock(&lease->gate->lock);
	return grace;
}

/* With inode locks held one user's holders make wait as if all his files were one */
static void a_user_pays_for_waiting_with_locks(struct kunit *test)
{
	struct dl_breaker unlocked = { .range = { 0, 0 }, .reason = DAXLEASE_REASON_TRUNCATE };
	struct dl_breaker locked = {
		.range = { 0, 0 }, .reason = DAXLEASE_REASON_LAYOUT, .locked = true,
	};
	struct daxlease *lease[4];
	struct dl_budget *user;
	unsigned int i;
	u64 level;

	for (i = 0; i < ARRAY_SIZE(lease); i++) {
		lease[i] = rig_lease(test, rig_other(test), 0, 9, LONG_GRACE);
		lease[i]->grace_limit = LONG_GRACE / 2;	/* a budget for one */
	}
	user = lease[0]->locks;
	KUNIT_EXPECT_EQ(test, grace_given(lease[1], &locked), LONG_GRACE);
	KUNIT_EXPECT_GE(test, user->level, LONG_GRACE);
	level = user->level;
	KUNIT_EXPECT_EQ(test, grace_given(lease[0], &unlocked), LONG_GRACE);
	KUNIT_EXPECT_EQ(test, user->level, level);
	KUNIT_EXPECT_EQ(test, grace_given(lease[2], &locked), 0);
	KUNIT_EXPECT_EQ(test, grace_given(lease[3], &unlocked), LONG_GRACE);
	/* who joins with a lock pays as well, be it a task that waits for the break already */
	KUNIT_EXPECT_LT(test, grace_given(lease[0], &locked), LONG_GRACE);
	for (i = 0; i < ARRAY_SIZE(lease); i++)
		KUNIT_EXPECT_TRUE(test, dl_fence(lease[i], 0));
	KUNIT_EXPECT_LT(test, user->level, LONG_GRACE);
}

static void a_barred_break_is_cleared_by_its_operation(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	struct dl_breaker by = {
		.range = { 0, 5 }, .reason = DAXLEASE_REASON_TRUNCATE, .barred = true,
	};
	struct dl_op *op = dl_op_begin(rig->inode, by.range);
	struct daxlease_event ev;

	KUNIT_ASSERT_NOT_NULL(test, op);
	rig_break_by(lease, &by);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_FALSE(test, ev.bits & DAXLEASE_EVENT_CLEARED);
	dl_op_end(op);
	KUNIT_EXPECT_EQ(test, rig_event(test, rig->queue).bits, DAXLEASE_EVENT_CLEARED);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(deadline_is_start_plus_grace, graces_gen_params),
	KUNIT_CASE(notice_says_what_is_hit_and_what_is_lost),
	KUNIT_CASE(all_lost_is_revoked),
	KUNIT_CASE(what_is_outside_is_not_broken),
	KUNIT_CASE(a_second_operation_joins),
	KUNIT_CASE(an_operation_that_asks_again_does_not_join),
	KUNIT_CASE(an_emergency_ends_the_grace_of_an_open_break),
	KUNIT_CASE(grace_ends_when_the_last_listener_leaves),
	KUNIT_CASE(the_deadline_fences),
	KUNIT_CASE(an_acquiring_lease_is_marked_dead),
	KUNIT_CASE(an_operation_pays_one_grace),
	KUNIT_CASE(one_grace_is_enough_for_many_leases),
	KUNIT_CASE(a_user_pays_for_waiting_with_locks),
	KUNIT_CASE(a_barred_break_is_cleared_by_its_operation),
	{}
};

static struct kunit_suite suite = {
	.name = "break",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
