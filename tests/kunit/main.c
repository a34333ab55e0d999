// SPDX-License-Identifier: GPL-2.0
/* main: load and unload; KUnit runs the suites when this module is live. */
#include <linux/module.h>

#include "break.h"
#include "budget.h"
#include "hooks.h"
#include "opctx.h"

static int __init daxlease_kunit_init(void)
{
	int err;

	dl_budget_init();
	err = dl_op_pool_init();
	if (err)
		return err;
	err = dl_lease_init();
	if (err)
		goto out_pool;
	err = dl_break_init();
	if (err)
		goto out_lease;
	err = dl_hooks_init();
	if (err)
		goto out_break;
	return 0;

out_break:
	dl_break_exit();
out_lease:
	dl_lease_exit();
out_pool:
	dl_op_pool_exit();
	return err;
}

static void __exit daxlease_kunit_exit(void)
{
	dl_hooks_exit();
	dl_break_exit();
	dl_lease_exit();
	dl_op_pool_exit();
	dl_budget_exit();
	rcu_barrier();
}

module_init(daxlease_kunit_init);
module_exit(daxlease_kunit_exit);
MODULE_DESCRIPTION("KUnit suites of daxlease");
MODULE_LICENSE("GPL");
