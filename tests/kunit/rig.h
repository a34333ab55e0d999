/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rig: what the suites share. A file on tmpfs with a gate, leases on it that need no DAX, a
 * consumer that can be told to block or to refuse, and helpers that run something in a task of its
 * own.
 *
 * All of it is cleaned up when the case ends, in reverse order, also when an assertion ended it.
 * Nothing sleeps as a means of synchronisation: a helper is waited for, a state is looked for.
 */
#ifndef _DAXLEASE_KUNIT_RIG_H
#define _DAXLEASE_KUNIT_RIG_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/mm.h>

#include "attach.h"
#include "break.h"
#include "budget.h"
#include "gate.h"
#include "opctx.h"

#ifndef CONFIG_FAILSLAB
#error "cases let allocations fail: a kernel with tests/vm/debug.config"
#endif

#define GRANULE		DL_GRANULE_PAGES
#define LONG_GRACE	(600 * NSEC_PER_SEC)	/* no case lasts so long */
#define SOON		(20 * HZ)		/* what does not happen in this time never does */

/**
 * struct rig - one file
 * @file: on tmpfs
 * @inode: its inode
 * @gate: referenced
 * @queue: of the holder
 * @page: stands for every page of every lease
 */
struct rig {
	struct file *file;
	struct inode *inode;
	struct dl_gate *gate;
	struct dl_queue *queue;
	struct page *page;
};

/**
 * struct consumer - attached to a whole lease
 * @refused: pages of the lease for which it does not confirm a fence; none by default
 * @blocks: a fence stops in this consumer until consumer_go(), or for SOON when a case has failed
 * @entered: a fence has come
 * @fences: calls
 * @pages: pages fenced in all, whether confirmed or not
 * @last: pages of the last call
 * @state: of the lease, as the last call saw it
 * @clear: whether the gate was clear of those pages then
 * @page_count: of &rig.page then
 * @remapped: pages mapped again in all, with &consumer_maps
 * @remap_err: what mapping again comes to
 * @on_fence: runs in each fence, or NULL
 * @on_remap: runs when something is mapped again, or NULL
 */
struct consumer {
	struct rig *rig;
	struct daxlease *lease;
	struct daxlease_attachment *att;
	struct dl_range refused;
	bool blocks;
	struct completion entered;
	struct completion go;
	unsigned int fences;
	u64 pages;
	struct dl_range last;
	enum daxlease_state state;
	bool clear;
	int page_count;
	u64 remapped;
	int remap_err;
	void (*on_fence)(struct consumer *c);
	void (*on_remap)(struct consumer *c);
};

/**
 * struct helper - something running in a task of its own
 * @done: it has returned @ret
 * @stopped: its task has been told to exit
 */
struct helper {
	struct task_struct *task;
	int (*fn)(void *arg);
	void *arg;
	int ret;
	bool stopped;
	struct completion done;
};

int rig_init(struct kunit *test);
struct rig *rig_other(struct kunit *test);
struct daxlease *rig_acquiring(struct kunit *test, struct rig *rig, u64 first, u64 last, u64 grace);
struct daxlease *rig_lease(struct kunit *test, struct rig *rig, u64 first, u64 last, u64 grace);
void rig_activate(struct daxlease *lease);
bool rig_break(struct daxlease *lease, u64 first, u64 last);
bool rig_break_by(struct daxlease *lease, const struct dl_breaker *by);
enum daxlease_state rig_state(struct daxlease *lease);
bool rig_lost(struct daxlease *lease, u64 granule);
struct daxlease_event rig_event(struct kunit *test, struct dl_queue *queue);
bool rig_silent(struct dl_queue *queue);

struct consumer *consumer_attach(struct kunit *test, struct rig *rig, struct daxlease *lease);
struct consumer *consumer_attach_as(struct kunit *test, struct rig *rig, struct daxlease *lease,
				    const struct daxlease_consumer_ops *ops);
struct consumer *consumer_prepare(struct kunit *test, struct rig *rig, struct daxlease *lease);
void consumer_wait(struct kunit *test, struct consumer *c);
void consumer_go(struct consumer *c);
extern const struct daxlease_consumer_ops consumer_ops, consumer_whole, consumer_maps;

struct helper *helper_start(struct kunit *test, int (*fn)(void *arg), void *arg);
int helper_join(struct kunit *test, struct helper *h);
void helper_stop(struct kunit *test, struct helper *h);

/* The calls that helpers make; arg is the lease, or the rig */
int call_fence(void *lease);
int call_end(void *lease);
int call_wait_whole_file(void *rig);

/** rig_wait_clear() - dl_gate_wait() for a whole file that must be clear soon */
static inline int rig_wait_clear(struct kunit *test, struct rig *rig)
{
	return helper_join(test, helper_start(test, call_wait_whole_file, rig));
}

/* Look for a condition that nothing announces, for at most SOON */
#define RIG_UNTIL(test, condition) do {					\
	unsigned long until_ = jiffies + SOON;				\
									\
	while (!(condition) && time_before(jiffies, until_))		\
		schedule_timeout_uninterruptible(1);			\
	KUNIT_ASSERT_TRUE(test, condition);				\
} while (0)

#endif /* _DAXLEASE_KUNIT_RIG_H */
