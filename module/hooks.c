// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/workqueue.h>

#include "hooks.h"
#include "lease.h"

#define LINGER	HZ	/* stay armed so long after the last lease */

static DEFINE_MUTEX(hooks_lock);	/* all below; outside every other lock of the module */
static unsigned int users;		/* acquisitions under way */
static bool armed;
static bool stuck;			/* a redirect could not be removed */
static bool early = true;		/* see dl_hooks_early(); read without the lock */

static void disarm_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(disarm_later, disarm_work);	/* pending or running while armed */

static int disarm(void)
{
	int i, err = 0;

	lockdep_assert_held(&hooks_lock);
	for (i = DL_NR_REDIRECTS - 1; i >= 0; i--)
		err = dl_redirect_disarm(&dl_redirects[i]) ?: err;
	if (err) {
		stuck = true;	/* the reference on ourselves is never given back */
		return err;
	}
	dl_hook_drain();
	armed = false;
	module_put(THIS_MODULE);
	return 0;
}

static int arm(void)
{
	int i, err;

	lockdep_assert_held(&hooks_lock);
	__module_get(THIS_MODULE);
	armed = true;
	WRITE_ONCE(early, true);
	for (i = 0; i < DL_NR_REDIRECTS; i++) {
		err = dl_redirect_arm(&dl_redirects[i]);
		if (!err)
			continue;
		if (!dl_redirects[i].optional) {
			pr_err("%s cannot be hooked (error %d): no leases\n", dl_redirects[i].name,
			       err);
			goto fail;
		}
		WRITE_ONCE(early, false);
		pr_warn_ratelimited("%s is somebody else's (error %d): breaks hold the inode lock\n",
				    dl_redirects[i].name, err);
	}
	schedule_delayed_work(&disarm_later, LINGER);
	return 0;
fail:
	disarm();
	return err;
}

/**
 * dl_hooks_get() - make sure that every layout change is seen, before a lease is published
 *
 * Context: process context, may sleep; no lock of the module held.
 * Return: 0, and dl_hooks_put() is owed; -ENODEV: no leases can be given; -EINTR.
 */
int dl_hooks_get(void)
{
	int err = 0;

	if (mutex_lock_killable(&hooks_lock))
		return -EINTR;
	if (!armed && !stuck)
		err = arm();
	if (!err)
		err = stuck ? -ENODEV : dl_hook_selftest();
	if (!err)
		users++;
	else
		pr_err_ratelimited("hooks are not armed or failed their self-test: no leases\n");
	mutex_unlock(&hooks_lock);
	return err ? -ENODEV : 0;
}

/**
 * dl_hooks_put() - an acquisition is over; a lease it may have made keeps the hooks armed by itself
 *
 * Context: process context, may sleep, not in a hook.
 */
void dl_hooks_put(void)
{
	mutex_lock(&hooks_lock);
	users--;
	mutex_unlock(&hooks_lock);
}

/*
 * Leases end in contexts that must not wait for hooks_lock: look now and then if any is left. An
 * operation that was caught may last, so wait for it here and not in the drain, which holds the
 * lock.
 */
static void disarm_work(struct work_struct *work)
{
	mutex_lock(&hooks_lock);
	if (users || dl_lease_count() || dl_hook_busy())
		schedule_delayed_work(&disarm_later, LINGER);
	else if (armed && !stuck)
		disarm();
	mutex_unlock(&hooks_lock);
}

/**
 * dl_hooks_early() - do truncate and fallocate wait without the inode lock?
 *
 * Return: false if somebody else owns an early hook; true as well while nothing is armed.
 */
bool dl_hooks_early(void)
{
	return READ_ONCE(early);
}

/**
 * dl_hooks_stats() - print the state of the hooks
 * @m: where
 */
void dl_hooks_stats(struct seq_file *m)
{
	int i;

	mutex_lock(&hooks_lock);
	seq_printf(m, "armed %d\nstuck %d\nusers %u\nemergencies %llu\n", armed, stuck, users,
		   dl_hook_emergencies());
	for (i = 0; i < DL_NR_REDIRECTS; i++)
		seq_printf(m, "hook %s %d\n", dl_redirects[i].name, dl_redirects[i].armed);
	mutex_unlock(&hooks_lock);
}

/**
 * dl_hooks_init() - prepare; nothing is armed
 *
 * Return: 0 or a negative errno.
 */
int dl_hooks_init(void)
{
	return dl_hook_resolve();
}

/**
 * dl_hooks_exit() - the module goes: nothing is armed, or it could not be unloaded
 */
void dl_hooks_exit(void)
{
	cancel_delayed_work_sync(&disarm_later);
}
