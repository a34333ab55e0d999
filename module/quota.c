// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/user_namespace.h>
#include <linux/xarray.h>

#include "params.h"
#include "quota.h"

static DEFINE_XARRAY(users);		/* number of leases, by uid of the initial user namespace */
static DEFINE_XARRAY(filesystems);	/* by device number */
static atomic64_t total;

static int charge(struct xarray *counts, unsigned long key, u64 max)
{
	unsigned long n;
	void *entry;
	int err;

	err = xa_reserve(counts, key, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	xa_lock(counts);
	entry = xa_load(counts, key);
	n = entry ? xa_to_value(entry) : 0;
	if (n < max)
		err = xa_err(__xa_store(counts, key, xa_mk_value(n + 1), GFP_NOWAIT));
	else
		err = -ENOSPC;
	xa_unlock(counts);
	if (err)
		xa_release(counts, key);
	return err;
}

/* Allocates nothing: the entry is there. */
static void uncharge(struct xarray *counts, unsigned long key)
{
	unsigned long n;

	xa_lock(counts);
	n = xa_to_value(xa_load(counts, key)) - 1;
	if (n)
		__xa_store(counts, key, xa_mk_value(n), GFP_NOWAIT);
	else
		__xa_erase(counts, key);
	xa_unlock(counts);
}

/**
 * dl_quota_payer() - the user of the initial user namespace that pays for what this task takes
 *
 * In a user namespace a task can be many users. All of them are one to us: who made the outermost
 * namespace, or, for one made by root (a container), the user that its root is outside.
 * Return: the user.
 */
kuid_t dl_quota_payer(void)
{
	struct user_namespace *ns = current_user_ns();
	kuid_t root;

	if (ns == &init_user_ns)
		return current_uid();
	while (ns->parent != &init_user_ns)
		ns = ns->parent;
	root = make_kuid(ns, 0);
	return uid_eq(ns->owner, GLOBAL_ROOT_UID) && uid_valid(root) ? root : ns->owner;
}

/**
 * dl_quota_charge() - count a new lease
 * @uid: who pays for it
 * @dev: filesystem
 *
 * CAP_SYS_RESOURCE lifts the limit of the user.
 * Context: process context, may sleep.
 * Return: 0; -ENOSPC: too many; -ENOMEM.
 */
int dl_quota_charge(kuid_t uid, dev_t dev)
{
	unsigned long user = __kuid_val(uid);
	u64 per_user = dl_leases_per_user();
	int err = -ENOSPC;

	if (ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE))
		per_user = U64_MAX;
	if (atomic64_inc_return(&total) > dl_leases_max())
		goto out_total;
	err = charge(&users, user, per_user);
	if (err)
		goto out_total;
	err = charge(&filesystems, dev, dl_leases_per_fs());
	if (err)
		goto out_user;
	return 0;

out_user:
	uncharge(&users, user);
out_total:
	atomic64_dec(&total);
	return err;
}

/**
 * dl_quota_uncharge() - a lease is gone
 * @uid: as charged
 * @dev: as charged
 *
 * Context: any but interrupts; allocates nothing.
 */
void dl_quota_uncharge(kuid_t uid, dev_t dev)
{
	uncharge(&filesystems, dev);
	uncharge(&users, __kuid_val(uid));
	atomic64_dec(&total);
}

/**
 * dl_quota_total() - number of leases in existence, whatever their state
 *
 * Return: the number at this moment.
 */
u64 dl_quota_total(void)
{
	return atomic64_read(&total);
}
