// SPDX-License-Identifier: GPL-2.0
/* The plan of reactions to breaks, as a story of events and of what is due at the end of it. */
#include "suite.h"

#include "reactions.h"

#define BREAK	DAXLEASE_EVENT_BREAK
#define FENCED	DAXLEASE_EVENT_FENCED
#define CLEARED	DAXLEASE_EVENT_CLEARED
#define REVOKED	DAXLEASE_EVENT_REVOKED

static void plans_follow_events(void **state)
{
	static const struct {
		const char *desc;
		struct {
			uint32_t bits;
			uint64_t id, break_id, due_ns;
		} events[4];
		uint64_t next_ns;
		size_t count;
	} rows[] = {
		{ "nothing", { }, UINT64_MAX, 0 },
		{ "a break", { { BREAK, 1, 10, 500 } }, 500, 1 },
		{ "a joined break keeps its time", { { BREAK, 1, 10, 500 }, { BREAK, 1, 10, 900 } },
		  500, 1 },
		{ "a new break of the lease has its own", { { BREAK, 1, 10, 500 },
		  { BREAK, 1, 11, 900 } }, 900, 1 },
		{ "two leases, the earlier first", { { BREAK, 1, 10, 500 }, { BREAK, 2, 11, 400 } },
		  400, 2 },
		{ "a fence ends it", { { BREAK, 1, 10, 500 }, { FENCED, 1, 10, 900 } },
		  UINT64_MAX, 0 },
		{ "a revocation ends it", { { BREAK, 1, 10, 500 }, { REVOKED, 1, 10, 900 } },
		  UINT64_MAX, 0 },
		{ "a fence of one lease leaves the other", { { BREAK, 1, 10, 500 },
		  { BREAK, 2, 11, 600 }, { FENCED, 1, 10, 900 } }, 600, 1 },
		{ "seen only when it was over", { { BREAK | FENCED, 1, 10, 500 } }, UINT64_MAX, 0 },
		{ "cleared means nothing", { { BREAK, 1, 10, 500 }, { CLEARED, 1, 10, 900 } },
		  500, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct reactions r = { 0 };

		print_message("%s\n", rows[i].desc);
		for (size_t e = 0; e < ARRAY_SIZE(rows[i].events); e++) {
			struct daxlease_event event = {
				.bits = rows[i].events[e].bits,
				.id = rows[i].events[e].id,
				.break_id = rows[i].events[e].break_id,
			};

			assert_int_equal(reactions_plan(&r, &event, rows[i].events[e].due_ns), 0);
		}
		assert_int_equal(reactions_next(&r), rows[i].next_ns);
		assert_int_equal(r.count, rows[i].count);
		reactions_free(&r);
	}
}

static void what_is_due_is_taken_once(void **state)
{
	struct daxlease_event event = {
		.bits = BREAK, .id = 1, .generation = 3, .break_id = 10,
	};
	struct reactions r = { 0 };
	struct reaction reaction;

	(void)state;
	assert_int_equal(reactions_plan(&r, &event, 500), 0);
	event.id = 2;
	assert_int_equal(reactions_plan(&r, &event, 900), 0);

	assert_false(reactions_take(&r, 499, &reaction));
	assert_true(reactions_take(&r, 500, &reaction));
	assert_int_equal(reaction.id, 1);
	assert_int_equal(reaction.generation, 3);
	assert_int_equal(reaction.break_id, 10);
	assert_false(reactions_take(&r, 899, &reaction));
	assert_true(reactions_take(&r, UINT64_MAX, &reaction));
	assert_int_equal(reaction.id, 2);
	assert_false(reactions_take(&r, UINT64_MAX, &reaction));
	reactions_free(&r);
}

static void what_is_due_goes_and_what_is_not_stays(void **state)
{
	struct daxlease_event event = { .bits = BREAK };
	struct reactions r = { 0 };
	struct reaction reaction;

	(void)state;
	for (event.id = 1; event.id <= 3; event.id++)
		assert_int_equal(reactions_plan(&r, &event, event.id == 2 ? 100 : 900), 0);
	assert_true(reactions_take(&r, 100, &reaction));
	assert_int_equal(reaction.id, 2);
	assert_false(reactions_take(&r, 100, &reaction));
	assert_int_equal(r.count, 2);
	assert_int_equal(reactions_next(&r), 900);
	reactions_free(&r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(plans_follow_events),
	cmocka_unit_test(what_is_due_is_taken_once),
	cmocka_unit_test(what_is_due_goes_and_what_is_not_stays),
};

SUITE(tests)
