// SPDX-License-Identifier: GPL-2.0
/*
 * race: two parties at one lease, in interleavings that do not depend on time. The fence of the
 * first stands still in a consumer, the second one comes, the fence goes on.
 */
#include "rig.h"

#define A_WHILE	(HZ / 10)	/* for what must not happen: can miss a bug, not invent one */

struct scene {
	struct rig *rig;
	struct daxlease *lease;
	struct consumer *c;
	u64 break_id;
	struct helper *fence;
};

/* A lease of four granules; the fence of the first one has come to the consumer and stands still */
static struct scene fence_stands_still(struct kunit *test)
{
	struct scene s = { .rig = test->priv };

	s.lease = rig_lease(test, s.rig, 0, 4 * GRANULE - 1, LONG_GRACE);
	s.c = consumer_attach(test, s.rig, s.lease);
	s.c->blocks = true;
	rig_break(s.lease, 0, 0);
	s.break_id = rig_event(test, s.rig->queue).break_id;
	s.fence = helper_start(test, call_fence, s.lease);
	consumer_wait(test, s.c);
	return s;
}

static void expect_waiting(struct kunit *test, struct helper *h)
{
	KUNIT_EXPECT_EQ_MSG(test, wait_for_completion_timeout(&h->done, A_WHILE), 0,
			    "did not wait for the running fence");
}

static int wait_granule_0(void *rig)
{
	return dl_gate_wait(((struct rig *)rig)->gate, (struct dl_range){ 0, 0 },
			    DAXLEASE_REASON_NONE);
}

static int ack(void *arg)
{
	struct scene *s = arg;

	return dl_fence(s->lease, s->break_id);
}

static void an_ack_waits_for_the_running_fence(struct kunit *test)
{
	struct scene s = fence_stands_still(test);
	struct helper *second = helper_start(test, ack, &s);

	expect_waiting(test, second);
	consumer_go(s.c);
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
	KUNIT_EXPECT_TRUE(test, helper_join(test, second));
	KUNIT_EXPECT_EQ(test, s.c->fences, 1);
	KUNIT_EXPECT_EQ(test, rig_state(s.lease), DAXLEASE_ACTIVE);
	KUNIT_EXPECT_TRUE(test, rig_event(test, s.rig->queue).bits & DAXLEASE_EVENT_FENCED);
	KUNIT_EXPECT_TRUE(test, rig_silent(s.rig->queue));
}

static void a_late_ack_ends_no_later_break(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, 4 * GRANULE - 1, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);
	u64 first;

	rig_break(lease, 0, 0);
	first = rig_event(test, rig->queue).break_id;
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, first));
	rig_break(lease, GRANULE, GRANULE);
	KUNIT_EXPECT_NE(test, rig_event(test, rig->queue).break_id, first);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, first));
	KUNIT_EXPECT_EQ(test, c->fences, 1);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_BREAKING);
}

static void a_break_during_a_fence_is_fenced_with_it(struct kunit *test)
{
	struct scene s = fence_stands_still(test);

	KUNIT_EXPECT_TRUE(test, rig_break(s.lease, 2 * GRANULE, 2 * GRANULE));
	KUNIT_EXPECT_EQ(test, rig_event(test, s.rig->queue).break_id, s.break_id);
	consumer_go(s.c);
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
	KUNIT_EXPECT_TRUE(test, rig_lost(s.lease, 0));
	KUNIT_EXPECT_FALSE(test, rig_lost(s.lease, 1));
	KUNIT_EXPECT_TRUE(test, rig_lost(s.lease, 2));
	KUNIT_EXPECT_EQ(test, s.c->fences, 2);
	KUNIT_EXPECT_EQ(test, rig_state(s.lease), DAXLEASE_ACTIVE);
}

/* The pass that runs has been there already: it takes a second one */
static void a_break_behind_a_running_fence_is_fenced_with_it(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, 4 * GRANULE - 1, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);
	struct helper *fence;

	c->blocks = true;
	rig_break(lease, 2 * GRANULE, 2 * GRANULE);
	fence = helper_start(test, call_fence, lease);
	consumer_wait(test, c);
	KUNIT_EXPECT_TRUE(test, rig_break(lease, 0, 0));
	consumer_go(c);
	KUNIT_EXPECT_TRUE(test, helper_join(test, fence));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 2));
	KUNIT_EXPECT_EQ(test, c->fences, 2);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
}

/* What removal.c does to each lease of a device that goes */
static int unbind(void *arg)
{
	struct dl_breaker by = {
		.range = DL_RANGE_ALL,
		.reason = DAXLEASE_REASON_REMOVE,
		.flags = DAXLEASE_FLAG_NO_GRACE,
	};

	rig_break_by(arg, &by);
	dl_fence_insist(arg);
	return 0;
}

