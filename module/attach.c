// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "attach.h"
#include "trace.h"

struct daxlease_attachment {
	struct list_head list;		/* daxlease.attachments */
	struct daxlease *lease;		/* referenced */
	struct dl_range range;		/* pages of the lease */
	const struct daxlease_consumer_ops *ops;
	void *priv;
	bool dead;			/* ops->whole, and fenced; fence_lock */
};

static bool fence_one(struct daxlease_attachment *att, struct dl_range rel)
{
	struct dl_range r = dl_range_clip(att->range, rel);

	if (dl_range_empty(r) || att->dead)
		return true;
	if (!att->ops->whole)
		return att->ops->fence(att->priv, r.first, dl_range_pages(r));
	att->dead = att->ops->fence(att->priv, att->range.first, dl_range_pages(att->range));
	return att->dead;
}

/**
 * dl_attach_fence() - end the access of every consumer to some granules
 * @lease: the lease
 * @pages: pages of the file, whole granules of the lease
 *
 * Context: daxlease.fence_lock held; see dl_fence().
 * Return: true if every consumer has confirmed.
 */
bool dl_attach_fence(struct daxlease *lease, struct dl_range pages)
{
	struct dl_range rel = { pages.first - lease->range.first, pages.last - lease->range.first };
	struct daxlease_attachment *att;
	bool ok = true;

	lockdep_assert_held(&lease->fence_lock);
	/* A journal handle here would mean that a transaction waits for an IOMMU. */
	WARN_ON_ONCE(!list_empty(&lease->attachments) && current->journal_info);
	list_for_each_entry(att, &lease->attachments, list) {
		bool done = fence_one(att, rel);

		trace_daxlease_fence(lease->id, att->ops->name, pages.first, pages.last, done);
		ok &= done;
	}
	return ok;
}

/**
 * dl_attach_can_rearm() - does every consumer know how?
 * @lease: the lease
 *
 * Context: daxlease.fence_lock held.
 * Return: true if so, or if there is none. One that loses all or nothing has lost all.
 */
bool dl_attach_can_rearm(struct daxlease *lease)
{
	struct daxlease_attachment *att;

	lockdep_assert_held(&lease->fence_lock);
	list_for_each_entry(att, &lease->attachments, list)
		if (!att->ops->rearm && !att->ops->whole)
			return false;
	return true;
}

/**
 * dl_attach_rearm() - let every consumer map some granules again
 * @lease: the lease
 * @pages: pages of the file, whole granules of the lease
 *
 * Context: daxlease.fence_lock held.
 * Return: 0, or the first error; the caller fences the granules then.
 */
int dl_attach_rearm(struct daxlease *lease, struct dl_range pages)
{
	struct dl_range rel = { pages.first - lease->range.first, pages.last - lease->range.first };
	struct daxlease_attachment *att;
	int err;

	lockdep_assert_held(&lease->fence_lock);
	list_for_each_entry(att, &lease->attachments, list) {
		struct dl_range r = dl_range_clip(att->range, rel);

		if (dl_range_empty(r) || att->ops->whole)
			continue;
		err = att->ops->rearm(att->priv, r.first, dl_range_pages(r));
		if (err)
			return err;
	}
	return 0;
}

static bool lost_in(struct daxlease_attachment *att)
{
	struct daxlease *lease = att->lease;
	u64 g0 = dl_granule_of(lease->range, lease->range.first + att->range.first);
	u64 g1 = dl_granule_of(lease->range, lease->range.first + att->range.last);
	bool lost;

	spin_lock(&lease->gate->lock);
	lost = find_next_bit(lease->lost, g1 + 1, g0) <= g1;
	spin_unlock(&lease->gate->lock);
	return lost;
}

/* Tell a newcomer what it must not map, so that it sees losses in one way only. */
static int fence_lost(struct daxlease_attachment *att)
{
	struct daxlease *lease = att->lease;
	u64 nr = dl_granule_count(lease->range);
	bool ok = true;
	u64 first, end;

	if (att->ops->whole)
		return lost_in(att) ? -EKEYREVOKED : 0;
	for (first = 0; ok && first < nr; first = end) {
		struct dl_range pages;

		spin_lock(&lease->gate->lock);
		first = find_next_bit(lease->lost, nr, first);
		end = find_next_zero_bit(lease->lost, nr, first);
		spin_unlock(&lease->gate->lock);
		if (first >= nr)
			break;
		pages = dl_granule_pages(lease->range, first, end - 1);
		pages.first -= lease->range.first;
		pages.last -= lease->range.first;
		ok = fence_one(att, pages);
	}
	return ok ? 0 : -EIO;
}

