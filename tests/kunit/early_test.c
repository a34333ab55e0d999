// SPDX-License-Identifier: GPL-2.0
/*
 * early: the replacements of hook_early.c, called as ftrace would: what breaks which granules, what
 * breaks nothing, and that the bar stands while the original runs. The originals are the kernel's
 * own, over a file whose filesystem is this suite.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/mount.h>
#include <linux/sizes.h>
#include <linux/sched/signal.h>
#include <linux/static_call.h>

#include "hook_ops.h"
#include "seam.h"

#define PAGES	(4 * GRANULE)
#define MIB	((loff_t)SZ_1M)
#define AT_ONCE	1		/* ns of grace */

/* The original of do_truncate, which modules cannot link to */
static int fs_truncate(struct mnt_idmap *idmap, struct dentry *dentry, loff_t length,
		       unsigned int attrs, struct file *file);
DECLARE_STATIC_CALL(dl_do_truncate, fs_truncate);

/* What the filesystem has seen */
static struct {
	struct rig *rig;
	unsigned int calls;
	bool barred;
	bool clear;
	struct daxlease *acquiring;	/* see fs_permission() */
} fs;

static int fs_called(void)
{
	fs.calls++;
	fs.clear = dl_gate_clear(fs.rig->gate, (struct dl_range){ 0, 0 });
	spin_lock(&fs.rig->gate->lock);
	fs.barred = dl_op_barred(fs.rig->gate, (struct dl_range){ 0, 0 });
	spin_unlock(&fs.rig->gate->lock);
	return 0;
}

static int fs_truncate(struct mnt_idmap *idmap, struct dentry *dentry, loff_t length,
		       unsigned int attrs, struct file *file)
{
	return fs_called();
}

static long fs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	return fs_called();
}

static loff_t fs_remap(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out, loff_t len,
		       unsigned int flags)
{
	fs_called();
	return len;
}

static const struct file_operations fops = {
	.fallocate = fs_fallocate,
	.remap_file_range = fs_remap,
};

/* Nobody may write. While that is asked, a lease becomes ACTIVE. */
static int fs_permission(struct mnt_idmap *idmap, struct inode *inode, int mask)
{
	if (fs.acquiring)
		rig_activate(fs.acquiring);
	return -EACCES;
}

static const struct inode_operations iops = {
	.permission = fs_permission,
};

struct saved {
	struct file *file;
	const struct file_operations *f_op;
	const struct inode_operations *i_op;
	fmode_t mode;
};

static void restore(void *arg)
{
	struct saved *saved = arg;

	saved->file->f_op = saved->f_op;
	saved->file->f_inode->i_op = saved->i_op;
	saved->file->f_mode = saved->mode;
	saved->file->f_flags &= ~O_APPEND;
}

static void take_over(struct kunit *test, struct rig *rig)
{
	struct saved *saved = kunit_kzalloc(test, sizeof(*saved), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, saved);
	*saved = (struct saved){
		rig->file, rig->file->f_op, rig->inode->i_op, rig->file->f_mode
	};
	rig->file->f_op = &fops;
	kunit_add_action_or_reset(test, restore, saved);
	seam_init(test, rig, PAGES);
}

static int init(struct kunit *test)
{
	int err = rig_init(test);

	if (err)
		return err;
	take_over(test, test->priv);
	fs = (typeof(fs)){ .rig = test->priv };
	static_call_update(dl_do_truncate, fs_truncate);
	return 0;
}

static void *replacement(struct kunit *test, const char *name)
{
	int i;

	for (i = 0; i < DL_NR_EARLY; i++)
		if (!strcmp(dl_early_hooks[i].name, name))
			return dl_early_hooks[i].replacement;
	KUNIT_FAIL_AND_ABORT(test, "no hook of %s", name);
	return NULL;
}

static int call_truncate(struct kunit *test, struct rig *rig, loff_t length)
{
	int (*hook)(struct mnt_idmap *idmap, struct dentry *dentry, loff_t length,
		    unsigned int attrs, struct file *file) = replacement(test, "do_truncate");

	return hook(&nop_mnt_idmap, rig->file->f_path.dentry, length, 0, rig->file);
}

