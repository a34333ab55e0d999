/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lease: the two objects everything else is about, their lifetime and their locks.
 *
 * A dl_gate is the meeting point of one inode: the leases that live there, the operations under
 * way, who waits. It exists while any of those does; each of them keeps the inode alive (a lease by
 * its file, an operation by its caller), so the inode pointer of a gate never dangles. Gates are
 * found by inode in an RCU hash.
 *
 * A struct daxlease is one lease. References: the owner (context or consumer) has one, queued
 * deadline work has one, transient users take their own. The lease keeps its file, its gate and no
 * page.
 *
 * Lock order, outermost first; "fs" are the locks a hook may be called with:
 *
 *	fs (sb_writers > i_rwsem > invalidate_lock, mmap_lock, DAX entry)
 *	  daxlease.fence_lock	(mutex; memalloc_noio scope, see dl_fence_lock())
 *	    locks of a consumer (VFIO: mirror lock > IOMMU driver)
 *	    dl_gate.lock	(spinlock)
 *	      dl_queue.lock, budget_lock	(spinlocks)
 *	      table locks	(lease.c: spinlock of the hash of gates, xa_lock of the leases)
 */
#ifndef _DAXLEASE_LEASE_H
#define _DAXLEASE_LEASE_H

#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/interval_tree.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "budget.h"
#include "event.h"
#include "extent.h"
#include "range.h"
#include "state.h"

/*
 * Who waits until no device reaches a range: a task, or a filesystem that sleeps on a page. Woken
 * once, by the fence of the last lease that is live there, so that N leases on one range cost N
 * steps and not N looks at N leases. All under dl_gate.lock.
 */
struct dl_waiter {
	struct list_head on_gate;	/* dl_gate.waiters */
	struct dl_range range;
	u64 live;			/* leases that are live in the range */
	struct completion clear;	/* what a task sleeps on */
	struct page *busy; /* what a filesystem sleeps on: a DAX page of a lease; referenced */
	u64 busy_at;			/* page of the file */
};

struct dl_gate {
	struct hlist_node hash;		/* table lock; read under RCU */
	struct rcu_head rcu;
	struct kref ref;
	struct inode *inode;		/* not referenced: see above */
	spinlock_t lock;
	wait_queue_head_t wait;		/* a bar has gone */
	struct rb_root_cached leases;	/* daxlease.node by file page; lock */
	struct list_head ops;		/* dl_op.on_gate, innermost last; lock */
	struct list_head waiters;	/* dl_waiter.on_gate; lock */
	struct dl_waiter fs; /* the filesystem operation that holds i_rwsem; waits if busy */
	struct dl_budget *budget;	/* what the file's operations may wait; referenced */
	unsigned int open_breaks;	/* lock */
	const void *asker;	/* last task that the gate hook gave a page; compared only */
	u64 asked_live;			/* dl_waiter.live then */
};

/* One taking-back; embedded in its lease, open while id is not 0. All under dl_gate.lock. */
struct dl_break {
	u64 id;				/* never reused; last_id remembers the previous one */
	u64 last_id;
	u64 started;			/* ns, CLOCK_MONOTONIC */
	u64 fence;			/* when the fence began, 0: not yet */
	u64 deadline;
	u32 reason;			/* enum daxlease_reason */
	u32 flags;			/* enum daxlease_event_flags */
	bool locked;			/* somebody waits for it with the inode lock held */
	bool file_paid;			/* dl_gate.budget has paid for it */
	bool user_paid;			/* daxlease.locks has */
	bool cleared_at_fence; /* no recorded operation bars the range: CLEARED comes with FENCED */
	struct dl_range hit;		/* what the operations change, clipped to the lease */
	struct dl_range lost;		/* granules lost by it, their span */
	struct pid *breaker;		/* referenced while open */
	char comm[TASK_COMM_LEN];
	struct delayed_work work;	/* deadline; queued work holds a lease reference */
	u64 complained;			/* last message about an unconfirmed fence */
};

struct daxlease {
	struct kref ref;
	kuid_t uid;			/* who pays for it: dl_quota_payer(); constant */
	union {
		struct interval_tree_node node;	/* in dl_gate.leases while published */
		struct {
			struct rb_node __in_tree;
			struct dl_range range;	/* start and last of the node, under our names */
		};
		struct rcu_head rcu;	/* when it is freed */
	};
	struct dl_gate *gate;		/* referenced */
	struct device *dev;		/* whose driver provides the pages; referenced */
	struct file *file;		/* referenced */
	u64 id;

