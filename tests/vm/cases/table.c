// SPDX-License-Identifier: GPL-2.0
/* All tables of cases, in the order they run (those for the stock type1 always come first) */
#include "harness.h"

extern const struct testcase selftest_cases[], stock_cases[], tools_cases[], abi_cases[], answers_cases[],
	hold_cases[], type1_cases[], type1_groups_cases[], type1_fenced_cases[], type1_stock_cases[],
	break_cases[], refuse_cases[], race_cases[], remap_cases[], removal_cases[], removal_unload_cases[], rearm_cases[],
	unload_cases[], timeline_cases[], qemu_cases[],
	qemu_break_cases[], qemu_companion_cases[];
extern const struct testcase paths_cases[], paths_moved_cases[], paths_calm_cases[];
extern const struct testcase rdma_cases[], rdma_rights_cases[], rdma_wire_cases[];
extern const struct testcase rdma_user_cases[], dmabuf_cases[];
extern const struct testcase watch_cases[], type1_policy_cases[], gate_cases[];
extern const struct testcase failnth_cases[], leak_cases[];
extern const struct testcase torture_cases[], permission_cases[];
extern const struct testcase machinery_cases[], removal_fs_cases[], failure_cases[], broken_cases[];
extern const struct testcase fair_cases[], many_cases[], limits_cases[], asleep_cases[], uring_cases[];

const struct testcase *const case_tables[] = {
	stock_cases,
	tools_cases,
	failnth_cases,
	leak_cases,	/* behind them: no kmemleak from here on, but a count */
	abi_cases,
	answers_cases,
	hold_cases,
	type1_cases,
	type1_groups_cases,
	type1_fenced_cases,
	type1_stock_cases,
	type1_policy_cases,
	watch_cases,
	break_cases,
	gate_cases,
	race_cases,
	remap_cases,
	paths_cases,
	paths_moved_cases,
	paths_calm_cases,
	refuse_cases,
	permission_cases,
	fair_cases,
	many_cases,
	limits_cases,
	asleep_cases,
	uring_cases,
	rearm_cases,
	qemu_cases,
	qemu_break_cases,
	removal_unload_cases,
	removal_fs_cases,
	failure_cases,
	dmabuf_cases,
	rdma_cases,
	rdma_rights_cases,
	rdma_wire_cases,
	rdma_user_cases,
	removal_cases,	/* leaves the spare NVDIMMs mounted */
	machinery_cases,
	broken_cases,
	unload_cases,
	timeline_cases,
	torture_cases,
	qemu_companion_cases,	/* the last of a demonstration, too */
	selftest_cases,
	NULL
};
