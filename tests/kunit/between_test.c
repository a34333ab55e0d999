// SPDX-License-Identifier: GPL-2.0
/*
 * between: operations that come in the middle of an acquire or a re-arm, at a place that the case
 * chooses, in the same task: nothing depends on time.
 */
#include "acquire.h"
#include "rearm.h"
#include "seam.h"

#define PAGES	(4 * GRANULE)

static int init(struct kunit *test)
{
	int err = rig_init(test);

	if (!err)
		seam_init(test, test->priv, PAGES);
	return err;
}

static struct dl_request request(struct rig *rig, u64 first, u64 last)
{
	return (struct dl_request){
		.file = rig->file,
		.range = { first, last },
		.grace = LONG_GRACE,
		.queue = rig->queue,
	};
}

static void end(void *lease)
{
	dl_lease_end(lease);
	dl_lease_put(lease);
}

static struct daxlease *acquired(struct kunit *test, const struct dl_request *req)
{
	struct daxlease *lease = dl_acquire(req);

	KUNIT_ASSERT_FALSE(test, IS_ERR(lease));
	kunit_add_action_or_reset(test, end, lease);
	return lease;
}

/* A whole operation comes by, once */
static void operation_comes_once(void *arg)
{
	struct dl_breaker by = { .range = { 0, 0 }, .reason = DAXLEASE_REASON_TRUNCATE };
	struct rig *rig = arg;

	if (seam.resolved == 1)
		dl_gate_break(rig->gate, &by);
}

static void operation_comes_always(void *arg)
{
	struct dl_breaker by = { .range = { 0, 0 }, .reason = DAXLEASE_REASON_TRUNCATE };

	dl_gate_break(((struct rig *)arg)->gate, &by);
}

static void emergency_comes_once(void *arg)
{
	if (seam.resolved == 1)
		dl_gate_emergency(((struct rig *)arg)->gate, (struct dl_range){ 0, 0 }, NULL);
}

/* Of a page that the operation under test may have seen already, before it was marked */
static void memory_fails_once(void *arg)
{
	if (seam.resolved == 1)
		dl_gate_failure(page_to_pfn(((struct rig *)arg)->page), 1);
}

static void operation_comes_elsewhere(void *arg)
{
	struct dl_breaker by = { .range = { GRANULE, DL_PAGE_MAX },
				 .reason = DAXLEASE_REASON_TRUNCATE };

	dl_gate_break(((struct rig *)arg)->gate, &by);
}

static void an_acquire_alone_looks_once(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_request req = request(rig, 0, PAGES - 1);
	struct daxlease *lease = acquired(test, &req);

	KUNIT_EXPECT_EQ(test, seam.resolved, 1);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
	KUNIT_EXPECT_FALSE(test, dl_gate_clear(rig->gate, DL_RANGE_ALL));
}

static void an_operation_during_an_acquire_makes_it_look_again(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_request req = request(rig, 0, GRANULE - 1);
	struct daxlease *lease;

	seam.on_resolve = operation_comes_once;
	seam.arg = rig;
	lease = acquired(test, &req);
	KUNIT_EXPECT_EQ(test, seam.resolved, 2);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

/* What comes while the pages are looked for: again, and the holder hears nothing */
static void acquire_looks_again(struct kunit *test, void (*comes)(void *rig))
{
	struct rig *rig = test->priv;
	struct dl_request req = request(rig, 0, GRANULE - 1);

	seam.on_resolve = comes;
	seam.arg = rig;
	acquired(test, &req);
	KUNIT_EXPECT_EQ(test, seam.resolved, 2);
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

static void an_emergency_during_an_acquire_makes_it_look_again(struct kunit *test)
{
	acquire_looks_again(test, emergency_comes_once);
}

static void failed_memory_during_an_acquire_makes_it_look_again(struct kunit *test)
{
	acquire_looks_again(test, memory_fails_once);
}

static void an_operation_elsewhere_does_not(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_request req = request(rig, 0, GRANULE - 1);

	seam.on_resolve = operation_comes_elsewhere;
	seam.arg = rig;
	acquired(test, &req);
	KUNIT_EXPECT_EQ(test, seam.resolved, 1);
}

static void an_acquire_gives_up_in_the_end(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_request req = request(rig, 0, GRANULE - 1);

	seam.on_resolve = operation_comes_always;
	seam.arg = rig;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(dl_acquire(&req)), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, dl_gate_clear(rig->gate, DL_RANGE_ALL));
}

struct begun {
	struct rig *rig;
	struct dl_op *op;
};

/* Only the second attempt populates the range */
static void first_attempt_fails(struct rig *rig)
{
	if (seam.resolved == 1)
		dl_gate_emergency(rig->gate, DL_RANGE_ALL, NULL);
}

static void first_attempt_of_two_fails(void *arg)
{
	first_attempt_fails(((struct begun *)arg)->rig);
}

static void operation_begins(void *arg)
{
	struct begun *b = arg;

	if (!b->op)
		b->op = dl_op_begin(b->rig->inode, (struct dl_range){ 0, 0 });
}

/* Past the first look at the bars, not published yet: the operation meets no lease to mark dead */
static void an_operation_that_begins_before_publishing_bars_it(struct kunit *test)
{
	struct begun b = { .rig = test->priv };
	struct dl_request req = request(b.rig, 0, GRANULE - 1);
	struct daxlease *lease;

	seam.on_resolve = first_attempt_of_two_fails;
	seam.on_populate = operation_begins;
	seam.arg = &b;
	lease = dl_acquire(&req);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(lease), -EAGAIN);
	KUNIT_EXPECT_EQ(test, seam.resolved, 1);
	if (!IS_ERR(lease))
		end(lease);
	KUNIT_ASSERT_NOT_NULL(test, b.op);
	dl_op_end(b.op);
}

