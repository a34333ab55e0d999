// SPDX-License-Identifier: GPL-2.0
/* hooks: the real ones, armed for the filesystem that the tests' guest has mounted. */
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "hook_ops.h"
#include "hooks.h"
#include "removal.h"
#include "seam.h"

#define MOUNT	"/mnt/dax"	/* tests/vm/guest.sh */

/* Whatever a case has done, every hook is disarmed before the module goes */
static void wait_disarmed(void *unused)
{
	unsigned long until = jiffies + SOON;

	real_dl_hooks_put();
	while (READ_ONCE(dl_gate_hooks[0].armed) && time_before(jiffies, until))
		schedule_timeout_uninterruptible(1);
}

static void arm_hooks(struct kunit *test)
{
	struct file *dir = filp_open(MOUNT, O_RDONLY | O_DIRECTORY, 0);
	struct device *dev;
	int err;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dir));
	KUNIT_ASSERT_EQ(test, dl_early_resolve(), 0);	/* other suites have put theirs there */
	dev = real_dl_removal_device(file_inode(dir)->i_sb);
	err = IS_ERR(dev) ? PTR_ERR(dev) : real_dl_hooks_get(file_inode(dir)->i_sb, dev);
	if (!IS_ERR(dev))
		put_device(dev);
	fput(dir);
	KUNIT_ASSERT_EQ(test, err, 0);
	kunit_add_action_or_reset(test, wait_disarmed, NULL);
}

struct losable {
	struct dl_redirects *set;
	struct dl_redirect *hook;
};

/* One of each layer. The first gate hook alone may go: its function jumps into the second */
static const struct losable losable[] = {
	{ &dl_gate_set, &dl_gate_hooks[1] }, { &dl_gate_set, &dl_gate_hooks[4] },
	{ &dl_gate_set, &dl_gate_hooks[6] }, { &dl_early_set, &dl_early_hooks[1] },
};

static void hook_name(const struct losable *lost, char *desc)
{
	strscpy(desc, lost->hook->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(losable, losable, hook_name);

/* Somebody takes a function away behind our back */
static void unhook(struct kunit *test, const struct losable *lost)
{
	KUNIT_ASSERT_EQ(test, ftrace_set_filter_ip(&lost->set->ops, lost->hook->ip, 1, 0), 0);
}

static void a_hook_that_is_lost_ends_every_lease(struct kunit *test)
{
	const struct losable *lost = test->param_value;
	struct rig *rig = test->priv;
	struct daxlease *lease, *other;
	struct daxlease_event ev;

	arm_hooks(test);
	lease = rig_lease(test, rig, 0, 2 * GRANULE - 1, LONG_GRACE);
	other = rig_lease(test, rig_other(test), 0, 0, LONG_GRACE);
	unhook(test, lost);
	RIG_UNTIL(test, rig_state(lease) == DAXLEASE_REVOKED);
	RIG_UNTIL(test, rig_state(other) == DAXLEASE_REVOKED);
	ev = rig_event(test, rig->queue);
	KUNIT_EXPECT_EQ(test, ev.reason, DAXLEASE_REASON_HOOK);
	KUNIT_EXPECT_EQ(test, ev.flags, DAXLEASE_FLAG_NO_GRACE);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(a_hook_that_is_lost_ends_every_lease, losable_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "hooks",
	.init = rig_init,
	.test_cases = cases,
};

kunit_test_suite(suite);
