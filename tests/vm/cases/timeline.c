// SPDX-License-Identifier: GPL-2.0
/* The demonstration ends with what a person can follow step by step. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "trace.h"

#define SHORT_GRACE	(300 * MS)
#define SOON_MS		10000

static void timeline(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .offset = 2 * MIB, .length = PAGE };
	struct daxlease_event ev;
	struct held h;

	held_open(&h, t->dir, 8 * MIB, SHORT_GRACE);
	op.path = h.path;
	CHECK(trace_start(), "no tracepoints");
	trace_mark("the device holds 8 MiB of the file; punch of 4 KiB in its second granule begins");
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	CHECK(lease_wait(h.ctx, h.lease, DAXLEASE_EVENT_FENCED, &ev, SOON_MS));
	trace_mark("punch has returned; the holder never answered");
	CHECK(trace_tell() > 8, "the timeline is too short");
}

const struct testcase timeline_cases[] = {
	{ "timeline-of-a-break",
	  "one uncooperative break, microsecond by microsecond",
	  timeline, ON_ANY | NEEDS_VFIO | DEMO, 0 },
	{ 0 }
};
