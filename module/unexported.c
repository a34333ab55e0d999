// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/err.h>
#include <linux/printk.h>

#include "redirect.h"
#include "unexported.h"

/* Until they are found, and for ever if they are not: refuse. */

/** dl_no_security_file_lock() - stands in for security_file_lock(), which may not exist */
int dl_no_security_file_lock(struct file *file, unsigned int cmd)
{
	return IS_ENABLED(CONFIG_SECURITY) ? -EOPNOTSUPP : 0;
}

/** dl_no_pidfd_pid() - stands in for pidfd_pid() */
struct pid *dl_no_pidfd_pid(const struct file *file)
{
	return ERR_PTR(-EOPNOTSUPP);
}

/** dl_no_mm_access() - stands in for mm_access() */
struct mm_struct *dl_no_mm_access(struct task_struct *task, unsigned int mode)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static unsigned long no_kallsyms_lookup_name(const char *name)
{
	return 0;
}

const atomic_long_t *dl_num_poisoned_pages;

DEFINE_STATIC_CALL(dl_kallsyms_lookup_name, no_kallsyms_lookup_name);
DEFINE_STATIC_CALL(dl_security_file_lock, dl_no_security_file_lock);
DEFINE_STATIC_CALL(dl_pidfd_pid, dl_no_pidfd_pid);
DEFINE_STATIC_CALL(dl_mm_access, dl_no_mm_access);

#define FIND(call, symbol) ({						\
	unsigned long addr = dl_symbol(symbol);				\
									\
	if (addr)							\
		static_call_update(call, (void *)addr);			\
	else								\
		pr_err("this kernel has no function " symbol "\n");	\
	!addr;								\
})

/**
 * dl_unexported_init() - find them all
 *
 * Context: module init.
 * Return: 0 or -ENOENT.
 */
int dl_unexported_init(void)
{
	bool missing = false;

	if (IS_ENABLED(CONFIG_SECURITY))
		missing |= FIND(dl_security_file_lock, "security_file_lock");
	missing |= FIND(dl_pidfd_pid, "pidfd_pid");
	missing |= FIND(dl_mm_access, "mm_access");
	/* It is no function, so a kprobe does not find it. Who needs it does without. */
	if (IS_ENABLED(CONFIG_MEMORY_FAILURE) &&
	    !FIND(dl_kallsyms_lookup_name, "kallsyms_lookup_name"))
		dl_num_poisoned_pages = (const atomic_long_t *)
			static_call(dl_kallsyms_lookup_name)("num_poisoned_pages");
	return missing ? -ENOENT : 0;
}