static void an_unbinding_ends_an_open_break_at_once(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, 4 * GRANULE - 1, LONG_GRACE);
	struct helper *waiter;

	rig_break(lease, 0, 0);
	waiter = helper_start(test, call_wait_whole_file, rig);
	RIG_UNTIL(test, !list_empty_careful(&rig->gate->waiters));
	KUNIT_EXPECT_EQ(test, helper_join(test, helper_start(test, unbind, lease)), 0);
	KUNIT_EXPECT_EQ(test, helper_join(test, waiter), 0);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_REVOKED);
	KUNIT_EXPECT_TRUE(test, rig_event(test, rig->queue).flags & DAXLEASE_FLAG_NO_GRACE);
}

static void an_unbinding_during_a_fence_takes_the_rest(struct kunit *test)
{
	struct scene s = fence_stands_still(test);
	struct helper *removal = helper_start(test, unbind, s.lease);

	expect_waiting(test, removal);
	consumer_go(s.c);
	KUNIT_EXPECT_EQ(test, helper_join(test, removal), 0);
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
	KUNIT_EXPECT_EQ(test, s.c->pages, 4 * GRANULE);
	KUNIT_EXPECT_EQ(test, rig_state(s.lease), DAXLEASE_REVOKED);
}

static void a_break_of_what_is_being_fenced_waits_for_it(struct kunit *test)
{
	struct scene s = fence_stands_still(test);
	struct helper *waiter;

	KUNIT_EXPECT_TRUE(test, rig_break(s.lease, 1, 1));
	waiter = helper_start(test, wait_granule_0, s.rig);
	RIG_UNTIL(test, !list_empty_careful(&s.rig->gate->waiters));
	KUNIT_EXPECT_FALSE(test, completion_done(&waiter->done));
	consumer_go(s.c);
	KUNIT_EXPECT_EQ(test, helper_join(test, waiter), 0);
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
	KUNIT_EXPECT_EQ(test, s.c->fences, 1);
}

static void release_during_a_fence_waits_and_fences_the_rest(struct kunit *test)
{
	struct scene s = fence_stands_still(test);
	struct helper *release = helper_start(test, call_end, s.lease);
	struct helper *waiter = helper_start(test, call_wait_whole_file, s.rig);

	expect_waiting(test, release);
	KUNIT_EXPECT_FALSE(test, completion_done(&waiter->done));
	KUNIT_EXPECT_NE(test, rig_state(s.lease), DAXLEASE_RELEASED);
	consumer_go(s.c);
	KUNIT_EXPECT_TRUE(test, helper_join(test, release));
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
	KUNIT_EXPECT_EQ(test, helper_join(test, waiter), 0);
	KUNIT_EXPECT_EQ(test, s.c->pages, 4 * GRANULE);
	KUNIT_EXPECT_EQ(test, rig_state(s.lease), DAXLEASE_RELEASED);
}

static void release_of_a_broken_lease_ends_the_wait(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	struct helper *waiter;

	rig_break(lease, 0, 0);
	waiter = helper_start(test, call_wait_whole_file, rig);
	RIG_UNTIL(test, !list_empty_careful(&rig->gate->waiters));
	KUNIT_EXPECT_TRUE(test, dl_lease_end(lease));
	KUNIT_EXPECT_EQ(test, helper_join(test, waiter), 0);
}

static void close_during_grace_ends_the_wait(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	struct helper *waiter;

	rig_break(lease, 0, 0);
	waiter = helper_start(test, call_wait_whole_file, rig);
	RIG_UNTIL(test, !list_empty_careful(&rig->gate->waiters));
	dl_queue_close(rig->queue);
	KUNIT_EXPECT_TRUE(test, dl_lease_end(lease));
	KUNIT_EXPECT_EQ(test, helper_join(test, waiter), 0);
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

static void a_break_of_a_released_lease_meets_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	struct dl_breaker by = { .range = DL_RANGE_ALL, .reason = DAXLEASE_REASON_TRUNCATE };

	KUNIT_EXPECT_TRUE(test, dl_lease_end(lease));
	KUNIT_EXPECT_EQ(test, dl_gate_break(rig->gate, &by), 0);
	KUNIT_EXPECT_TRUE(test, dl_gate_clear(rig->gate, DL_RANGE_ALL));
}

static int detach(void *arg)
{
	struct consumer *c = arg;

	daxlease_detach(c->att);
	c->att = NULL;
	return 0;
}

static void detach_waits_for_its_running_fence(struct kunit *test)
{
	struct scene s = fence_stands_still(test);
	struct helper *leave = helper_start(test, detach, s.c);

	expect_waiting(test, leave);
	consumer_go(s.c);
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
	KUNIT_EXPECT_EQ(test, helper_join(test, leave), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&s.lease->attachments));
	rig_break(s.lease, GRANULE, GRANULE);
	KUNIT_EXPECT_TRUE(test, dl_fence(s.lease, 0));
	KUNIT_EXPECT_EQ(test, s.c->fences, 1);
}

static void another_leases_consumer_detaches_meanwhile(struct kunit *test)
{
	struct scene s = fence_stands_still(test);
	struct daxlease *other = rig_lease(test, s.rig, 0, GRANULE - 1, LONG_GRACE);
	struct consumer *c = consumer_attach(test, s.rig, other);

	KUNIT_EXPECT_EQ(test, helper_join(test, helper_start(test, detach, c)), 0);
	consumer_go(s.c);
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
}

