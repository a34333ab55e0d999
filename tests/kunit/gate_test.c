// SPDX-License-Identifier: GPL-2.0
/* gate: who breaks whom, when a range is clear, the page that is slept on, the last resort. */
#include <linux/kprobes.h>

#include "rig.h"

static void a_file_has_one_gate(struct kunit *test)
{
	struct rig *rig = test->priv, *other = rig_other(test);
	struct dl_gate *again = dl_gate_create(rig->inode), *found = dl_gate_find(rig->inode);

	KUNIT_EXPECT_PTR_EQ(test, again, rig->gate);
	KUNIT_EXPECT_PTR_EQ(test, found, rig->gate);
	KUNIT_EXPECT_PTR_NE(test, other->gate, rig->gate);
	KUNIT_EXPECT_TRUE(test, dl_gate_exists(rig->inode));
	dl_gate_put(again);
	dl_gate_put(found);
}

static void an_operation_breaks_every_lease_in_its_range(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *in = rig_lease(test, rig, 0, 9, LONG_GRACE);
	struct daxlease *same = rig_lease(test, rig, 0, 9, LONG_GRACE);
	struct daxlease *out = rig_lease(test, rig, 10, 19, LONG_GRACE);
	struct dl_breaker by = { .range = { 5, 9 }, .reason = DAXLEASE_REASON_TRUNCATE };

	KUNIT_EXPECT_FALSE(test, dl_gate_breaking(rig->gate));
	KUNIT_EXPECT_EQ(test, dl_gate_break(rig->gate, &by), 2);
	KUNIT_EXPECT_TRUE(test, dl_gate_breaking(rig->gate));
	KUNIT_EXPECT_EQ(test, rig_state(in), DAXLEASE_BREAKING);
	KUNIT_EXPECT_EQ(test, rig_state(same), DAXLEASE_BREAKING);
	KUNIT_EXPECT_EQ(test, rig_state(out), DAXLEASE_ACTIVE);

	/* The range is clear when the last of them is fenced */
	KUNIT_EXPECT_TRUE(test, dl_fence(in, 0));
	KUNIT_EXPECT_FALSE(test, dl_gate_clear(rig->gate, by.range));
	KUNIT_EXPECT_TRUE(test, dl_fence(same, 0));
	KUNIT_EXPECT_TRUE(test, dl_gate_clear(rig->gate, by.range));
	KUNIT_EXPECT_FALSE(test, dl_gate_clear(rig->gate, DL_RANGE_ALL));
	KUNIT_EXPECT_FALSE(test, dl_gate_breaking(rig->gate));
	KUNIT_EXPECT_EQ(test, dl_gate_break(rig->gate, &by), 0);
}

static void a_filesystem_sleeps_on_a_page_until_the_fence(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	int idle = page_count(rig->page);
	struct page *page;

	rig_break(lease, 0, 0);
	page = dl_gate_busy_page(rig->gate, DL_RANGE_ALL);
	KUNIT_EXPECT_PTR_EQ(test, page, rig->page);
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle + 1);

	/* Woken too early it gets the same page, once */
	dl_gate_unbusy(rig->gate);
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle);
	KUNIT_EXPECT_PTR_EQ(test, dl_gate_busy_page(rig->gate, DL_RANGE_ALL), page);
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle + 1);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle);
	KUNIT_EXPECT_NULL(test, dl_gate_busy_page(rig->gate, DL_RANGE_ALL));
}

static void a_filesystem_is_woken_by_the_last_fence_only(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *first = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	struct daxlease *last = rig_lease(test, rig, 0, 2 * GRANULE - 1, LONG_GRACE);
	int idle = page_count(rig->page);

	rig_break(first, 0, 0);
	rig_break(last, 0, 2 * GRANULE - 1);
	KUNIT_ASSERT_NOT_NULL(test, dl_gate_busy_page(rig->gate, DL_RANGE_ALL));
	KUNIT_EXPECT_TRUE(test, dl_fence(first, 0));
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle + 1);
	KUNIT_EXPECT_TRUE(test, dl_fence(last, 0));
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle);
}

