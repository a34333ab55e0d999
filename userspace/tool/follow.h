/* SPDX-License-Identifier: GPL-2.0 */
/* Printing events and acting on breaks, until something ends it. */
#ifndef DAXLEASE_FOLLOW_H
#define DAXLEASE_FOLLOW_H

#include <stdint.h>

#include <libdaxlease.h>

#include "reactions.h"

enum on_break {
	ON_BREAK_IGNORE,	/* sit it out until the fence */
	ON_BREAK_ACK,
	ON_BREAK_RELEASE,	/* stop following; the caller releases */
};

/* The options behind it; a command's choices for on-break are a prefix of enum on_break. */
#define FOLLOW_OPTIONS(f, choices)								\
	{ "on-break", OPTION_CHOICE, &(f)->on_break, "default: ignore", choices },		\
	{ "after", OPTION_TIME, &(f)->after_ns, "do it that long after the event", NULL },	\
	{ "count", OPTION_NUMBER, &(f)->count, "exit after N events", NULL },			\
	{ "timeout", OPTION_TIME, &(f)->timeout_ns, "exit after TIME", NULL }

/**
 * struct follow - what to follow, and for how long
 * @ctx: the context with the events
 * @pidfd: ends it when the process exits; or -1
 * @lease: ends it when this lease is revoked; or 0
 * @on_break: enum on_break (an int, as options are)
 * @after_ns: from an event with a break to the reaction
 * @count: ends it after so many events; 0: no limit
 * @timeout_ns: ends it after that time; 0: no limit
 * @reactions: breaks that wait for their reaction
 */
struct follow {
	struct daxlease_ctx *ctx;
	int pidfd;
	uint64_t lease;
	int on_break;
	uint64_t after_ns;
	uint64_t count;
	uint64_t timeout_ns;
	struct reactions reactions;
};

int follow_signals(void);
int follow(struct follow *f, int signals);

#endif /* DAXLEASE_FOLLOW_H */
