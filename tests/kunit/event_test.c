// SPDX-License-Identifier: GPL-2.0
/* event: one slot, one record; what comes together is told together, and nothing is told twice. */
#include <linux/pid.h>
#include <linux/sched.h>

#include "rig.h"

#define PAGES(a, b)	((struct dl_range){ a, b })

static void drop_slot(void *slot)
{
	dl_slot_fini(slot);
}

static struct dl_slot *new_slot(struct kunit *test, u64 id)
{
	struct dl_slot *slot = kunit_kzalloc(test, sizeof(*slot), GFP_KERNEL);
	struct rig *rig = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, slot);
	dl_slot_init(slot, rig->queue, id, 1000 + id, 0);
	kunit_add_action_or_reset(test, drop_slot, slot);
	return slot;
}

static void post(struct dl_slot *slot, u32 bits, u32 flags, struct dl_range hit)
{
	struct dl_note note = {
		.bits = bits, .flags = flags, .hit = hit, .lost = hit, .generation = 1,
		.break_id = 7, .now = 100, .deadline = 200, .reason = DAXLEASE_REASON_TRUNCATE,
	};

	dl_slot_post(slot, &note);
}

static const struct {
	const char *desc;
	struct { u32 bits, flags; struct dl_range pages; } posts[3];
	u32 bits, flags;
	u64 offset, length;
} rows[] = {
	{ "one", { { DAXLEASE_EVENT_BREAK, 0, { 2, 3 } } }, DAXLEASE_EVENT_BREAK, 0,
	  2 * PAGE_SIZE, 2 * PAGE_SIZE },
	{ "bits and flags add up, ranges span",
	  { { DAXLEASE_EVENT_BREAK, 0, { 2, 3 } },
	    { DAXLEASE_EVENT_BREAK, DAXLEASE_FLAG_JOINED, { 8, 9 } } },
	  DAXLEASE_EVENT_BREAK, DAXLEASE_FLAG_JOINED, 2 * PAGE_SIZE, 8 * PAGE_SIZE },
	{ "a whole break unread",
	  { { DAXLEASE_EVENT_BREAK, DAXLEASE_FLAG_NO_GRACE, { 5, 5 } },
	    { DAXLEASE_EVENT_FENCED, 0, { 5, 5 } }, { DAXLEASE_EVENT_CLEARED, 0, { 1, 0 } } },
	  DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED | DAXLEASE_EVENT_CLEARED,
	  DAXLEASE_FLAG_NO_GRACE, 5 * PAGE_SIZE, PAGE_SIZE },
	{ "broken again after the fence: not fenced",
	  { { DAXLEASE_EVENT_FENCED, 0, { 2, 2 } }, { DAXLEASE_EVENT_CLEARED, 0, { 1, 0 } },
	    { DAXLEASE_EVENT_BREAK, 0, { 4, 4 } } },
	  DAXLEASE_EVENT_BREAK, 0, 2 * PAGE_SIZE, 3 * PAGE_SIZE },
	{ "a note without a range", { { DAXLEASE_EVENT_CLEARED, 0, { 1, 0 } } },
	  DAXLEASE_EVENT_CLEARED, 0, 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(rows, rows, desc);

static void unread_notes_are_one_record(struct kunit *test)
{
	const typeof(rows[0]) *row = test->param_value;
	struct rig *rig = test->priv;
	struct dl_slot *slot = new_slot(test, 1);
	struct daxlease_event ev;
	int i;

	for (i = 0; i < ARRAY_SIZE(row->posts) && row->posts[i].bits; i++)
		post(slot, row->posts[i].bits, row->posts[i].flags, row->posts[i].pages);
	KUNIT_EXPECT_TRUE(test, dl_queue_ready(rig->queue));
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.size, sizeof(ev));
	KUNIT_EXPECT_EQ(test, ev.bits, row->bits);
	KUNIT_EXPECT_EQ(test, ev.flags, row->flags);
	KUNIT_EXPECT_EQ(test, ev.id, 1);
	KUNIT_EXPECT_EQ(test, ev.cookie, 1001);
	KUNIT_EXPECT_EQ(test, ev.hit_offset, row->offset);
	KUNIT_EXPECT_EQ(test, ev.hit_length, row->length);
	KUNIT_EXPECT_EQ(test, ev.lost_offset, row->offset);
	KUNIT_EXPECT_EQ(test, ev.lost_length, row->length);
	KUNIT_EXPECT_EQ(test, ev.time_ns, 100);
	KUNIT_EXPECT_EQ(test, ev.deadline_ns, 200);
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
	KUNIT_EXPECT_FALSE(test, dl_queue_ready(rig->queue));
}

static void a_record_begins_anew_after_it_was_read(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_slot *slot = new_slot(test, 1);
	struct daxlease_event ev;

	post(slot, DAXLEASE_EVENT_BREAK, DAXLEASE_FLAG_JOINED, PAGES(1, 9));
	rig_event(test, rig->queue);
	post(slot, DAXLEASE_EVENT_FENCED, 0, PAGES(4, 4));
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.bits, DAXLEASE_EVENT_FENCED);
	KUNIT_EXPECT_EQ(test, ev.flags, 0);
	KUNIT_EXPECT_EQ(test, ev.hit_length, PAGE_SIZE);
}