static void first_attempt_before_shrinking_fails(void *arg)
{
	first_attempt_fails(arg);
}

static void the_file_shrinks_before_publishing(void *arg)
{
	i_size_write(((struct rig *)arg)->inode, GRANULE << PAGE_SHIFT);
}

static void an_acquire_past_the_new_end_is_refused(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_request req = request(rig, GRANULE, 2 * GRANULE - 1);

	seam.on_resolve = first_attempt_before_shrinking_fails;
	seam.on_populate = the_file_shrinks_before_publishing;
	seam.arg = rig;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(dl_acquire(&req)), -EINVAL);
}

static int try_acquire(void *arg)
{
	struct daxlease *lease = dl_acquire(arg);

	if (IS_ERR(lease))
		return PTR_ERR(lease);
	end(lease);
	return 0;
}

/* A filesystem waits at the gate, with the inode locked, perhaps for this very thread */
static void an_acquire_does_not_wait_behind_a_breaker(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *held = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	struct dl_request req = request(rig, GRANULE, 2 * GRANULE - 1);
	struct helper *other;
	int ret;

	rig_break(held, 0, 0);
	inode_lock(rig->inode);
	other = helper_start(test, try_acquire, &req);
	ret = wait_for_completion_timeout(&other->done, SOON) ? other->ret : -ETIME;
	inode_unlock(rig->inode);
	KUNIT_EXPECT_EQ(test, ret, -EAGAIN);
	KUNIT_EXPECT_EQ(test, seam.resolved, 0);
}

static struct daxlease *lost_lease(struct kunit *test, u64 first, u64 last)
{
	struct daxlease *lease = rig_lease(test, test->priv, 0, PAGES - 1, LONG_GRACE);

	rig_break(lease, first, last);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, first / GRANULE));
	return lease;
}

static void a_rearm_brings_back_what_was_lost(struct kunit *test)
{
	struct daxlease *lease = lost_lease(test, 0, 0);
	u64 generation;

	KUNIT_EXPECT_EQ(test, dl_rearm(lease, lease->range, &generation), 0);
	KUNIT_EXPECT_EQ(test, generation, 2);
	KUNIT_EXPECT_EQ(test, seam.resolved, 1);
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 0));
}

static void an_operation_during_a_rearm_makes_it_look_again(struct kunit *test)
{
	struct daxlease *lease = lost_lease(test, 0, 0);
	u64 generation;

	seam.on_resolve = operation_comes_once;
	seam.arg = test->priv;
	KUNIT_EXPECT_EQ(test, dl_rearm(lease, lease->range, &generation), 0);
	KUNIT_EXPECT_EQ(test, seam.resolved, 2);
	KUNIT_EXPECT_EQ(test, generation, 2);
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 0));
}

static void an_emergency_during_a_rearm_makes_it_look_again(struct kunit *test)
{
	struct daxlease *lease = lost_lease(test, 0, 0);
	u64 generation;

	seam.on_resolve = emergency_comes_once;
	seam.arg = test->priv;
	KUNIT_EXPECT_EQ(test, dl_rearm(lease, lease->range, &generation), 0);
	KUNIT_EXPECT_EQ(test, seam.resolved, 2);
}

/* Of a page that the lease has not had before, so that nothing else tells of it */
static void failed_memory_during_a_rearm_makes_it_look_again(struct kunit *test)
{
	struct daxlease *lease = lost_lease(test, 0, 0);
	u64 generation;

	seam.on_resolve = memory_fails_once;
	seam.arg = rig_other(test);
	KUNIT_EXPECT_EQ(test, dl_rearm(lease, lease->range, &generation), 0);
	KUNIT_EXPECT_EQ(test, seam.resolved, 2);
}

static void lease_ends(void *arg)
{
	struct daxlease *lease = arg;

	if (seam.resolved == 1)
		dl_lease_end(lease);
}

