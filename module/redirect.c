// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "redirect.h"

/* A BPF program comes or goes: its trampoline has slept for a millisecond (6.12's trampoline.c) */
#define EAGAIN_TRIES	100

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

/* Start of a function of the kernel, and the address at which ftrace is called in it, or 0. */
static unsigned long locate(const char *name, unsigned long *ip)
{
	/* Never armed: disarming takes memory, and fails with a stale probe where there is none */
	struct kprobe kp = { .symbol_name = name, .flags = KPROBE_FLAG_DISABLED };
	unsigned long addr, start, size;

	if (register_kprobe(&kp))
		return 0;
	addr = (unsigned long)kp.addr;	/* past an ENDBR, if there is one */
	*ip = kp.flags & KPROBE_FLAG_FTRACE ? addr : 0;
	unregister_kprobe(&kp);
	return bounds(addr, name, &start, &size) ? start : 0;
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
	unsigned long ip;

	return locate(name, &ip);
}

static void notrace thunk(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			  struct ftrace_regs *regs)
{
	struct dl_redirects *set = container_of(ops, struct dl_redirects, ops);
	struct dl_redirect *r;

	for (r = set->hooks; r < set->hooks + set->nr; r++) {
		if (r->ip != ip)
			continue;
		if (r->want(regs) && parent_ip - r->original_start >= r->original_size &&
		    parent_ip - r->exempt_start >= r->exempt_size)
			ftrace_regs_set_instruction_pointer(regs, (unsigned long)r->replacement);
		return;
	}
}

static int prepare(struct dl_redirect *r)
{
	if (!locate(r->name, &r->ip) || !r->ip ||
	    !bounds((unsigned long)r->original, NULL, &r->original_start, &r->original_size))
		return -ENOENT;
	if (r->exempt &&
	    !bounds(dl_symbol(r->exempt), r->exempt, &r->exempt_start, &r->exempt_size))
		return -ENOENT;
	return 0;
}

/**
 * dl_redirect_arm() - begin to redirect
 * @set: not armed; all of it is, or nothing
 *
 * PERMANENT makes the kernel refuse to switch ftrace off meanwhile. From 6.12's ftrace.h: IPMODIFY
 * excludes livepatches and other redirects of the same function; RECURSION would have the core
 * guard the thunk, which calls nothing that is traced. Only registering tells BPF's trampolines to
 * make way, so functions are not added to a set that is armed.
 * Context: process context, may sleep; the caller serialises.
 * Return: 0; -EBUSY if another user of ftrace owns a function; -ENOENT if one is not there; -ENODEV
 * if ftrace has died, perhaps within this call: then dl_redirect_disarm() fails, too.
 */
int dl_redirect_arm(struct dl_redirects *set)
{
	int i, err = 0, tries = EAGAIN_TRIES;

	if (set->armed)
		return -ENODEV;
	/* From the start each time: ftrace_free_filter() leaves it unfit for use */
	set->ops = (struct ftrace_ops){
		.func = thunk,
		.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
	};
	for (i = 0; i < set->nr && !err; i++)
		err = prepare(&set->hooks[i]) ?:
		      ftrace_set_filter_ip(&set->ops, set->hooks[i].ip, 0, 0);
	if (err)
		goto free;
	do
		err = register_ftrace_function(&set->ops);
	while (err == -EAGAIN && --tries);
	/* If ftrace dies in the midst, it fails and keeps the ops */
	set->armed = set->ops.flags & FTRACE_OPS_FL_ENABLED;
	if (!set->armed)
		goto free;
	for (i = 0; i < set->nr; i++)
		set->hooks[i].armed = !err;
	return err;

free:
	ftrace_free_filter(&set->ops);
	return err;
}

/**
 * dl_redirect_disarm() - stop redirecting
 * @set: armed or not
 *
 * Calls redirected before may still be running in the replacement.
 * Context: process context, may sleep; the caller serialises.
 * Return: 0, or an error after which calls may still be redirected and our text must stay (after
 * ftrace_kill()).
 */
int dl_redirect_disarm(struct dl_redirects *set)
{
	int i, err;

	if (!set->armed)
		return 0;
	err = unregister_ftrace_function(&set->ops);
	if (err) {
		pr_err("%d functions from %s on stay redirected (error %d): the module cannot be unloaded any more\n",
		       set->nr, set->hooks->name, err);
		return err;
	}
	ftrace_free_filter(&set->ops);
	for (i = 0; i < set->nr; i++)
		set->hooks[i].armed = false;
	set->armed = false;
	return 0;
}