/* The page is of the first lease, lost before; the filesystem still waits for the second */
static void a_page_about_to_be_invalidated_is_let_go(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *first = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	struct daxlease *other = rig_lease(test, rig, GRANULE, 2 * GRANULE - 1, LONG_GRACE);
	struct dl_range elsewhere = { 9 * GRANULE, 9 * GRANULE }, here = { 7, 7 };
	int idle = page_count(rig->page);

	rig_break(first, 0, 0);
	rig_break(other, GRANULE, GRANULE);
	KUNIT_ASSERT_NOT_NULL(test, dl_gate_busy_page(rig->gate, DL_RANGE_ALL));
	KUNIT_EXPECT_TRUE(test, dl_fence(first, 0));
	KUNIT_EXPECT_EQ(test, dl_gate_emergency(rig->gate, elsewhere, NULL), 0);
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle + 1);
	KUNIT_EXPECT_EQ(test, dl_gate_emergency(rig->gate, here, NULL), 0);
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle);
	KUNIT_EXPECT_EQ(test, rig_state(other), DAXLEASE_BREAKING);
}

static atomic_t looks;

static int count_look(struct kprobe *kp, struct pt_regs *regs)
{
	atomic_inc(&looks);
	return 0;
}

/* How often leases are looked at while somebody waits for @n of them, which are fenced in turn */
static unsigned int looks_for(struct kunit *test, struct rig *rig, unsigned int n)
{
	struct dl_breaker by = { .range = { 0, 0 }, .reason = DAXLEASE_REASON_TRUNCATE };
	struct daxlease **lease = kunit_kcalloc(test, n, sizeof(*lease), GFP_KERNEL);
	struct helper *waiter;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, lease);
	for (i = 0; i < n; i++)
		lease[i] = rig_lease(test, rig, 0, 0, LONG_GRACE);
	KUNIT_ASSERT_EQ(test, dl_gate_break(rig->gate, &by), n);
	waiter = helper_start(test, call_wait_whole_file, rig);
	RIG_UNTIL(test, !list_empty_careful(&rig->gate->waiters));
	atomic_set(&looks, 0);
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_TRUE(test, dl_fence(lease[i], 0));
		if (i + 1 < n)	/* woken in vain it would look now */
			RIG_UNTIL(test, !task_is_running(waiter->task));
	}
	KUNIT_EXPECT_EQ(test, helper_join(test, waiter), 0);
	for (i = 0; i < n; i++)
		dl_lease_end(lease[i]);
	return atomic_read(&looks);
}

static void waiting_for_n_leases_takes_n_looks(struct kunit *test)
{
	struct kprobe kp = { .addr = (void *)dl_lease_live_in, .pre_handler = count_look };
	struct rig *rig = test->priv;
	unsigned int few, many;

	KUNIT_ASSERT_EQ(test, register_kprobe(&kp), 0);
	few = looks_for(test, rig, 16);
	many = looks_for(test, rig, 256);
	unregister_kprobe(&kp);
	KUNIT_EXPECT_GE(test, few, 16);
	KUNIT_EXPECT_LE(test, many, 256 / 16 * few);
}

static void a_waiter_that_left_keeps_no_page(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, GRANULE - 1, LONG_GRACE);
	int idle = page_count(rig->page);

	rig_break(lease, 0, 0);
	dl_gate_busy_page(rig->gate, DL_RANGE_ALL);
	dl_gate_unbusy(rig->gate);
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle);
	dl_gate_unbusy(rig->gate);
	KUNIT_EXPECT_EQ(test, page_count(rig->page), idle);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_BREAKING);
}

static void nobody_sleeps_for_what_is_not_leased(struct kunit *test)
{
	struct rig *rig = test->priv;

	rig_acquiring(test, rig, 0, 9, LONG_GRACE);
	rig_lease(test, rig, 10, 19, LONG_GRACE);
	KUNIT_EXPECT_NULL(test, dl_gate_busy_page(rig->gate, (struct dl_range){ 0, 9 }));
	KUNIT_EXPECT_NULL(test, dl_gate_busy_page(rig->gate, (struct dl_range){ 20, 99 }));
	KUNIT_EXPECT_EQ(test, dl_gate_wait(rig->gate, (struct dl_range){ 0, 9 }, 0), 0);
}