static void a_release_during_a_rearm_ends_both(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = lost_lease(test, 0, 0);
	u64 generation;

	seam.on_resolve = lease_ends;
	seam.arg = lease;
	KUNIT_EXPECT_EQ(test, dl_rearm(lease, lease->range, &generation), -EAGAIN);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_RELEASED);
	KUNIT_EXPECT_TRUE(test, dl_gate_clear(rig->gate, DL_RANGE_ALL));
}

static void a_rearm_waits_for_the_bar(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = lost_lease(test, 0, 0);
	struct dl_op *op = dl_op_begin(rig->inode, (struct dl_range){ 0, 0 });
	u64 generation;

	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_EXPECT_EQ(test, dl_rearm(lease, lease->range, &generation), -EAGAIN);
	KUNIT_EXPECT_EQ(test, seam.populated, 0);
	dl_op_end(op);
	KUNIT_EXPECT_EQ(test, dl_rearm(lease, lease->range, &generation), 0);
}

static void a_rearm_does_not_touch_its_neighbours(struct kunit *test)
{
	struct daxlease *lease = lost_lease(test, GRANULE, GRANULE);
	struct dl_range first = { 0, GRANULE - 1 };
	u64 generation;

	KUNIT_EXPECT_EQ(test, dl_rearm(lease, first, &generation), 0);
	KUNIT_EXPECT_EQ(test, generation, 1);
	KUNIT_EXPECT_EQ(test, seam.resolved, 0);
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 1));
}

static void breaks_granule_0(struct consumer *c)
{
	rig_break(c->lease, 0, 0);
}

/* It is not closed unfenced either: nobody would fence what it has doomed */
static void a_break_while_a_rearm_is_undone_keeps_its_grace(struct kunit *test)
{
	struct daxlease *lease = lost_lease(test, GRANULE, 2 * GRANULE - 1);
	struct rig *rig = test->priv;
	struct consumer *c = consumer_attach_as(test, rig, lease, &consumer_maps);
	u64 generation;

	c->remap_err = -ENOMEM;
	c->on_fence = breaks_granule_0;
	KUNIT_EXPECT_EQ(test, dl_rearm(lease, lease->range, &generation), -ENOMEM);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_BREAKING);
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 1));
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_TRUE(test, dl_gate_clear(rig->gate, (struct dl_range){ 0, 0 }));
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
}

/* What nobody has mapped yet is lost again; what is mapped stays, and the break keeps its grace */
static void a_rearm_does_not_keep_a_fence_waiting(struct kunit *test)
{
	u64 pages = 600 * GRANULE, generation;
	struct rig *rig = test->priv;
	struct daxlease *lease;
	struct consumer *c;

	seam_init(test, rig, pages);
	lease = rig_lease(test, rig, 0, pages - 1, LONG_GRACE);
	rig_break(lease, 1 * GRANULE, pages - 1);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	c = consumer_attach_as(test, rig, lease, &consumer_maps);
	c->on_remap = breaks_granule_0;
	KUNIT_EXPECT_EQ(test, dl_rearm(lease, lease->range, &generation), -EAGAIN);
	KUNIT_EXPECT_EQ(test, c->remapped, 512 * GRANULE);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_BREAKING);
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 512));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 513));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 599));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(an_acquire_alone_looks_once),
	KUNIT_CASE(an_operation_during_an_acquire_makes_it_look_again),
	KUNIT_CASE(an_emergency_during_an_acquire_makes_it_look_again),
	KUNIT_CASE(failed_memory_during_an_acquire_makes_it_look_again),
	KUNIT_CASE(an_operation_elsewhere_does_not),
	KUNIT_CASE(an_acquire_gives_up_in_the_end),
	KUNIT_CASE(an_operation_that_begins_before_publishing_bars_it),
	KUNIT_CASE(an_acquire_past_the_new_end_is_refused),
	KUNIT_CASE(an_acquire_does_not_wait_behind_a_breaker),
	KUNIT_CASE(a_rearm_brings_back_what_was_lost),
	KUNIT_CASE(an_operation_during_a_rearm_makes_it_look_again),
	KUNIT_CASE(an_emergency_during_a_rearm_makes_it_look_again),
	KUNIT_CASE(failed_memory_during_a_rearm_makes_it_look_again),
	KUNIT_CASE(a_release_during_a_rearm_ends_both),
	KUNIT_CASE(a_rearm_waits_for_the_bar),
	KUNIT_CASE(a_rearm_does_not_touch_its_neighbours),
	KUNIT_CASE(a_break_while_a_rearm_is_undone_keeps_its_grace),
	KUNIT_CASE(a_rearm_does_not_keep_a_fence_waiting),
	{}
};

static struct kunit_suite suite = {
	.name = "between",
	.init = init,
	.test_cases = cases,
};

kunit_test_suite(suite);
