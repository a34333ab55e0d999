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
	return missing ? -ENOENT : 0;
}
