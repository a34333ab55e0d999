// SPDX-License-Identifier: GPL-2.0
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "params.h"
#include "quota.h"
#include "rig.h"

/* In the product these are module parameters. */
u64 dl_leases_max(void)
{
	return 1000;
}

u64 dl_leases_per_user(void)
{
	return 1000;
}

u64 dl_leases_per_fs(void)
{
	return 1000;
}

unsigned long dl_hook_period(void)
{
	return HZ;
}

struct leak_check {
	struct kunit *test;
	u64 before;
};

static void check_leases_left(void *arg)
{
	unsigned long until = jiffies + 2 * HZ;
	struct leak_check *check = arg;
	struct kunit *test = check->test;

	/* Deadline work that found nothing to do may still have a reference */
	while (dl_quota_total() > check->before && time_before(jiffies, until))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_EQ_MSG(test, dl_quota_total(), check->before, "leases left");
}

static void drop_file(void *file)
{
	fput(file);
}

static void drop_gate(void *gate)
{
	dl_gate_put(gate);
}

static void drop_queue(void *queue)
{
	dl_queue_put(queue);
}

static void drop_page(void *page)
{
	put_page(page);
}

/**
 * rig_other() - one more file
 * @test: its case
 *
 * Return: a rig without leases.
 */
struct rig *rig_other(struct kunit *test)
{
	struct rig *rig = kunit_kzalloc(test, sizeof(*rig), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rig);
	rig->file = shmem_file_setup("daxlease-kunit", 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(rig->file));
	kunit_add_action_or_reset(test, drop_file, rig->file);
	rig->inode = file_inode(rig->file);
	rig->gate = dl_gate_create(rig->inode);
	KUNIT_ASSERT_NOT_NULL(test, rig->gate);
	kunit_add_action_or_reset(test, drop_gate, rig->gate);
	rig->queue = dl_queue_alloc();
	KUNIT_ASSERT_NOT_NULL(test, rig->queue);
	kunit_add_action_or_reset(test, drop_queue, rig->queue);
	rig->page = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, rig->page);
	kunit_add_action_or_reset(test, drop_page, rig->page);
	return rig;
}

/**
 * rig_init() - the init of a suite: test->priv is a rig
 * @test: its case
 *
 * Return: 0.
 */
int rig_init(struct kunit *test)
{
	struct leak_check *check = kunit_kzalloc(test, sizeof(*check), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, check);
	check->test = test;
	check->before = dl_quota_total();
	kunit_add_action_or_reset(test, check_leases_left, check);
	test->priv = rig_other(test);
	return 0;
}

static void end_lease(void *arg)
{
	struct daxlease *lease = arg;

	if (rig_state(lease) != DAXLEASE_RELEASED)
		dl_lease_end(lease);
	dl_lease_put(lease);
}

/**
 * rig_acquiring() - a published lease in state ACQUIRING
 * @test: its case
 * @rig: the file
 * @first: page
 * @last: page
 * @grace: ns that the holder behind rig->queue wants
 *
 * Return: the lease; it is ended with the case.
 */
struct daxlease *rig_acquiring(struct kunit *test, struct rig *rig, u64 first, u64 last, u64 grace)
{
	struct dl_extents *ext = NULL;
	struct daxlease *lease;
	u64 page;

	lease = dl_lease_alloc(rig->gate, rig->file, (struct dl_range){ first, last });
	KUNIT_ASSERT_FALSE(test, IS_ERR(lease));
	dl_break_prepare(lease);
	lease->grace_limit = 10 * LONG_GRACE;
	dl_slot_init(&lease->slot, rig->queue, lease->id, 0, grace);
	dl_lease_add_slot(lease, &lease->slot);
	for (page = first; page <= last; page++)
		if (dl_extents_append(&ext, 1, page_to_pfn(rig->page)))
			break;
	rcu_assign_pointer(lease->extents, ext);
	inode_lock(rig->inode);
	spin_lock(&rig->gate->lock);
	dl_lease_publish(lease);
	spin_unlock(&rig->gate->lock);
	inode_unlock(rig->inode);
	kunit_add_action_or_reset(test, end_lease, lease);
	return lease;
}

