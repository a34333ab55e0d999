/* SPDX-License-Identifier: GPL-2.0 */
/*
 * redirect: send calls of a kernel function to ours, with ftrace. Knows no lease.
 *
 * The thunk runs at the entry of the function. It leaves the call alone unless ->want says
 * otherwise, and always when the caller is ->original, the one noinline function of ours through
 * which the replacement calls the real thing. That call must not be a tail call:
 * the caller's address would be somebody else's and the redirect would catch its own call for ever.
 *
 * A function is found by a short-lived kprobe. One that is not exported may only be called by
 * static_call(): an indirect call would trip over sealed ENDBR instructions.
 */
#ifndef _DAXLEASE_REDIRECT_H
#define _DAXLEASE_REDIRECT_H

#include <linux/ftrace.h>

struct dl_redirect {
	const char *name;		/* the kernel's function */
	void *replacement;		/* same signature */
	void *original;			/* our only caller of the real one */
	bool (*want)(struct ftrace_regs *regs);	/* notrace; preemptible; must not sleep or lock */
	const char *exempt;		/* calls by this kernel function are left alone, or NULL */

	bool armed;
	unsigned long ip;		/* where ftrace calls the thunk */
	unsigned long original_start;
	unsigned long original_size;
	unsigned long exempt_start;
	unsigned long exempt_size;
};

/* What is armed together, by one ftrace_ops: taking one away waits for every task to schedule. */
struct dl_redirects {
	struct dl_redirect *hooks;	/* the thunk looks from the first on */
	int nr;
	bool armed;
	struct ftrace_ops ops;
};

unsigned long dl_symbol(const char *name);
int dl_redirect_arm(struct dl_redirects *set);
int dl_redirect_disarm(struct dl_redirects *set);

#endif /* _DAXLEASE_REDIRECT_H */
