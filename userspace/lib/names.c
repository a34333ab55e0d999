// SPDX-License-Identifier: LGPL-2.1-or-later
/* Names of the values in <daxlease.h>. They are part of the tool's output: they do not change. */
#include "ctx.h"

struct name {
	uint64_t value;
	const char *name;
};

static const struct name states[] = {
	{ DAXLEASE_ACQUIRING,	"acquiring" },
	{ DAXLEASE_ACTIVE,	"active" },
	{ DAXLEASE_BREAKING,	"breaking" },
	{ DAXLEASE_REVOKED,	"revoked" },
	{ DAXLEASE_RELEASED,	"released" },
};

static const struct name reasons[] = {
	{ DAXLEASE_REASON_NONE,		"none" },
	{ DAXLEASE_REASON_TRUNCATE,	"truncate" },
	{ DAXLEASE_REASON_FALLOCATE,	"fallocate" },
	{ DAXLEASE_REASON_REMAP,	"remap" },
	{ DAXLEASE_REASON_LAYOUT,	"layout" },
	{ DAXLEASE_REASON_INVALIDATE,	"invalidate" },
	{ DAXLEASE_REASON_REMOVE,	"remove" },
	{ DAXLEASE_REASON_MANUAL,	"manual" },
	{ DAXLEASE_REASON_HOOK,		"hook" },
	{ DAXLEASE_REASON_FAILURE,	"failure" },
};

static const struct name event_bits[] = {
	{ DAXLEASE_EVENT_BREAK,		"break" },
	{ DAXLEASE_EVENT_FENCED,	"fenced" },
	{ DAXLEASE_EVENT_CLEARED,	"cleared" },
	{ DAXLEASE_EVENT_REVOKED,	"revoked" },
};

static const struct name event_flags[] = {
	{ DAXLEASE_FLAG_EMERGENCY,	"emergency" },
	{ DAXLEASE_FLAG_NO_GRACE,	"no-grace" },
	{ DAXLEASE_FLAG_JOINED,	"joined" },
};

static const struct name capabilities[] = {
	{ DAXLEASE_CAP_REARM,		"rearm" },
	{ DAXLEASE_CAP_DMABUF,		"dmabuf" },
	{ DAXLEASE_CAP_FLUSH,		"flush" },
	{ DAXLEASE_CAP_WATCH,		"watch" },
	{ DAXLEASE_CAP_WATCH_ALL,	"watch-all" },
	{ DAXLEASE_CAP_EARLY,		"early" },
};

static const char *find_name(const struct name *names, size_t count, uint64_t value)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].value == value)
			return names[i].name;
	return NULL;
}

#define FIND(names, value) find_name(names, ARRAY_SIZE(names), value)

/**
 * daxlease_state_name - name of an enum daxlease_state
 * @state: the value
 *
 * Return: a constant string, or NULL for a value of a newer kernel.
 */
const char *daxlease_state_name(uint32_t state)
{
	return FIND(states, state);
}

/**
 * daxlease_reason_name - name of an enum daxlease_reason
 * @reason: the value
 *
 * Return: a constant string, or NULL for a value of a newer kernel.
 */
const char *daxlease_reason_name(uint32_t reason)
{
	return FIND(reasons, reason);
}

/**
 * daxlease_event_bit_name - name of one of enum daxlease_event_bits
 * @bit: a single bit
 *
 * Return: a constant string, or NULL for a bit of a newer kernel.
 */
const char *daxlease_event_bit_name(uint64_t bit)
{
	return FIND(event_bits, bit);
}

/**
 * daxlease_event_flag_name - name of one of enum daxlease_event_flags
 * @flag: a single bit
 *
 * Return: a constant string, or NULL for a bit of a newer kernel.
 */
const char *daxlease_event_flag_name(uint64_t flag)
{
	return FIND(event_flags, flag);
}

/**
 * daxlease_capability_name - name of one of enum daxlease_capability
 * @capability: a single bit
 *
 * Return: a constant string, or NULL for a bit of a newer kernel.
 */
const char *daxlease_capability_name(uint64_t capability)
{
	return FIND(capabilities, capability);
}
