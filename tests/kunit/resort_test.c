// SPDX-License-Identifier: GPL-2.0
/*
 * resort: the replacements of hook_gate.c, one at a time, called as ftrace would. Nothing else is
 * hooked here, so no other layer makes up for one that fails.
 */
#include <linux/pagemap.h>

#include "hook_ops.h"
#include "seam.h"

#define PAGES	(4 * GRANULE)

static int init(struct kunit *test)
{
	int err = rig_init(test);

	if (!err)
		i_size_write(((struct rig *)test->priv)->inode, PAGES << PAGE_SHIFT);
	return err;
}

static void *replacement(struct kunit *test, const char *name)
{
	int i;

	for (i = 0; i < DL_NR_GATE; i++)
		if (!strcmp(dl_gate_hooks[i].name, name))
			return dl_gate_hooks[i].replacement;
	KUNIT_FAIL_AND_ABORT(test, "no hook of %s", name);
	return NULL;
}

typedef void (*call_fn)(struct kunit *test, struct address_space *mapping, u64 first, u64 last);

static void call_truncate_pages(struct kunit *test, struct address_space *mapping, u64 first,
				u64 last)
{
	void (*hook)(struct address_space *mapping, loff_t start, loff_t last) =
		replacement(test, "truncate_inode_pages_range");

	hook(mapping, first << PAGE_SHIFT, ((last + 1) << PAGE_SHIFT) - 1);
}

static void call_invalidate(struct kunit *test, struct address_space *mapping, u64 first, u64 last)
{
	int (*hook)(struct address_space *mapping, pgoff_t start, pgoff_t end) =
		replacement(test, "invalidate_inode_pages2_range");

	hook(mapping, first, last);
}

static void call_unmap(struct kunit *test, struct address_space *mapping, u64 first, u64 last)
{
	void (*hook)(struct address_space *mapping, pgoff_t start, pgoff_t nr, bool even_cows) =
		replacement(test, "unmap_mapping_pages");

	hook(mapping, first, last - first + 1, false);
}

struct row {
	const char *desc;
	call_fn call;
	bool explainable;
};

static const struct row calls[] = {
	{ "truncate_inode_pages_range", call_truncate_pages, true },
	{ "invalidate_inode_pages2_range", call_invalidate, false },
	{ "unmap_mapping_pages", call_unmap, true },
};

KUNIT_ARRAY_PARAM_DESC(calls, calls, desc);

static void what_nobody_announced_is_fenced(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);
	struct daxlease_event ev;

	row->call(test, rig->inode->i_mapping, GRANULE + 1, GRANULE + 1);
	KUNIT_EXPECT_EQ(test, c->fences, 1);
	KUNIT_EXPECT_EQ(test, c->last.first, GRANULE);
	KUNIT_EXPECT_EQ(test, c->last.last, 2 * GRANULE - 1);
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 1));
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_TRUE(test, ev.flags & DAXLEASE_FLAG_EMERGENCY);
	KUNIT_EXPECT_EQ(test, ev.reason, DAXLEASE_REASON_INVALIDATE);
}

static void a_record_explains_where_it_can(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);
	struct dl_op *op = dl_op_begin(rig->inode, (struct dl_range){ GRANULE, 2 * GRANULE - 1 });

	KUNIT_ASSERT_NOT_NULL(test, op);
	row->call(test, rig->inode->i_mapping, 0, 0);
	KUNIT_EXPECT_EQ(test, c->fences, !row->explainable);
	dl_op_end(op);
}

static void a_record_of_another_file_explains_nothing(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct rig *rig = test->priv, *other = rig_other(test);
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);
	struct dl_op *op = dl_op_begin(other->inode, DL_RANGE_ALL);

	KUNIT_ASSERT_NOT_NULL(test, op);
	row->call(test, rig->inode->i_mapping, 0, 0);
	KUNIT_EXPECT_EQ(test, c->fences, 1);
	dl_op_end(op);
}

static void parts_of_pages_do_not_go(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);
	void (*hook)(struct address_space *mapping, loff_t start, loff_t last) =
		replacement(test, "truncate_inode_pages_range");

	hook(rig->inode->i_mapping, 1, PAGE_SIZE - 1);
	hook(rig->inode->i_mapping, 0, PAGE_SIZE - 2);
	KUNIT_EXPECT_EQ(test, c->fences, 0);
	hook(rig->inode->i_mapping, 0, PAGE_SIZE - 1);
	KUNIT_EXPECT_EQ(test, c->fences, 1);
}

/* nr 0, or more than there is: to the end */
static void unmap_of_nothing_is_of_all(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	struct consumer *c = consumer_attach(test, rig, lease);
	void (*hook)(struct address_space *mapping, pgoff_t start, pgoff_t nr, bool even_cows) =
		replacement(test, "unmap_mapping_pages");

	hook(rig->inode->i_mapping, 2 * GRANULE, 0, false);
	KUNIT_EXPECT_EQ(test, c->pages, 2 * GRANULE);
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 1));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 2));
	hook(rig->inode->i_mapping, GRANULE, ULONG_MAX, false);
	KUNIT_EXPECT_EQ(test, c->pages, 3 * GRANULE);
}

static struct page *ask(struct kunit *test, struct rig *rig, bool ranged)
{
	struct page *(*busy)(struct address_space *mapping);
	struct page *(*busy_range)(struct address_space *mapping, loff_t start, loff_t end);

	if (ranged) {
		busy_range = replacement(test, "dax_layout_busy_page_range");
		return busy_range(rig->inode->i_mapping, 0, LLONG_MAX);
	}
	busy = replacement(test, "dax_layout_busy_page");
	return busy(rig->inode->i_mapping);
}

static void the_gate_holds_until_the_fence(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	int ranged;

	for (ranged = 0; ranged < 2; ranged++) {
		KUNIT_EXPECT_PTR_EQ(test, ask(test, rig, ranged), rig->page);
		/* Woken too early, it asks again */
		KUNIT_EXPECT_PTR_EQ(test, ask(test, rig, ranged), rig->page);
	}
	KUNIT_EXPECT_EQ(test, rig_event(test, rig->queue).reason, DAXLEASE_REASON_LAYOUT);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_NULL(test, ask(test, rig, 0));
	KUNIT_EXPECT_NULL(test, ask(test, rig, 1));
}

static void at_the_gate_a_recorded_operation_breaks_its_range(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	struct dl_op *op = dl_op_begin(rig->inode, (struct dl_range){ 0, 0 });

	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_EXPECT_NOT_NULL(test, ask(test, rig, 0));
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_TRUE(test, rig_lost(lease, 0));
	KUNIT_EXPECT_FALSE(test, rig_lost(lease, 1));
	KUNIT_EXPECT_NULL(test, ask(test, rig, 0));
	dl_op_end(op);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(what_nobody_announced_is_fenced, calls_gen_params),
	KUNIT_CASE_PARAM(a_record_explains_where_it_can, calls_gen_params),
	KUNIT_CASE_PARAM(a_record_of_another_file_explains_nothing, calls_gen_params),
	KUNIT_CASE(parts_of_pages_do_not_go),
	KUNIT_CASE(unmap_of_nothing_is_of_all),
	KUNIT_CASE(the_gate_holds_until_the_fence),
	KUNIT_CASE(at_the_gate_a_recorded_operation_breaks_its_range),
	{}
};

static struct kunit_suite suite = {
	.name = "resort",
	.init = init,
	.test_cases = cases,
};

kunit_test_suite(suite);
