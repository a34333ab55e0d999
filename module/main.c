// SPDX-License-Identifier: GPL-2.0
/* main: load, unload, parameters. Nothing else. */
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/capability.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/time64.h>

#include "break.h"
#include "budget.h"
#include "debugfs.h"
#include "hooks.h"
#include "ioctl.h"
#include "lease.h"
#include "opctx.h"
#include "params.h"
#include "unexported.h"

static unsigned int grace_default_ms = 500;
module_param(grace_default_ms, uint, 0644);
MODULE_PARM_DESC(grace_default_ms,
		 "grace of a lease that does not ask for one, in ms (default 500)");

static unsigned int grace_max_ms = 1000;
module_param(grace_max_ms, uint, 0644);
MODULE_PARM_DESC(grace_max_ms, "longest grace without CAP_LEASE, in ms (default 1000)");

/* Well under the 120 s after which the kernel calls a task hung. */
static unsigned int grace_max_privileged_ms = 30000;
module_param(grace_max_privileged_ms, uint, 0644);
MODULE_PARM_DESC(grace_max_privileged_ms, "longest grace with CAP_LEASE, in ms (default 30000)");

static unsigned int max_leases = 1000000;
module_param(max_leases, uint, 0644);
MODULE_PARM_DESC(max_leases, "most leases in all (default 1000000)");

static unsigned int max_leases_per_user = 65536;
module_param(max_leases_per_user, uint, 0644);
MODULE_PARM_DESC(max_leases_per_user,
		 "most leases of one user without CAP_SYS_RESOURCE (default 65536)");

static unsigned int max_leases_per_fs = 500000;
module_param(max_leases_per_fs, uint, 0644);
MODULE_PARM_DESC(max_leases_per_fs, "most leases on one filesystem (default 500000)");

static unsigned int hook_period_ms = 1000;
module_param(hook_period_ms, uint, 0644);
MODULE_PARM_DESC(hook_period_ms,
		 "how often hooks are tested, and how long they stay, in ms (default 1000)");

static unsigned int max_watches_per_user = 1024;
module_param(max_watches_per_user, uint, 0644);
MODULE_PARM_DESC(max_watches_per_user,
		 "most watches of one user without CAP_SYS_RESOURCE (default 1024)");

/**
 * dl_grace_max() - longest grace that this caller may ask for
 *
 * Return: ns.
 */
u64 dl_grace_max(void)
{
	bool privileged = ns_capable_noaudit(&init_user_ns, CAP_LEASE);

	return (u64)READ_ONCE(*(privileged ? &grace_max_privileged_ms : &grace_max_ms)) *
	       NSEC_PER_MSEC;
}

/**
 * dl_grace_default() - grace of who does not ask, never above what this caller may ask for
 *
 * Return: ns.
 */
u64 dl_grace_default(void)
{
	return min((u64)READ_ONCE(grace_default_ms) * NSEC_PER_MSEC, dl_grace_max());
}

/**
 * dl_leases_max() - most leases in all
 *
 * Return: a number.
 */
u64 dl_leases_max(void)
{
	return READ_ONCE(max_leases);
}

/**
 * dl_leases_per_user() - most leases of one user
 *
 * Return: a number.
 */
u64 dl_leases_per_user(void)
{
	return READ_ONCE(max_leases_per_user);
}

/**
 * dl_leases_per_fs() - most leases on one filesystem
 *
 * Return: a number.
 */
u64 dl_leases_per_fs(void)
{
	return READ_ONCE(max_leases_per_fs);
}

/**
 * dl_hook_period() - how often the hooks are tested, and looked at whether they are needed
 *
 * Return: jiffies, 10 ms to an hour.
 */
unsigned long dl_hook_period(void)
{
	return msecs_to_jiffies(clamp(READ_ONCE(hook_period_ms), 10U, 3600000U));
}

/**
 * dl_watches_per_user() - most watches of one user
 *
 * Return: a number.
 */
unsigned int dl_watches_per_user(void)
{
	return READ_ONCE(max_watches_per_user);
}

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "daxlease",
	.fops = &dl_fops,
	.mode = 0660,
};

static int __init daxlease_init(void)
{
	int err;

	dl_budget_init();
	err = dl_unexported_init();
	if (err)
		return err;
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
	err = misc_register(&device);
	if (err)
		goto out_hooks;
	dl_debugfs_init();
	return 0;

out_hooks:
	dl_hooks_exit();
out_break:
	dl_break_exit();
out_lease:
	dl_lease_exit();
out_pool:
	dl_op_pool_exit();
	return err;
}

static void __exit daxlease_exit(void)
{
	dl_debugfs_exit();
	misc_deregister(&device);
	dl_hooks_exit();
	dl_break_exit();
	dl_lease_exit();
	dl_op_pool_exit();
	dl_budget_exit();
	rcu_barrier();
}

module_init(daxlease_init);
module_exit(daxlease_exit);
MODULE_DESCRIPTION("Revocable DMA leases on files of DAX filesystems");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
