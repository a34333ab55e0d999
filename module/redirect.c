// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "redirect.h"

/* Start and size of the function that holds @addr, from "name+0xoffset/0xsize" of kallsyms. */
static bool bounds(unsigned long addr, const char *name, unsigned long *start, unsigned long *size)
{
	char buf[KSYM_SYMBOL_LEN];
	unsigned long offset;
	char *plus;

	sprint_symbol(buf, addr);
	plus = strchr(buf, '+');
	if (!plus || sscanf(plus, "+0x%lx/0x%lx", &offset, size) != 2)
		return false;
	*plus = 0;
	if (name && strcmp(buf, name))
		return false;
	*start = addr - offset;
	return true;
}

/**
 * dl_symbol() - address of a function of the kernel, exported or not
 * @name: its name
 *
 * Context: process context, may sleep.
 * Return: the address, or 0 if there is no such function or kprobes cannot be placed on it.
 */
unsigned long dl_symbol(const char *name)
{
	/* Never armed: disarming takes memory, and fails with a stale probe where there is none */
	struct kprobe kp = { .symbol_name = name, .flags = KPROBE_FLAG_DISABLED };
	unsigned long addr, start, size;

	if (register_kprobe(&kp))
		return 0;
	addr = (unsigned long)kp.addr;	/* may be past an ENDBR: go back to the start */
	unregister_kprobe(&kp);
	return bounds(addr, name, &start, &size) ? start : 0;
}

static void notrace thunk(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			  struct ftrace_regs *regs)
{
	struct dl_redirect *r = container_of(ops, struct dl_redirect, ops);

	if (parent_ip - r->original_start < r->original_size ||
	    parent_ip - r->exempt_start < r->exempt_size)
		return;
	if (r->want(regs))
		ftrace_regs_set_instruction_pointer(regs, (unsigned long)r->replacement);
}

/**
 * dl_redirect_arm() - begin to redirect
 * @r: not armed
 *
 * PERMANENT makes the kernel refuse to switch ftrace off meanwhile. From 6.12's ftrace.h: RECURSION
 * asks the core to guard the thunk, IPMODIFY excludes livepatches and other redirects of the same
 * function.
 * Context: process context, may sleep; the caller serialises.
 * Return: 0; -EBUSY if another user of ftrace owns the function; -ENOENT if it is not there.
 */
int dl_redirect_arm(struct dl_redirect *r)
{
	unsigned long ip = dl_symbol(r->name);
	int err;

	if (!ip || !bounds((unsigned long)r->original, NULL, &r->original_start, &r->original_size))
		return -ENOENT;
	if (r->exempt &&
	    !bounds(dl_symbol(r->exempt), r->exempt, &r->exempt_start, &r->exempt_size))
		return -ENOENT;
	r->ops = (struct ftrace_ops){
		.func = thunk,
		.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_PERMANENT,
	};
	err = ftrace_set_filter_ip(&r->ops, ip, 0, 0);
	if (!err)
		err = register_ftrace_function(&r->ops);
	if (err) {
		ftrace_free_filter(&r->ops);
		return err;
	}
	r->armed = true;
	return 0;
}

/**
 * dl_redirect_disarm() - stop redirecting
 * @r: armed or not
 *
 * Calls redirected before may still be running in the replacement.
 * Context: process context, may sleep; the caller serialises.
 * Return: 0, or an error after which calls may still be redirected and our text must stay (after
 * ftrace_kill()).
 */
int dl_redirect_disarm(struct dl_redirect *r)
{
	int err;

	if (!r->armed)
		return 0;
	err = unregister_ftrace_function(&r->ops);
	if (err) {
		pr_err("%s stays redirected (error %d): the module cannot be unloaded any more\n",
		       r->name, err);
		return err;
	}
	r->armed = false;
	ftrace_free_filter(&r->ops);
	return 0;
}