/**
 * rig_activate() - the last step of acquiring
 * @lease: in state ACQUIRING
 */
void rig_activate(struct daxlease *lease)
{
	spin_lock(&lease->gate->lock);
	dl_lease_set_state(lease, DAXLEASE_ACTIVE);
	spin_unlock(&lease->gate->lock);
}

/** rig_lease() - as rig_acquiring(), and ACTIVE */
struct daxlease *rig_lease(struct kunit *test, struct rig *rig, u64 first, u64 last, u64 grace)
{
	struct daxlease *lease = rig_acquiring(test, rig, first, last, grace);

	rig_activate(lease);
	return lease;
}

/** rig_break_by() - dl_break_start() under its lock */
bool rig_break_by(struct daxlease *lease, const struct dl_breaker *by)
{
	bool hit;

	spin_lock(&lease->gate->lock);
	hit = dl_break_start(lease, by);
	spin_unlock(&lease->gate->lock);
	return hit;
}

/** rig_break() - a truncate of some pages meets a lease */
bool rig_break(struct daxlease *lease, u64 first, u64 last)
{
	struct dl_breaker by = { .range = { first, last }, .reason = DAXLEASE_REASON_TRUNCATE };

	return rig_break_by(lease, &by);
}

/** rig_state() - state of a lease at this moment */
enum daxlease_state rig_state(struct daxlease *lease)
{
	enum daxlease_state state;

	spin_lock(&lease->gate->lock);
	state = lease->state;
	spin_unlock(&lease->gate->lock);
	return state;
}

/** rig_lost() - is a granule lost at this moment? */
bool rig_lost(struct daxlease *lease, u64 granule)
{
	bool lost;

	spin_lock(&lease->gate->lock);
	lost = test_bit(granule, lease->lost);
	spin_unlock(&lease->gate->lock);
	return lost;
}

/** rig_event() - take the record that must be there */
struct daxlease_event rig_event(struct kunit *test, struct dl_queue *queue)
{
	struct daxlease_event ev = {};
	u64 posts = 0;

	KUNIT_ASSERT_TRUE(test, dl_queue_peek(queue, &ev, &posts));
	dl_queue_consume(queue, ev.id, posts);
	return ev;
}

/** rig_silent() - is there no record? */
bool rig_silent(struct dl_queue *queue)
{
	struct daxlease_event ev;
	u64 posts;

	return !dl_queue_peek(queue, &ev, &posts);
}

static bool consumer_fence(void *priv, u64 first, u64 count)
{
	struct dl_range pages = { first, first + count - 1 };
	struct consumer *c = priv;
	struct dl_range in_file = {
		pages.first + c->lease->range.first, pages.last + c->lease->range.first
	};

	c->fences++;
	c->pages += count;
	c->last = pages;
	c->state = rig_state(c->lease);
	c->clear = dl_gate_clear(c->rig->gate, in_file);
	c->page_count = page_count(c->rig->page);
	if (c->on_fence)
		c->on_fence(c);
	complete_all(&c->entered);
	if (c->blocks)
		wait_for_completion_timeout(&c->go, SOON);
	return !dl_range_overlaps(pages, c->refused);
}

const struct daxlease_consumer_ops consumer_ops = {
	.name = "kunit",
	.fence = consumer_fence,
};

const struct daxlease_consumer_ops consumer_whole = {
	.name = "kunit",
	.whole = true,
	.fence = consumer_fence,
};

static int consumer_remap(void *priv, u64 first, u64 count)
{
	struct consumer *c = priv;

	c->remapped += count;
	if (c->on_remap)
		c->on_remap(c);
	return c->remap_err;
}

