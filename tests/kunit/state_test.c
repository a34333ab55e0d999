// SPDX-License-Identifier: GPL-2.0
/* state: every transition, allowed or not. */
#include <kunit/test.h>

#include "state.h"

#define NR_STATES	(DAXLEASE_RELEASED + 1)

static const struct {
	const char *desc;
	enum daxlease_state from;
	bool may[NR_STATES];
} rows[] = {
	{ "acquiring becomes active or is given up", DAXLEASE_ACQUIRING,
	  { [DAXLEASE_ACTIVE] = true, [DAXLEASE_RELEASED] = true } },
	{ "active is broken, released, or revoked when a re-arm fails", DAXLEASE_ACTIVE,
	  { [DAXLEASE_BREAKING] = true, [DAXLEASE_REVOKED] = true, [DAXLEASE_RELEASED] = true } },
	{ "breaking ends with some left, with none left, or with a release", DAXLEASE_BREAKING,
	  { [DAXLEASE_ACTIVE] = true, [DAXLEASE_REVOKED] = true, [DAXLEASE_RELEASED] = true } },
	{ "revoked is armed again or released", DAXLEASE_REVOKED,
	  { [DAXLEASE_ACTIVE] = true, [DAXLEASE_RELEASED] = true } },
	{ "released is the end", DAXLEASE_RELEASED, {} },
};

KUNIT_ARRAY_PARAM_DESC(rows, rows, desc);

static void transitions_are_those_of_the_design(struct kunit *test)
{
	const typeof(rows[0]) *row = test->param_value;
	int to;

	for (to = 0; to < NR_STATES; to++)
		KUNIT_EXPECT_EQ_MSG(test, dl_state_may(row->from, to), row->may[to], "%s -> %s",
				    dl_state_name(row->from), dl_state_name(to));
}

static void states_have_names_of_their_own(struct kunit *test)
{
	int a, b;

	for (a = 0; a < NR_STATES; a++) {
		KUNIT_ASSERT_NOT_NULL(test, dl_state_name(a));
		for (b = 0; b < a; b++)
			KUNIT_EXPECT_STRNEQ(test, dl_state_name(a), dl_state_name(b));
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(transitions_are_those_of_the_design, rows_gen_params),
	KUNIT_CASE(states_have_names_of_their_own),
	{}
};

static struct kunit_suite suite = {
	.name = "state",
	.test_cases = cases,
};

kunit_test_suite(suite);