/**
 * daxlease_attach() - announce that a consumer is about to map pages of a lease
 * @lease: the lease; a reference is taken until daxlease_detach()
 * @first: first page, counted from the start of the lease
 * @count: pages
 * @ops: what the core may call from now on
 * @priv: given to @ops
 *
 * Attach first, map afterwards: ops->fence() is called for what is lost already before this
 * returns, and for what is lost later when it is. The consumer's own lock orders its mapping with
 * its fence.
 * Context: process context, may sleep. No lock that ops->fence() takes may be held.
 * Return: the attachment, or ERR_PTR: -ENOMEM; -EINVAL: not within the lease; -EIO: what is lost
 * could not be fenced; -EKEYREVOKED: something is lost, and @ops->whole.
 */
struct daxlease_attachment *daxlease_attach(struct daxlease *lease, u64 first, u64 count,
					    const struct daxlease_consumer_ops *ops, void *priv)
{
	struct daxlease_attachment *att;
	unsigned int noio;
	int err;

	if (!count || first + count < first || first + count > dl_range_pages(lease->range))
		return ERR_PTR(-EINVAL);
	att = kzalloc(sizeof(*att), GFP_KERNEL_ACCOUNT);
	if (!att)
		return ERR_PTR(-ENOMEM);
	dl_lease_get(lease);
	att->lease = lease;
	att->range = (struct dl_range){ first, first + count - 1 };
	att->ops = ops;
	att->priv = priv;

	noio = dl_fence_lock(lease);
	list_add_tail(&att->list, &lease->attachments);
	err = fence_lost(att);
	dl_fence_unlock(lease, noio);
	if (err) {
		daxlease_detach(att);
		return ERR_PTR(err);
	}
	return att;
}
EXPORT_SYMBOL_GPL(daxlease_attach);

/**
 * daxlease_detach() - the consumer has unmapped everything and will map no more
 * @att: the attachment; gone afterwards
 *
 * Context: process context, may sleep: waits for a running fence of this lease. No lock that
 * ops->fence() takes may be held.
 */
void daxlease_detach(struct daxlease_attachment *att)
{
	struct daxlease *lease = att->lease;
	unsigned int noio = dl_fence_lock(lease);

	list_del(&att->list);
	dl_fence_unlock(lease, noio);
	kfree(att);
	dl_lease_put(lease);
}
EXPORT_SYMBOL_GPL(daxlease_detach);

/**
 * daxlease_pgoff() - where a lease begins in its file
 * @lease: the lease
 *
 * Return: pages.
 */
u64 daxlease_pgoff(const struct daxlease *lease)
{
	return lease->range.first;
}
EXPORT_SYMBOL_GPL(daxlease_pgoff);

/**
 * daxlease_run_at() - the contiguous pages of a lease that begin with a page
 * @lease: the lease, acquired
 * @page: counted from the start of the lease
 * @run: filled; for what is live the answer does not change
 *
 * Context: any; takes no lock.
 * Return: false if the lease has no such page.
 */
bool daxlease_run_at(const struct daxlease *lease, u64 page, struct daxlease_run *run)
{
	u32 at = 0;

	return daxlease_run_walk(lease, &at, page, run);
}
EXPORT_SYMBOL_GPL(daxlease_run_at);

/**
 * daxlease_run_walk() - the same, for one who asks for all runs in turn
 * @lease: the lease, acquired
 * @at: what the last call has left there, 0 to begin with; only speed depends on it
 * @page: counted from the start of the lease
 * @run: filled; for what is live the answer does not change
 *
 * Context: any; takes no lock.
 * Return: false if the lease has no such page.
 */
bool daxlease_run_walk(const struct daxlease *lease, u32 *at, u64 page, struct daxlease_run *run)
{
	bool found;

	rcu_read_lock();
	found = dl_extents_walk(rcu_dereference(lease->extents), at, page, run);
	rcu_read_unlock();
	return found;
}
EXPORT_SYMBOL_GPL(daxlease_run_walk);

/**
 * daxlease_attached_run() - the contiguous pages of an attachment that begin with a page
 * @att: the attachment
 * @page: counted from its start
 * @run: filled, its pages counted from there, too; for what is live the answer does not change
 *
 * Context: any; takes no lock.
 * Return: false if the attachment has no such page.
 */
bool daxlease_attached_run(const struct daxlease_attachment *att, u64 page,
			   struct daxlease_run *run)
{
	u64 count = dl_range_pages(att->range);

	if (page >= count || !daxlease_run_at(att->lease, att->range.first + page, run))
		return false;
	run->first = page;
	run->count = min(run->count, count - page);
	return true;
}
EXPORT_SYMBOL_GPL(daxlease_attached_run);