const struct daxlease_consumer_ops consumer_maps = {
	.name = "kunit",
	.fence = consumer_fence,
	.rearm = consumer_remap,
};

static void detach(void *arg)
{
	struct consumer *c = arg;

	c->refused = DL_RANGE_NONE;
	consumer_go(c);
	if (c->att)
		daxlease_detach(c->att);
}

/** consumer_prepare() - a consumer that is not attached yet; if it will be, then with the case */
struct consumer *consumer_prepare(struct kunit *test, struct rig *rig, struct daxlease *lease)
{
	struct consumer *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->rig = rig;
	c->lease = lease;
	c->refused = DL_RANGE_NONE;
	init_completion(&c->entered);
	init_completion(&c->go);
	kunit_add_action_or_reset(test, detach, c);
	return c;
}

/** consumer_attach_as() - a consumer of a whole lease, of one kind */
struct consumer *consumer_attach_as(struct kunit *test, struct rig *rig, struct daxlease *lease,
				    const struct daxlease_consumer_ops *ops)
{
	struct consumer *c = consumer_prepare(test, rig, lease);
	struct daxlease_attachment *att;

	att = daxlease_attach(lease, 0, dl_range_pages(lease->range), ops, c);
	KUNIT_ASSERT_FALSE(test, IS_ERR(att));
	c->att = att;
	return c;
}

/** consumer_attach() - a consumer of a whole lease */
struct consumer *consumer_attach(struct kunit *test, struct rig *rig, struct daxlease *lease)
{
	return consumer_attach_as(test, rig, lease, &consumer_ops);
}

/** consumer_wait() - until a fence has come to a consumer */
void consumer_wait(struct kunit *test, struct consumer *c)
{
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&c->entered, SOON), 0);
}

/** consumer_go() - let blocked fences go on, and those to come */
void consumer_go(struct consumer *c)
{
	c->blocks = false;
	complete_all(&c->go);
}

static int helper_main(void *arg)
{
	struct helper *h = arg;

	allow_signal(SIGKILL);
	h->ret = h->fn(h->arg);
	complete_all(&h->done);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static void stop_helper(void *arg)
{
	struct helper *h = arg;

	/* A case that failed may have left it waiting at the gate */
	if (!completion_done(&h->done))
		send_sig(SIGKILL, h->task, 1);
	if (!h->stopped)
		kthread_stop(h->task);
	put_task_struct(h->task);
}

/** helper_stop() - let the task of a helper that has returned exit */
void helper_stop(struct kunit *test, struct helper *h)
{
	h->stopped = true;
	kthread_stop(h->task);
}

/** helper_start() - run @fn(@arg) in a task of its own; it must return by the end of the case */
struct helper *helper_start(struct kunit *test, int (*fn)(void *arg), void *arg)
{
	struct helper *h = kunit_kzalloc(test, sizeof(*h), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, h);
	h->fn = fn;
	h->arg = arg;
	init_completion(&h->done);
	h->task = kthread_create(helper_main, h, "daxlease-kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(h->task));
	get_task_struct(h->task);
	kunit_add_action_or_reset(test, stop_helper, h);
	wake_up_process(h->task);
	return h;
}

/** helper_join() - wait for it; returns what it returned */
int helper_join(struct kunit *test, struct helper *h)
{
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&h->done, SOON), 0);
	return h->ret;
}

/** call_fence() - dl_fence() of whatever is doomed */
int call_fence(void *lease)
{
	return dl_fence(lease, 0);
}

/** call_end() - dl_lease_end() */
int call_end(void *lease)
{
	return dl_lease_end(lease);
}

/** call_wait_whole_file() - dl_gate_wait() */
int call_wait_whole_file(void *arg)
{
	struct rig *rig = arg;

	return dl_gate_wait(rig->gate, DL_RANGE_ALL,
			    DAXLEASE_REASON_NONE);
}