static int call_fallocate(struct kunit *test, struct rig *rig, int mode, loff_t offset, loff_t len)
{
	int (*hook)(struct file *file, int mode, loff_t offset, loff_t len) =
		replacement(test, "vfs_fallocate");

	return hook(rig->file, mode, offset, len);
}

static loff_t call_remap(struct kunit *test, const char *name, struct rig *in, loff_t pos_in,
			 struct rig *out, loff_t pos_out, loff_t len)
{
	loff_t (*hook)(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out, loff_t len,
		       unsigned int flags);

	hook = replacement(test, name);
	return hook(in->file, pos_in, out->file, pos_out, len, 0);
}

static loff_t call_clone(struct kunit *test, struct rig *in, loff_t pos_in, struct rig *out,
			 loff_t pos_out, loff_t len)
{
	return call_remap(test, "vfs_clone_file_range", in, pos_in, out, pos_out, len);
}

static loff_t call_dedupe(struct kunit *test, struct rig *in, struct rig *out, loff_t len)
{
	return call_remap(test, "vfs_dedupe_file_range_one", in, 0, out, 0, len);
}

/* Bits 0 to 3: which granules are lost */
static unsigned int lost(struct daxlease *lease)
{
	unsigned int bits = 0, g;

	for (g = 0; g < 4; g++)
		bits |= rig_lost(lease, g) << g;
	return bits;
}

struct truncate_row {
	const char *desc;
	loff_t length;
	unsigned int iflags;
	unsigned int lost;
};

static const struct truncate_row truncates[] = {
	{ "to nothing", 0, 0, 0xf },
	{ "to a granule's edge", 4 * MIB, 0, 0xc },
	{ "into a page of the second granule", 2 * MIB + 1, 0, 0xe },
	{ "to the last byte", 8 * MIB - 1, 0, 0x8 },
	{ "to the size it has", 8 * MIB, 0, 0 },
	{ "growing", 9 * MIB, 0, 0 },
	{ "negative", -1, 0, 0 },
	{ "immutable", 0, S_IMMUTABLE, 0 },
	{ "swap file", 0, S_SWAPFILE, 0 },
};

KUNIT_ARRAY_PARAM_DESC(truncates, truncates, desc);

static void truncates_break_what_they_cut_off(struct kunit *test)
{
	const struct truncate_row *row = test->param_value;
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, AT_ONCE);

	rig->inode->i_flags |= row->iflags;
	call_truncate(test, rig, row->length);
	KUNIT_EXPECT_EQ(test, fs.calls, 1);
	KUNIT_EXPECT_EQ(test, lost(lease), row->lost);
}

struct fallocate_row {
	const char *desc;
	int mode;
	loff_t offset;
	loff_t len;
	unsigned int iflags;
	fmode_t without;
	unsigned int lost;
};