	/* Constant once published, and so is range: pages of the file */
	struct dl_budget *locks;	/* for waiting with inode locks held; referenced */
	bool write;
	bool implicit;
	bool sync;			/* keep the block map on the medium */

	/* dl_gate.lock */
	bool dead;			/* an operation came while ACQUIRING */
	enum daxlease_state state;
	bool releasing;			/* the fence under way ends in RELEASED */
	bool rearming;			/* a REARM is under way for @rearm */
	bool rearm_dead;		/* an operation came meanwhile */
	bool may_grace; /* implicit: passed the owner rule, so a watcher may give it a grace */
	struct dl_range rearm;		/* file pages, whole granules */
	u64 grace_limit;		/* ns: the most that this holder may ask for */
	u64 generation;
	unsigned long *lost;		/* by granule: fenced, not re-armed */
	unsigned long *doomed;		/* by granule: to be fenced by the open break */
	unsigned long few[2];		/* lost and doomed, if a word each is enough */
	u64 granules_lost;
	struct pid *holder;		/* who has it, for tables */
	char comm[TASK_COMM_LEN];
	struct list_head slots;		/* dl_slot.on_lease */
	struct dl_break brk;

	struct mutex fence_lock;	/* serialises fences with attach and detach */
	struct list_head attachments;	/* fence_lock */
	struct dl_extents __rcu *extents; /* complete once ACTIVE; replaced under fence_lock */

	/* implicit: mmgrab()bed identity of the mapping process; watch_lock, see watch.c */
	struct mm_struct *mm;

	struct dl_slot slot;		/* explicit: the owner's */
};

static_assert(offsetof(struct daxlease, range.first) == offsetof(struct daxlease, node.start));
static_assert(offsetof(struct daxlease, range.last) == offsetof(struct daxlease, node.last));

struct dl_gate *dl_gate_find(const struct inode *inode);
bool dl_gate_exists(const struct inode *inode);
struct dl_gate *dl_gate_create(struct inode *inode);
void dl_gate_put(struct dl_gate *gate);

int dl_lease_init(void);
void dl_lease_exit(void);
struct daxlease *dl_lease_alloc(struct dl_gate *gate, struct file *file, struct dl_range range);
void dl_lease_get(struct daxlease *lease);
void dl_lease_put(struct daxlease *lease);
void dl_lease_publish(struct daxlease *lease);
void dl_lease_unpublish(struct daxlease *lease);
void dl_lease_set_state(struct daxlease *lease, enum daxlease_state state);
u64 dl_lease_grace(const struct daxlease *lease);
void dl_lease_post(struct daxlease *lease, const struct dl_note *note);
void dl_lease_add_slot(struct daxlease *lease, struct dl_slot *slot);
void dl_lease_drop_slot(struct daxlease *lease, const struct dl_queue *queue);
bool dl_lease_regrace(struct daxlease *lease, const struct dl_queue *queue, u64 grace);
void dl_lease_new_holder(struct daxlease *lease, bool may_grace, u64 grace_limit);
bool dl_lease_live_in(const struct daxlease *lease, struct dl_range r);
struct daxlease *dl_lease_find(u64 id);
struct daxlease *dl_lease_next(struct daxlease *lease);

/** dl_gate_first() - first lease of a gate that overlaps a range; dl_gate.lock held */
static inline struct daxlease *dl_gate_first(struct dl_gate *gate, struct dl_range r)
{
	struct interval_tree_node *n;

	lockdep_assert_held(&gate->lock);
	if (dl_range_empty(r))
		return NULL;
	n = interval_tree_iter_first(&gate->leases, r.first, r.last);
	return n ? container_of(n, struct daxlease, node) : NULL;
}

/** dl_gate_next() - next lease that overlaps a range; dl_gate.lock held */
static inline struct daxlease *dl_gate_next(struct daxlease *lease, struct dl_range r)
{
	struct interval_tree_node *n = interval_tree_iter_next(&lease->node, r.first, r.last);

	return n ? container_of(n, struct daxlease, node) : NULL;
}

#define dl_gate_for_each(lease, gate, range) \
	for (lease = dl_gate_first(gate, range); lease; lease = dl_gate_next(lease, range))

/** dl_fence_lock() - enter the fence scope of a lease: no reclaim that does I/O from here */
static inline unsigned int dl_fence_lock(struct daxlease *lease)
{
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&lease->fence_lock);
	return noio;
}

/** dl_fence_unlock() - leave it; @noio is what dl_fence_lock() returned */
static inline void dl_fence_unlock(struct daxlease *lease, unsigned int noio)
{
	mutex_unlock(&lease->fence_lock);
	memalloc_noio_restore(noio);
}

#endif /* _DAXLEASE_LEASE_H */
