// SPDX-License-Identifier: GPL-2.0
/*
 * attach: the order at the end of a break (consumers, state, the page, the waiter), a consumer that
 * does not confirm, consumers that come after a loss.
 */
#include "rig.h"

static struct daxlease *four_granules(struct kunit *test, struct rig *rig)
{
	return rig_lease(test, rig, 0, 4 * GRANULE - 1, LONG_GRACE);
}

static int wait_granule_0(void *rig)
{
	return dl_gate_wait(((struct rig *)rig)->gate, (struct dl_range){ 0, 0 },
			    DAXLEASE_REASON_NONE);
}

static int wait_granule_1(void *rig)
{
	return dl_gate_wait(((struct rig *)rig)->gate, (struct dl_range){ GRANULE, GRANULE },
			    DAXLEASE_REASON_NONE);
}

static void the_gate_opens_after_the_consumers(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *a = consumer_attach(test, rig, lease);
	struct consumer *b = consumer_attach(test, rig, lease);
	int idle = page_count(rig->page);
	struct helper *waiter;

	rig_break(lease, GRANULE, GRANULE);
	dl_gate_busy_page(rig->gate, (struct dl_range){ GRANULE, GRANULE });
	waiter = helper_start(test, wait_granule_1, rig);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));

	/* As both consumers saw it: broken, not clear, the filesystem asleep on a page */
	KUNIT_EXPECT_EQ(test, a->fences, 1);
	KUNIT_EXPECT_EQ(test, b->fences, 1);
	KUNIT_EXPECT_EQ(test, a->state, DAXLEASE_BREAKING);
	KUNIT_EXPECT_EQ(test, b->state, DAXLEASE_BREAKING);
	KUNIT_EXPECT_FALSE(test, a->clear);
	KUNIT_EXPECT_FALSE(test, b->clear);
	KUNIT_EXPECT_EQ(test, a->page_count, idle + 1);
	KUNIT_EXPECT_EQ(test, b->page_count, idle + 1);

	/* And afterwards */
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle);
	KUNIT_EXPECT_EQ(test, helper_join(test, waiter), 0);
}

static const struct {
	const char *desc;
	u64 first, last;	/* pages of the file, broken */
	u64 fenced_first, fenced_last;	/* pages of the lease, which begins at page 10 */
} parts[] = {
	{ "the first page", 10, 10, 0, GRANULE - 11 },
	{ "a page of the second granule", GRANULE, GRANULE, GRANULE - 10, 2 * GRANULE - 11 },
	{ "the last page", 2 * GRANULE + 5, 2 * GRANULE + 5, 2 * GRANULE - 10, 2 * GRANULE - 5 },
	{ "two granules", GRANULE - 1, GRANULE, 0, 2 * GRANULE - 11 },
	{ "all of the file", 0, DL_PAGE_MAX, 0, 2 * GRANULE - 5 },
};

KUNIT_ARRAY_PARAM_DESC(parts, parts, desc);

static void a_fence_takes_whole_granules_once(struct kunit *test)
{
	const typeof(parts[0]) *row = test->param_value;
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 10, 2 * GRANULE + 5, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);

	KUNIT_ASSERT_TRUE(test, rig_break(lease, row->first, row->last));
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, c->fences, 1);
	KUNIT_EXPECT_EQ(test, c->last.first, row->fenced_first);
	KUNIT_EXPECT_EQ(test, c->last.last, row->fenced_last);
}

static void an_unconfirmed_fence_keeps_its_granules_only(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *c = consumer_attach(test, rig, lease);
	struct helper *waiter;
	struct daxlease_event ev;

	/* Granules 0 and 2 are doomed; the consumer does not let go of 0 */
	c->refused = (struct dl_range){ 0, 0 };
	rig_break(lease, 0, 0);
	rig_break(lease, 2 * GRANULE, 2 * GRANULE);
	ev = rig_event(test, rig->queue);
	waiter = helper_start(test, wait_granule_0, rig);
	KUNIT_EXPECT_FALSE(test, dl_fence(lease, ev.break_id));
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_BREAKING);
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 2));
	KUNIT_EXPECT_FALSE(test, dl_gate_clear(rig->gate, (struct dl_range){ 0, 0 }));
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
	RIG_UNTIL(test, !list_empty_careful(&rig->gate->waiters));
	KUNIT_EXPECT_FALSE(test, completion_done(&waiter->done));

	c->refused = DL_RANGE_NONE;
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, ev.break_id));
	KUNIT_EXPECT_EQ(test, helper_join(test, waiter), 0);
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
	KUNIT_EXPECT_TRUE(test, rig_event(test, rig->queue).bits & DAXLEASE_EVENT_FENCED);
}

static void one_consumer_that_refuses_is_enough(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *a = consumer_attach(test, rig, lease);
	struct consumer *b = consumer_attach(test, rig, lease);

	a->refused = DL_RANGE_ALL;
	rig_break(lease, 0, 0);
	KUNIT_EXPECT_FALSE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, b->fences, 1);
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 0));
}

static void who_attaches_after_a_loss_is_told(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *c;

	rig_break(lease, GRANULE, GRANULE);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	c = consumer_attach(test, rig, lease);
	KUNIT_EXPECT_EQ(test, c->fences, 1);
	KUNIT_EXPECT_EQ(test, c->last.first, GRANULE);
	KUNIT_EXPECT_EQ(test, c->last.last, 2 * GRANULE - 1);
}

