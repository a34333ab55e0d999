// SPDX-License-Identifier: GPL-2.0
/* The tasks called @comm oops when they call @function, which is not run. */
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/sched.h>

static char *function = "";
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "a function that ftrace can redirect");

static char *comm = "";
module_param(comm, charp, 0444);
MODULE_PARM_DESC(comm, "name of the tasks");

static noinline notrace long oops_here(void)
{
	WRITE_ONCE(*(int *)8, 1);
	return 0;
}

static void notrace redirect(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			     struct ftrace_regs *regs)
{
	if (!strcmp(current->comm, comm))
		ftrace_regs_set_instruction_pointer(regs, (unsigned long)oops_here);
}

static struct ftrace_ops ops = {
	.func = redirect,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_RECURSION,
};

static int __init test_init(void)
{
	int err = ftrace_set_filter(&ops, function, strlen(function), 1);

	return err ?: register_ftrace_function(&ops);
}

static void __exit test_exit(void)
{
	unregister_ftrace_function(&ops);
}

module_init(test_init);
module_exit(test_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test of daxlease: a task that dies in the middle of an operation");