#define G	GRANULE
static const struct {
	const char *desc;
	struct dl_range r;
	bool known;
	struct dl_range explained;
	unsigned int hit;
	bool lost[4];		/* of a lease of four granules from page 0 */
} rows[] = {
	{ "nothing is known", { 0, 4 * G - 1 }, false, {}, 1, { true, true, true, true } },
	{ "a page, and nothing is known", { G, G }, false, {}, 1, { false, true } },
	{ "beyond the lease", { 4 * G, 9 * G }, false, {}, 0, {} },
	{ "the operation is about another place", { 0, 4 * G - 1 }, true, { 9 * G, 9 * G }, 0, {} },
	{ "the operation is about these pages", { G, G }, true, { G, G }, 1, { false, true } },
	{ "the filesystem rounds outward", { 0, 4 * G - 1 }, true, { G, 2 * G - 1 }, 1,
	  { false, true } },
	{ "the operation changes nothing", { 0, 4 * G - 1 }, true, { 1, 0 }, 0, {} },
};

KUNIT_ARRAY_PARAM_DESC(rows, rows, desc);

static void the_last_resort_fences_what_is_meant(struct kunit *test)
{
	const typeof(rows[0]) *row = test->param_value;
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, 4 * G - 1, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);
	int g;

	KUNIT_EXPECT_EQ(test, dl_gate_emergency(rig->gate, row->r,
						row->known ? &row->explained : NULL), row->hit);
	for (g = 0; g < 4; g++)
		KUNIT_EXPECT_EQ_MSG(test, rig_lost(lease, g), row->lost[g], "granule %d", g);
	KUNIT_EXPECT_EQ(test, !!c->fences, row->hit);
	if (row->hit)
		KUNIT_EXPECT_EQ(test, rig_event(test, rig->queue).flags, DAXLEASE_FLAG_EMERGENCY);
	else
		KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

static void an_acquiring_lease_is_no_emergency(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_acquiring(test, rig, 0, 9, LONG_GRACE);

	KUNIT_EXPECT_EQ(test, dl_gate_emergency(rig->gate, DL_RANGE_ALL, NULL), 0);
	KUNIT_EXPECT_TRUE(test, lease->dead);
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

static void failed_memory_is_fenced_wherever_it_is_leased(struct kunit *test)
{
	struct rig *rig = test->priv, *sound = rig_other(test);
	struct daxlease *lease = rig_lease(test, rig, 0, 9, LONG_GRACE);
	struct daxlease *second = rig_lease(test, rig, 5, 20, LONG_GRACE);
	struct daxlease *other = rig_lease(test, sound, 0, 9, LONG_GRACE);
	struct daxlease_event ev;

	dl_gate_failure(page_to_pfn(rig->page), 1);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_REVOKED);
	KUNIT_EXPECT_EQ(test, rig_state(second), DAXLEASE_REVOKED);
	KUNIT_EXPECT_EQ(test, rig_state(other), DAXLEASE_ACTIVE);
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.reason, DAXLEASE_REASON_FAILURE);
	KUNIT_EXPECT_EQ(test, ev.flags, DAXLEASE_FLAG_NO_GRACE);
	KUNIT_EXPECT_TRUE(test, rig_silent(sound->queue));
}

/* Nobody waits for the fence, so it is tried again without him */
static void failed_memory_is_fenced_by_the_work_in_the_end(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, 9, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);

	c->refused = (struct dl_range){ 0, 9 };
	dl_gate_failure(page_to_pfn(rig->page), 1);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_BREAKING);
	c->refused = DL_RANGE_NONE;
	RIG_UNTIL(test, rig_state(lease) == DAXLEASE_REVOKED);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_file_has_one_gate),
	KUNIT_CASE(an_operation_breaks_every_lease_in_its_range),
	KUNIT_CASE(a_filesystem_sleeps_on_a_page_until_the_fence),
	KUNIT_CASE(a_filesystem_is_woken_by_the_last_fence_only),
	KUNIT_CASE(a_page_about_to_be_invalidated_is_let_go),
	KUNIT_CASE(waiting_for_n_leases_takes_n_looks),
	KUNIT_CASE(a_waiter_that_left_keeps_no_page),
	KUNIT_CASE(nobody_sleeps_for_what_is_not_leased),
	KUNIT_CASE_PARAM(the_last_resort_fences_what_is_meant, rows_gen_params),
	KUNIT_CASE(an_acquiring_lease_is_no_emergency),
	KUNIT_CASE(failed_memory_is_fenced_wherever_it_is_leased),
	KUNIT_CASE(failed_memory_is_fenced_by_the_work_in_the_end),
	{}
};

static struct kunit_suite suite = {
	.name = "gate",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