static void who_cannot_let_go_is_refused(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *c = consumer_prepare(test, rig, lease);

	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	c->refused = DL_RANGE_ALL;
	KUNIT_EXPECT_EQ(test, PTR_ERR(daxlease_attach(lease, 0, 4 * GRANULE, &consumer_ops, c)),
			-EIO);
	KUNIT_EXPECT_TRUE(test, list_empty(&lease->attachments));
}

static void who_cannot_lose_a_part_loses_all_once(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *c = consumer_prepare(test, rig, lease);
	struct daxlease_attachment *att;
	unsigned int noio;
	bool can;

	att = daxlease_attach(lease, GRANULE, 2 * GRANULE, &consumer_whole, c);
	KUNIT_ASSERT_FALSE(test, IS_ERR(att));
	c->att = att;
	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, c->fences, 0);

	/* Asked for all of it, until it confirms */
	c->refused = DL_RANGE_ALL;
	rig_break(lease, GRANULE, GRANULE);
	KUNIT_EXPECT_FALSE(test, dl_fence(lease, 0));
	c->refused = DL_RANGE_NONE;
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, c->fences, 2);
	KUNIT_EXPECT_EQ(test, c->pages, 2 * 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, c->last.first, GRANULE);
	rig_break(lease, 2 * GRANULE, 2 * GRANULE);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, c->fences, 2);

	noio = dl_fence_lock(lease);
	can = dl_attach_can_rearm(lease);
	dl_fence_unlock(lease, noio);
	KUNIT_EXPECT_TRUE(test, can);
}

static void who_loses_all_or_nothing_begins_with_all(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *c = consumer_prepare(test, rig, lease);
	struct daxlease_attachment *att;

	rig_break(lease, GRANULE, GRANULE);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	att = daxlease_attach(lease, 2 * GRANULE - 1, 2, &consumer_whole, c);
	KUNIT_EXPECT_EQ(test, PTR_ERR(att), -EKEYREVOKED);
	att = daxlease_attach(lease, 2 * GRANULE, 2, &consumer_whole, c);
	KUNIT_ASSERT_FALSE(test, IS_ERR(att));
	c->att = att;
	KUNIT_EXPECT_EQ(test, c->fences, 0);
}

static const struct {
	const char *desc;
	u64 first, count;
	bool fits;
} ranges[] = {
	{ "all", 0, 4 * GRANULE, true },
	{ "a part", 5, 7, true },
	{ "the last page", 4 * GRANULE - 1, 1, true },
	{ "nothing", 0, 0, false },
	{ "one page too many", 0, 4 * GRANULE + 1, false },
	{ "beyond the end", 4 * GRANULE, 1, false },
	{ "more than there are pages", 1, U64_MAX, false },
};

KUNIT_ARRAY_PARAM_DESC(ranges, ranges, desc);

static void an_attachment_lies_in_its_lease(struct kunit *test)
{
	const typeof(ranges[0]) *row = test->param_value;
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *c = consumer_prepare(test, rig, lease);
	struct daxlease_attachment *att;

	att = daxlease_attach(lease, row->first, row->count, &consumer_ops, c);
	if (!row->fits) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(att), -EINVAL);
		return;
	}
	KUNIT_ASSERT_FALSE(test, IS_ERR(att));
	c->att = att;
	rig_break(lease, 0, DL_PAGE_MAX);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, c->pages, row->count);
	KUNIT_EXPECT_EQ(test, c->last.first, row->first);
}

static void release_fences_what_is_left(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *c = consumer_attach(test, rig, lease);

	rig_break(lease, 0, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_TRUE(test, dl_lease_end(lease));
	KUNIT_EXPECT_EQ(test, c->fences, 2);
	KUNIT_EXPECT_EQ(test, c->pages, 4 * GRANULE);
	KUNIT_EXPECT_EQ(test, c->state, DAXLEASE_ACTIVE);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_RELEASED);
	KUNIT_EXPECT_TRUE(test, dl_gate_clear(rig->gate, DL_RANGE_ALL));
}

static void an_unconfirmed_release_stays_published(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = four_granules(test, rig);
	struct consumer *c = consumer_attach(test, rig, lease);
	struct daxlease *found;

	c->refused = DL_RANGE_ALL;
	KUNIT_EXPECT_FALSE(test, dl_lease_end(lease));
	KUNIT_EXPECT_FALSE(test, dl_gate_clear(rig->gate, DL_RANGE_ALL));
	found = dl_lease_find(lease->id);
	KUNIT_EXPECT_PTR_EQ(test, found, lease);
	dl_lease_put(found);
	c->refused = DL_RANGE_NONE;

	/* The kernel tries again by itself */
	KUNIT_EXPECT_EQ(test, rig_wait_clear(test, rig), 0);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_RELEASED);
	KUNIT_EXPECT_NULL(test, dl_lease_find(lease->id));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(the_gate_opens_after_the_consumers),
	KUNIT_CASE_PARAM(a_fence_takes_whole_granules_once, parts_gen_params),
	KUNIT_CASE(an_unconfirmed_fence_keeps_its_granules_only),
	KUNIT_CASE(one_consumer_that_refuses_is_enough),
	KUNIT_CASE(who_attaches_after_a_loss_is_told),
	KUNIT_CASE(who_cannot_let_go_is_refused),
	KUNIT_CASE(who_cannot_lose_a_part_loses_all_once),
	KUNIT_CASE(who_loses_all_or_nothing_begins_with_all),
	KUNIT_CASE_PARAM(an_attachment_lies_in_its_lease, ranges_gen_params),
	KUNIT_CASE(release_fences_what_is_left),
	KUNIT_CASE(an_unconfirmed_release_stays_published),
	{}
};

static struct kunit_suite suite = {
	.name = "attach",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
