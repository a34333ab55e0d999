// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "daxlease: " fmt

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/workqueue.h>

#include "gate.h"
#include "hook_failure.h"
#include "hook_ops.h"
#include "hooks.h"
#include "params.h"
#include "quota.h"
#include "removal.h"

static DEFINE_MUTEX(hooks_lock);	/* all below; outside every other lock of the module */
static unsigned int users;		/* acquisitions and re-arms under way */
static bool armed;
static struct module *ext4_owner;	/* held while its hook is armed */
static bool stuck;			/* a redirect could not be removed */
static bool early = true;		/* see dl_hooks_early(); read without the lock */

static void watch_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(watch, watch_work);	/* pending or running while armed */

struct dl_redirects dl_gate_set = { dl_gate_hooks, DL_NR_GATE };
struct dl_redirects dl_early_set = { dl_early_hooks, DL_NR_EARLY };
static struct dl_redirects ext4_set = { &dl_ext4_hook, 1 };
static struct dl_redirects alone[DL_NR_EARLY];	/* if somebody owns one of the early hooks */

static int disarm(void)
{
	int i, err;

	lockdep_assert_held(&hooks_lock);
	err = dl_redirect_disarm(&ext4_set);
	for (i = 0; i < DL_NR_EARLY; i++)
		err = dl_redirect_disarm(&alone[i]) ?: err;
	err = dl_redirect_disarm(&dl_early_set) ?: err;
	err = dl_redirect_disarm(&dl_gate_set) ?: err;
	if (err) {
		stuck = true;	/* the reference on ourselves is never given back */
		return err;
	}
	dl_hook_drain();
	module_put(ext4_owner);
	ext4_owner = NULL;
	dl_removal_unwatch();
	armed = false;
	module_put(THIS_MODULE);
	return 0;
}

static int arm_set(struct dl_redirects *set)
{
	int err = dl_redirect_arm(set);

	if (err)
		pr_err_ratelimited("%s or what belongs to it cannot be hooked (error %d): no leases\n",
				   set->hooks->name, err);
	return err;
}

static int arm_alone(struct dl_redirects *set, struct dl_redirect *r)
{
	int err;

	*set = (struct dl_redirects){ r, 1 };
	err = dl_redirect_arm(set);
	if (err != -EBUSY)
		return err;
	WRITE_ONCE(early, false);
	pr_warn_ratelimited("%s is somebody else's: breaks hold the inode lock\n", r->name);
	return 0;
}

/* Another user of ftrace may own some of them: go on without those. */
static int arm_early(void)
{
	int i, err = dl_redirect_arm(&dl_early_set);

	WRITE_ONCE(early, true);
	if (err == -EBUSY)
		for (i = 0, err = 0; i < DL_NR_EARLY && !err; i++)
			err = arm_alone(&alone[i], &dl_early_hooks[i]);
	if (err)
		pr_err_ratelimited("early hooks cannot be had (error %d): no leases\n", err);
	return err;
}

/* The function is in the filesystem's module, which must not go and come back without the hook. */
static int arm_ext4(struct module *owner)
{
	int err;

	if (!try_module_get(owner))
		return -ENODEV;
	err = arm_set(&ext4_set);
	if (err)
		module_put(owner);
	else
		ext4_owner = owner;
	return err;
}

static int arm(void)
{
	int err;

	lockdep_assert_held(&hooks_lock);
	__module_get(THIS_MODULE);
	armed = true;
	/* The last resort first, so that no wait begins that nothing backs. */
	err = arm_set(&dl_gate_set) ?: arm_early();
	if (err) {
		disarm();
		return err;
	}
	schedule_delayed_work(&watch, dl_hook_period());
	return 0;
}

static bool sound(void)
{
	lockdep_assert_held(&hooks_lock);
	return !stuck && dl_gate_selftest() && dl_early_selftest();
}

/**
 * dl_hooks_get() - make sure that every layout change is seen, before a lease is published
 * @sb: the filesystem
 * @dev: its dl_removal_device()
 *
 * Context: process context, may sleep; no lock of the module held.
 * Return: 0, and dl_hooks_put() is owed; -ENODEV: no leases can be given; -EINTR.
 */
int dl_hooks_get(const struct super_block *sb, struct device *dev)
{
	int err = 0;

	if (mutex_lock_killable(&hooks_lock))
		return -EINTR;
	if (!armed && !stuck)
		err = arm();
	if (!err)
		err = dl_removal_watch(dev);
	if (!err && !dl_ext4_hook.armed && !strcmp(sb->s_type->name, "ext4"))
		err = arm_ext4(sb->s_type->owner);
	if (!err && !sound()) {
		err = -ENODEV;
		if (armed)	/* what does not work for a new lease does not for the others */
			mod_delayed_work(system_wq, &watch, 0);
	}
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
 * lock. While there are leases, see that the hooks still work: without them a lease is a promise
 * that nobody keeps, so then there are none any more.
 */
static void watch_work(struct work_struct *work)
{
	bool lost = false;

	mutex_lock(&hooks_lock);
	if (users || dl_quota_total() || dl_hook_running()) {
		lost = dl_quota_total() && !sound();
		schedule_delayed_work(&watch, dl_hook_period());
	} else if (armed && !stuck) {
		disarm();
	}
	mutex_unlock(&hooks_lock);
	if (!lost)
		return;
	pr_err_ratelimited("a hook does not work any more: all leases are revoked\n");
	dl_gate_revoke(NULL, DAXLEASE_REASON_HOOK);
}

/**
 * dl_hooks_early() - do truncate and fallocate wait without the inode lock?
 *
 * Return: false if somebody else owned an early hook when the hooks were armed last.
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
	seq_printf(m, "armed %d\nstuck %d\nusers %u\nrunning %d\nemergencies %llu\n", armed,
		   stuck, users, dl_hook_running(), dl_gate_emergencies());
	for (i = 0; i < DL_NR_GATE; i++)
		seq_printf(m, "hook %s %d\n", dl_gate_hooks[i].name, dl_gate_hooks[i].armed);
	for (i = 0; i < DL_NR_EARLY; i++)
		seq_printf(m, "hook %s %d\n", dl_early_hooks[i].name, dl_early_hooks[i].armed);
	seq_printf(m, "hook %s %d\n", dl_ext4_hook.name, dl_ext4_hook.armed);
	mutex_unlock(&hooks_lock);
}

/**
 * dl_hooks_init() - prepare; nothing is armed
 *
 * Return: 0 or a negative errno.
 */
int dl_hooks_init(void)
{
	dl_hook_ops_init();
	return dl_early_resolve() ?: dl_failure_init();
}

/**
 * dl_hooks_exit() - the module goes: nothing is armed, or it could not be unloaded
 */
void dl_hooks_exit(void)
{
	cancel_delayed_work_sync(&watch);
	dl_failure_exit();
}
