// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "budget.h"

#define TABLE_BITS	14
#define LEAK_DIV	10	/* a tenth of the time leaks out: one maximum grace in ten */
#define SWEEP		(10 * HZ)

static struct hlist_head table[1 << TABLE_BITS];
static DEFINE_SPINLOCK(budget_lock);
static siphash_key_t secret;	/* so that nobody can fill one chain with files of his choice */

static void sweep(struct work_struct *work);
static DECLARE_DELAYED_WORK(sweep_work, sweep);

/**
 * dl_budget_init() - choose the secret
 */
void dl_budget_init(void)
{
	get_random_bytes(&secret, sizeof(secret));
}

static struct hlist_head *chain_of(const struct dl_budget_key *key)
{
	u64 h = siphash_3u64(key->dev, key->id, key->generation, &secret);

	return &table[hash_64(h, TABLE_BITS)];
}

static struct dl_budget *find(const struct dl_budget_key *key)
{
	struct dl_budget *b;

	lockdep_assert_held(&budget_lock);
	hlist_for_each_entry(b, chain_of(key), hash)
		if (b->key.dev == key->dev && b->key.id == key->id &&
		    b->key.generation == key->generation && b->key.user == key->user)
			return b;
	return NULL;
}

static struct dl_budget *get(const struct dl_budget_key *key)
{
	struct dl_budget *b, *fresh = NULL;

	for (;;) {
		spin_lock(&budget_lock);
		b = find(key);
		if (!b && fresh) {
			b = fresh;
			fresh = NULL;
			hlist_add_head(&b->hash, chain_of(key));
		}
		if (b)
			b->refs++;
		spin_unlock(&budget_lock);
		if (b)
			break;
		fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
		if (!fresh)
			return NULL;
		fresh->key = *key;
	}
	kfree(fresh);
	return b;
}

/**
 * dl_budget_of_file() - what the operations on a file may wait
 * @inode: the file
 *
 * Context: process context, may sleep.
 * Return: a reference, or NULL without memory.
 */
struct dl_budget *dl_budget_of_file(const struct inode *inode)
{
	struct dl_budget_key key = {
		.dev = inode->i_sb->s_dev, .id = inode->i_ino, .generation = inode->i_generation,
	};

	return get(&key);
}

/**
 * dl_budget_of_user() - what operations on a filesystem may wait, inode locks held, for one user
 * @uid: the user
 * @dev: filesystem
 *
 * Context: process context, may sleep.
 * Return: a reference, or NULL without memory.
 */
struct dl_budget *dl_budget_of_user(kuid_t uid, dev_t dev)
{
	struct dl_budget_key key = { .dev = dev, .id = __kuid_val(uid), .user = true };

	return get(&key);
}

static void leak(struct dl_budget *b, u64 now)
{
	lockdep_assert_held(&budget_lock);
	if (now <= b->stamp)	/* another file's caller may have looked at the clock later */
		return;
	b->level -= min(b->level, (now - b->stamp) / LEAK_DIV);
	b->stamp = now;
}

/* Nobody refers to it: goes when it is empty */
static bool drop_if_empty(struct dl_budget *b)
{
	leak(b, ktime_get_ns());
	if (b->level)
		return false;
	hlist_del(&b->hash);
	kfree(b);
	return true;
}

static void sweep(struct work_struct *work)
{
	struct dl_budget *b;
	struct hlist_node *next;
	bool again = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		spin_lock(&budget_lock);
		hlist_for_each_entry_safe(b, next, &table[i], hash)
			if (!b->refs)
				again |= !drop_if_empty(b);
		spin_unlock(&budget_lock);
		cond_resched();
	}
	if (again)
		schedule_delayed_work(&sweep_work, SWEEP);
}

/**
 * dl_budget_put() - drop a reference
 * @b: the budget, or NULL
 *
 * Context: any but interrupts; allocates nothing.
 */
void dl_budget_put(struct dl_budget *b)
{
	if (!b)
		return;
	spin_lock(&budget_lock);
	if (!--b->refs && !drop_if_empty(b))
		schedule_delayed_work(&sweep_work, SWEEP);
	spin_unlock(&budget_lock);
}

/**
 * dl_budget_exit() - forget all budgets; nobody has a reference any more
 */
void dl_budget_exit(void)
{
	struct dl_budget *b;
	struct hlist_node *next;
	size_t i;

	cancel_delayed_work_sync(&sweep_work);
	for (i = 0; i < ARRAY_SIZE(table); i++)
		hlist_for_each_entry_safe(b, next, &table[i], hash) {
			WARN_ON(b->refs);
			hlist_del(&b->hash);
			kfree(b);
		}
}

/**
 * dl_budget_pay() - may a break give this grace?
 * @b: the budget
 * @grace: ns from @now
 * @room: ns that fill the bucket for this holder: the longest grace it may ask for
 * @now: ns, CLOCK_MONOTONIC
 *
 * Context: atomic.
 * Return: true: paid, and dl_budget_settle() is owed; false: the budget is spent, give none.
 */
bool dl_budget_pay(struct dl_budget *b, u64 grace, u64 room, u64 now)
{
	u64 from;
	bool ok;

	spin_lock(&budget_lock);
	leak(b, now);
	from = max(now, b->paid_until);
	ok = now + grace <= from || b->level < room;
	if (ok && now + grace > from) {
		b->level += now + grace - from;
		b->paid_until = now + grace;
	}
	b->open += ok;
	spin_unlock(&budget_lock);
	return ok;
}

/**
 * dl_budget_settle() - a break that has paid is over
 * @b: the budget
 * @now: ns, CLOCK_MONOTONIC
 *
 * With the last one, what nobody had to wait for comes back.
 * Context: atomic.
 */
void dl_budget_settle(struct dl_budget *b, u64 now)
{
	spin_lock(&budget_lock);
	if (!--b->open) {
		if (b->paid_until > now)
			b->level -= min(b->level, b->paid_until - now);
		b->paid_until = 0;
	}
	spin_unlock(&budget_lock);
}