static void leases_are_read_in_the_order_of_their_first_note(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_slot *a = new_slot(test, 1), *b = new_slot(test, 2);

	post(b, DAXLEASE_EVENT_BREAK, 0, PAGES(1, 1));
	post(a, DAXLEASE_EVENT_BREAK, 0, PAGES(1, 1));
	post(b, DAXLEASE_EVENT_FENCED, 0, PAGES(1, 1));
	KUNIT_EXPECT_EQ(test, rig_event(test, rig->queue).id, 2);
	KUNIT_EXPECT_EQ(test, rig_event(test, rig->queue).id, 1);
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

static void what_comes_between_look_and_take_is_kept(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_slot *slot = new_slot(test, 1);
	struct daxlease_event ev;
	u64 posts;

	post(slot, DAXLEASE_EVENT_BREAK, 0, PAGES(1, 1));
	KUNIT_ASSERT_TRUE(test, dl_queue_peek(rig->queue, &ev, &posts));
	post(slot, DAXLEASE_EVENT_FENCED, 0, PAGES(1, 1));
	dl_queue_consume(rig->queue, ev.id, posts);
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_TRUE(test, ev.bits & DAXLEASE_EVENT_FENCED);
}

static void another_leases_record_is_not_taken(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_slot *slot = new_slot(test, 1);

	post(slot, DAXLEASE_EVENT_BREAK, 0, PAGES(1, 1));
	dl_queue_consume(rig->queue, 2, slot->posts);
	KUNIT_EXPECT_FALSE(test, rig_silent(rig->queue));
}

static void a_closed_queue_takes_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_slot *slot = new_slot(test, 1);

	post(slot, DAXLEASE_EVENT_BREAK, 0, PAGES(1, 1));
	KUNIT_EXPECT_TRUE(test, dl_slot_live(slot));
	dl_queue_close(rig->queue);
	KUNIT_EXPECT_FALSE(test, dl_slot_live(slot));
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
	post(slot, DAXLEASE_EVENT_FENCED, 0, PAGES(1, 1));
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

static void a_slot_takes_its_record_with_it(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_slot slot = {};

	dl_slot_init(&slot, rig->queue, 5, 0, 0);
	post(&slot, DAXLEASE_EVENT_BREAK, 0, PAGES(1, 1));
	dl_slot_fini(&slot);
	KUNIT_EXPECT_TRUE(test, rig_silent(rig->queue));
}

static void a_breaker_is_named_until_it_is_read(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct dl_slot *slot = new_slot(test, 1);
	struct pid *me = get_task_pid(current, PIDTYPE_TGID);
	unsigned int refs = refcount_read(&me->count);
	struct dl_note note = {
		.bits = DAXLEASE_EVENT_BREAK, .breaker = me, .comm = "breaker", .now = 1,
	};
	struct daxlease_event ev;

	dl_slot_post(slot, &note);
	dl_slot_post(slot, &note);
	KUNIT_EXPECT_EQ(test, refcount_read(&me->count), refs + 1);
	note.breaker = NULL;
	note.bits = DAXLEASE_EVENT_FENCED;
	dl_slot_post(slot, &note);
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.pid, task_tgid_nr(current));
	KUNIT_EXPECT_STREQ(test, (char *)ev.comm, "breaker");
	KUNIT_EXPECT_EQ(test, refcount_read(&me->count), refs);
	put_pid(me);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(unread_notes_are_one_record, rows_gen_params),
	KUNIT_CASE(a_record_begins_anew_after_it_was_read),
	KUNIT_CASE(leases_are_read_in_the_order_of_their_first_note),
	KUNIT_CASE(what_comes_between_look_and_take_is_kept),
	KUNIT_CASE(another_leases_record_is_not_taken),
	KUNIT_CASE(a_closed_queue_takes_nothing),
	KUNIT_CASE(a_slot_takes_its_record_with_it),
	KUNIT_CASE(a_breaker_is_named_until_it_is_read),
	{}
};

static struct kunit_suite suite = {
	.name = "event",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
