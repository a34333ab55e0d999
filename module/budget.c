// SPDX-License-Identifier: GPL-2.0
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>

#include "budget.h"

#define NR_BUCKETS	1024
#define LEAK_DIV	10	/* a tenth of the time leaks out: one maximum grace in ten */

struct bucket {
	u64 level;		/* ns paid in and not leaked yet */
	u64 stamp;		/* when level was right */
};

static struct bucket buckets[NR_BUCKETS];
static DEFINE_SPINLOCK(bucket_lock);
static siphash_key_t key;

/**
 * dl_budget_init() - choose the secret
 */
void dl_budget_init(void)
{
	get_random_bytes(&key, sizeof(key));
}

static struct bucket *bucket_of(const struct inode *inode)
{
	u64 h = siphash_3u64(inode->i_sb->s_dev, inode->i_ino, inode->i_generation, &key);

	return &buckets[h % NR_BUCKETS];
}

/**
 * dl_budget_take() - may a break give this grace?
 * @inode: the file
 * @grace: ns that the file's operations will wait longer for it than they do already
 * @room: ns that fill the bucket for this holder: the longest grace it may ask for
 * @now: ns, CLOCK_MONOTONIC
 *
 * Context: atomic.
 * Return: true: paid; false: the budget is spent, give none.
 */
bool dl_budget_take(const struct inode *inode, u64 grace, u64 room, u64 now)
{
	struct bucket *b = bucket_of(inode);
	u64 leaked;
	bool ok;

	spin_lock(&bucket_lock);
	if (now > b->stamp) {	/* another file's caller may have looked at the clock later */
		leaked = (now - b->stamp) / LEAK_DIV;
		b->level -= min(b->level, leaked);
		b->stamp = now;
	}
	ok = b->level < room;
	if (ok)
		b->level += grace;
	spin_unlock(&bucket_lock);
	return ok;
}

/**
 * dl_budget_refund() - a break ended before its deadline
 * @inode: the file
 * @unused: ns of grace that nobody had to wait for
 *
 * Context: atomic.
 */
void dl_budget_refund(const struct inode *inode, u64 unused)
{
	struct bucket *b = bucket_of(inode);

	spin_lock(&bucket_lock);
	b->level -= min(b->level, unused);
	spin_unlock(&bucket_lock);
}
