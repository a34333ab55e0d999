// SPDX-License-Identifier: GPL-2.0
/* Calls ftrace_kill(), as the kernel does when its own function tracing is damaged. */
#include <linux/module.h>

static ulong address;
module_param(address, ulong, 0444);
MODULE_PARM_DESC(address, "of ftrace_kill(), from /proc/kallsyms");

static int __init kill_init(void)
{
	void (*ftrace_kill_at)(void) = (void *)address;

	if (!address)
		return -EINVAL;
	ftrace_kill_at();
	return 0;
}

static void __exit kill_exit(void)
{
}

module_init(kill_init);
module_exit(kill_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test of daxlease: ftrace is switched off for good");