#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static const struct fallocate_row fallocates[] = {
	{ "punch of a byte", PUNCH, 2 * MIB + 5, 1, 0, 0, 0x2 },
	{ "punch over an edge", PUNCH, 2 * MIB - 1, 2, 0, 0, 0x3 },
	{ "punch beyond the end", PUNCH, 6 * MIB, 100 * MIB, 0, 0, 0x8 },
	{ "zero", FALLOC_FL_ZERO_RANGE, 4 * MIB, 2 * MIB, 0, 0, 0x4 },
	{ "zero, keep size", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 1, 0, 0, 0x1 },
	{ "unshare", FALLOC_FL_UNSHARE_RANGE, 0, 4 * MIB, 0, 0, 0x3 },
	{ "collapse: to the end", FALLOC_FL_COLLAPSE_RANGE, 4 * MIB, 4096, 0, 0, 0xc },
	{ "insert: to the end", FALLOC_FL_INSERT_RANGE, 6 * MIB, 4096, 0, 0, 0x8 },
	{ "allocate", 0, 0, 8 * MIB, 0, 0, 0 },
	{ "punch, size not kept", FALLOC_FL_PUNCH_HOLE, 0, 4096, 0, 0, 0 },
	{ "collapse, size kept", FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096, 0, 0, 0 },
	{ "two modes", PUNCH | FALLOC_FL_ZERO_RANGE, 0, 4096, 0, 0, 0 },
	{ "no mode that is known", 0x8000, 0, 4096, 0, 0, 0 },
	{ "negative offset", PUNCH, -4096, 4096, 0, 0, 0 },
	{ "no length", PUNCH, 0, 0, 0, 0, 0 },
	{ "end overflows", PUNCH, LLONG_MAX - 4096, 8192, 0, 0, 0 },
	{ "read-only descriptor", PUNCH, 0, 4096, 0, FMODE_WRITE, 0 },
	{ "immutable", PUNCH, 0, 4096, S_IMMUTABLE, 0, 0 },
	{ "append only", PUNCH, 0, 4096, S_APPEND, 0, 0 },
	{ "swap file", PUNCH, 0, 4096, S_SWAPFILE, 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(fallocates, fallocates, desc);

/* What breaks nothing is refused by the original, without the filesystem; but for "allocate" */
static void fallocates_break_what_they_change(struct kunit *test)
{
	const struct fallocate_row *row = test->param_value;
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, AT_ONCE);
	int ret;

	rig->inode->i_flags |= row->iflags;
	rig->file->f_mode &= ~row->without;
	ret = call_fallocate(test, rig, row->mode, row->offset, row->len);
	KUNIT_EXPECT_EQ(test, lost(lease), row->lost);
	KUNIT_EXPECT_EQ(test, !ret, row->lost || !row->mode);
	KUNIT_EXPECT_EQ(test, fs.calls, !ret);
}

struct clone_row {
	const char *desc;
	loff_t pos_in;
	loff_t pos_out;
	loff_t len;
	fmode_t in_without;
	fmode_t out_without;
	unsigned int out_flags;
	unsigned int lost_in;
	unsigned int lost_out;
};

