// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#define BIT_OF(state)	(1U << (state))

static const unsigned int next_states[] = {
	[DAXLEASE_ACQUIRING]	= BIT_OF(DAXLEASE_ACTIVE) | BIT_OF(DAXLEASE_RELEASED),
	[DAXLEASE_ACTIVE]	= BIT_OF(DAXLEASE_BREAKING) | BIT_OF(DAXLEASE_REVOKED) |
				  BIT_OF(DAXLEASE_RELEASED),
	[DAXLEASE_BREAKING]	= BIT_OF(DAXLEASE_ACTIVE) | BIT_OF(DAXLEASE_REVOKED) |
				  BIT_OF(DAXLEASE_RELEASED),
	[DAXLEASE_REVOKED]	= BIT_OF(DAXLEASE_ACTIVE) | BIT_OF(DAXLEASE_RELEASED),
	[DAXLEASE_RELEASED]	= 0,
};

static const char * const state_names[] = {
	[DAXLEASE_ACQUIRING]	= "acquiring",
	[DAXLEASE_ACTIVE]	= "active",
	[DAXLEASE_BREAKING]	= "breaking",
	[DAXLEASE_REVOKED]	= "revoked",
	[DAXLEASE_RELEASED]	= "released",
};

/**
 * dl_state_may() - is a transition in the table?
 * @from: present state
 * @to: next state
 *
 * Return: true if the design knows this transition.
 */
bool dl_state_may(enum daxlease_state from, enum daxlease_state to)
{
	return next_states[from] & BIT_OF(to);
}

/**
 * dl_state_name() - name of a state, for tables and traces
 * @state: the state
 *
 * Return: a constant string.
 */
const char *dl_state_name(enum daxlease_state state)
{
	return state_names[state];
}