static int attach(void *arg)
{
	struct consumer *c = arg;

	c->att = daxlease_attach(c->lease, 0, 4 * GRANULE, &consumer_ops, c);
	if (!IS_ERR(c->att))
		return 0;
	c->att = NULL;
	return -EIO;
}

static void who_attaches_during_a_fence_hears_of_it(struct kunit *test)
{
	struct scene s = fence_stands_still(test);
	struct consumer *late = consumer_prepare(test, s.rig, s.lease);
	struct helper *come = helper_start(test, attach, late);

	expect_waiting(test, come);
	consumer_go(s.c);
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
	KUNIT_EXPECT_EQ(test, helper_join(test, come), 0);
	KUNIT_EXPECT_EQ(test, late->fences, 1);
	KUNIT_EXPECT_EQ(test, late->last.first, 0);
	KUNIT_EXPECT_EQ(test, late->last.last, GRANULE - 1);
}

static int emergency(void *arg)
{
	struct rig *rig = arg;

	return dl_gate_emergency(rig->gate, (struct dl_range){ 0, 0 }, NULL);
}

static void an_emergency_waits_for_the_running_fence(struct kunit *test)
{
	struct scene s = fence_stands_still(test);
	struct helper *last_resort = helper_start(test, emergency, s.rig);

	expect_waiting(test, last_resort);
	consumer_go(s.c);
	KUNIT_EXPECT_EQ(test, helper_join(test, last_resort), 1);
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
	KUNIT_EXPECT_EQ(test, s.c->fences, 1);
	KUNIT_EXPECT_TRUE(test, rig_lost(s.lease, 0));
}

/* The holder of a broken lease takes the range again, before and after its bar is gone */
static void the_range_is_leased_again_after_its_bar(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE), *again;
	struct dl_breaker by = {
		.range = { 0, 0 }, .reason = DAXLEASE_REASON_TRUNCATE, .barred = true,
	};
	struct dl_op *op = dl_op_begin(rig->inode, by.range);

	KUNIT_ASSERT_NOT_NULL(test, op);
	rig_break_by(lease, &by);
	KUNIT_EXPECT_TRUE(test, dl_lease_end(lease));
	spin_lock(&rig->gate->lock);
	KUNIT_EXPECT_TRUE(test, dl_op_barred(rig->gate, lease->range));
	spin_unlock(&rig->gate->lock);
	dl_op_end(op);
	spin_lock(&rig->gate->lock);
	KUNIT_EXPECT_FALSE(test, dl_op_barred(rig->gate, lease->range));
	spin_unlock(&rig->gate->lock);
	again = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	KUNIT_EXPECT_NE(test, again->id, lease->id);
	KUNIT_EXPECT_FALSE(test, dl_gate_clear(rig->gate, DL_RANGE_ALL));
}

/* An operation waits for the leases it met, and one taken meanwhile in its range is dead at once */
static void a_lease_taken_during_a_break_is_dead(struct kunit *test)
{
	struct scene s = fence_stands_still(test);
	struct daxlease *fresh = rig_acquiring(test, s.rig, 0, GRANULE - 1, LONG_GRACE);
	struct dl_breaker by = { .range = { 0, 0 }, .reason = DAXLEASE_REASON_TRUNCATE };

	dl_gate_break(s.rig->gate, &by);
	KUNIT_EXPECT_TRUE(test, fresh->dead);
	consumer_go(s.c);
	KUNIT_EXPECT_TRUE(test, helper_join(test, s.fence));
	KUNIT_EXPECT_TRUE(test, dl_gate_clear(s.rig->gate, by.range));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(an_ack_waits_for_the_running_fence),
	KUNIT_CASE(a_late_ack_ends_no_later_break),
	KUNIT_CASE(a_break_during_a_fence_is_fenced_with_it),
	KUNIT_CASE(a_break_behind_a_running_fence_is_fenced_with_it),
	KUNIT_CASE(an_unbinding_ends_an_open_break_at_once),
	KUNIT_CASE(an_unbinding_during_a_fence_takes_the_rest),
	KUNIT_CASE(a_break_of_what_is_being_fenced_waits_for_it),
	KUNIT_CASE(release_during_a_fence_waits_and_fences_the_rest),
	KUNIT_CASE(release_of_a_broken_lease_ends_the_wait),
	KUNIT_CASE(close_during_grace_ends_the_wait),
	KUNIT_CASE(a_break_of_a_released_lease_meets_nothing),
	KUNIT_CASE(detach_waits_for_its_running_fence),
	KUNIT_CASE(another_leases_consumer_detaches_meanwhile),
	KUNIT_CASE(who_attaches_during_a_fence_hears_of_it),
	KUNIT_CASE(an_emergency_waits_for_the_running_fence),
	KUNIT_CASE(the_range_is_leased_again_after_its_bar),
	KUNIT_CASE(a_lease_taken_during_a_break_is_dead),
	{}
};

static struct kunit_suite suite = {
	.name = "race",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
