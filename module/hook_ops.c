// SPDX-License-Identifier: GPL-2.0
#include <linux/wait_bit.h>

#include "hook_ops.h"

static atomic_t running;

struct address_space dl_test_mapping;
struct inode dl_test_inode = { .i_mapping = &dl_test_mapping };
struct file dl_test_file = { .f_inode = &dl_test_inode, .f_mapping = &dl_test_mapping };
struct dentry dl_test_dentry = { .d_inode = &dl_test_inode };
atomic_t dl_test_hits;

/**
 * dl_hook_ops_init() - make the objects of the self-tests fit for the real functions, too
 */
void dl_hook_ops_init(void)
{
	address_space_init_once(&dl_test_mapping);
}

/**
 * dl_hook_enter() - a replacement begins
 */
void dl_hook_enter(void)
{
	atomic_inc(&running);
}

/**
 * dl_hook_leave() - a replacement is about to return
 */
void dl_hook_leave(void)
{
	if (atomic_dec_and_test(&running))
		wake_up_var(&running);
}

/**
 * dl_hook_running() - how many tasks run our replacements at this moment?
 *
 * Return: a number; one that has died there counts for ever.
 */
int dl_hook_running(void)
{
	return atomic_read(&running);
}

/**
 * dl_hook_drain() - wait until no task runs our replacements any more
 *
 * The redirects are gone. First wait for tasks between the thunk and dl_hook_enter(), then for
 * those that are counted, then for those between dl_hook_leave() and their return.
 * Context: process context; sleeps as long as an operation that was caught lasts.
 */
void dl_hook_drain(void)
{
	synchronize_rcu_tasks();
	wait_var_event(&running, !atomic_read(&running));
	synchronize_rcu_tasks();
}