static const struct clone_row clones[] = {
	{ "a block", 0, 2 * MIB, 4096, 0, 0, 0, 0x1, 0x2 },
	{ "length 0: to the end", 4 * MIB, 6 * MIB, 0, 0, 0, 0, 0xc, 0x8 },
	{ "all of it", 0, 0, 0, 0, 0, 0, 0xf, 0xf },
	{ "source not readable", 0, 0, 4096, FMODE_READ, 0, 0, 0, 0 },
	{ "target not writable", 0, 0, 4096, 0, FMODE_WRITE, 0, 0, 0 },
	{ "target appends", 0, 0, 4096, 0, 0, O_APPEND, 0, 0 },
	{ "negative position", 0, -4096, 4096, 0, 0, 0, 0, 0 },
	{ "end overflows", LLONG_MAX - 4096, 0, 8192, 0, 0, 0, 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(clones, clones, desc);

static void clones_break_both_files(struct kunit *test)
{
	const struct clone_row *row = test->param_value;
	struct rig *in = test->priv, *out = rig_other(test);
	struct daxlease *from = rig_lease(test, in, 0, PAGES - 1, AT_ONCE);
	struct daxlease *to = rig_lease(test, out, 0, PAGES - 1, AT_ONCE);

	take_over(test, out);
	in->file->f_mode &= ~row->in_without;
	out->file->f_mode &= ~row->out_without;
	out->file->f_flags |= row->out_flags;
	call_clone(test, in, row->pos_in, out, row->pos_out, row->len);
	KUNIT_EXPECT_EQ(test, lost(from), row->lost_in);
	KUNIT_EXPECT_EQ(test, lost(to), row->lost_out);
}

/* The descriptor is read-only, and no other is to be had */
static void make_readonly(struct rig *rig)
{
	rig->inode->i_op = &iops;
	rig->file->f_mode &= ~FMODE_WRITE;
}

/* It was nobody's when the reader looked before his bar */
static void a_reader_breaks_nothing_that_has_just_been_leased(struct kunit *test)
{
	struct rig *in = test->priv, *out = rig_other(test);
	struct daxlease *lease = rig_acquiring(test, in, 0, PAGES - 1, AT_ONCE);

	take_over(test, out);
	make_readonly(in);
	make_readonly(out);
	fs.acquiring = lease;
	KUNIT_EXPECT_EQ(test, call_dedupe(test, in, out, 4096), -EBUSY);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_ACTIVE);
	KUNIT_EXPECT_EQ(test, lost(lease), 0);
	KUNIT_EXPECT_FALSE(test, dl_gate_breaking(in->gate));
}

/* It may share what is nobody's yet; whoever is about to lease that looks again */
static void a_reader_is_noticed_by_who_is_about_to_lease(struct kunit *test)
{
	struct rig *in = test->priv, *out = rig_other(test);
	struct daxlease *lease = rig_acquiring(test, in, 0, PAGES - 1, AT_ONCE);

	take_over(test, out);
	make_readonly(in);
	call_clone(test, in, 0, out, 0, 4096);
	KUNIT_EXPECT_EQ(test, fs.calls, 1);
	KUNIT_EXPECT_TRUE(test, lease->dead);
}

static void the_filesystem_finds_the_range_clear_and_barred(struct kunit *test)
{
	struct rig *rig = test->priv;

	rig_lease(test, rig, 0, PAGES - 1, AT_ONCE);
	KUNIT_EXPECT_EQ(test, call_fallocate(test, rig, PUNCH, 0, 4096), 0);
	KUNIT_EXPECT_EQ(test, fs.calls, 1);
	KUNIT_EXPECT_TRUE(test, fs.clear);
	KUNIT_EXPECT_TRUE(test, fs.barred);
	spin_lock(&rig->gate->lock);
	KUNIT_EXPECT_FALSE(test, dl_op_barred(rig->gate, DL_RANGE_ALL));
	spin_unlock(&rig->gate->lock);
}

static int punch(void *test)
{
	return call_fallocate(test, ((struct kunit *)test)->priv, PUNCH, 0, 4096);
}

static void the_original_waits_for_the_holder(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	struct helper *breaker = helper_start(test, punch, test);

	RIG_UNTIL(test, !list_empty_careful(&rig->gate->waiters));
	KUNIT_EXPECT_EQ(test, fs.calls, 0);
	KUNIT_EXPECT_TRUE(test, dl_fence(lease, 0));
	KUNIT_EXPECT_EQ(test, helper_join(test, breaker), 0);
	KUNIT_EXPECT_EQ(test, fs.calls, 1);
}

static void a_breaker_killed_meanwhile_changes_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct daxlease *lease = rig_lease(test, rig, 0, PAGES - 1, LONG_GRACE);
	struct helper *breaker = helper_start(test, punch, test);

	RIG_UNTIL(test, !list_empty_careful(&rig->gate->waiters));
	send_sig(SIGKILL, breaker->task, 1);
	KUNIT_EXPECT_EQ(test, helper_join(test, breaker), -EINTR);
	KUNIT_EXPECT_EQ(test, fs.calls, 0);
	KUNIT_EXPECT_EQ(test, rig_state(lease), DAXLEASE_BREAKING);
	spin_lock(&rig->gate->lock);
	KUNIT_EXPECT_FALSE(test, dl_op_barred(rig->gate, DL_RANGE_ALL));
	spin_unlock(&rig->gate->lock);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(truncates_break_what_they_cut_off, truncates_gen_params),
	KUNIT_CASE_PARAM(fallocates_break_what_they_change, fallocates_gen_params),
	KUNIT_CASE_PARAM(clones_break_both_files, clones_gen_params),
	KUNIT_CASE(a_reader_breaks_nothing_that_has_just_been_leased),
	KUNIT_CASE(a_reader_is_noticed_by_who_is_about_to_lease),
	KUNIT_CASE(the_filesystem_finds_the_range_clear_and_barred),
	KUNIT_CASE(the_original_waits_for_the_holder),
	KUNIT_CASE(a_breaker_killed_meanwhile_changes_nothing),
	{}
};

static struct kunit_suite suite = {
	.name = "early",
	.init = init,
	.test_cases = cases,
};

kunit_test_suite(suite);
