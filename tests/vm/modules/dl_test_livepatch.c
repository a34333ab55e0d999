// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch of a function that daxlease hooks, as somebody else might have one. What it puts in
 * the function's place does the same, in short: it checks no argument.
 */
#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/livepatch.h>
#include <linux/module.h>

static char *function = "vfs_fallocate";
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "vfs_fallocate or dax_layout_busy_page");

static int patched_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	int ret;

	file_start_write(file);
	ret = file->f_op->fallocate(file, mode, offset, len);
	file_end_write(file);
	return ret;
}

static struct page *patched_busy_page(struct address_space *mapping)
{
	return dax_layout_busy_page_range(mapping, 0, LLONG_MAX);
}

static struct klp_func funcs[] = {
	{ .old_name = "vfs_fallocate", .new_func = patched_fallocate },
	{ }
};

static struct klp_object objects[] = { { .funcs = funcs }, { } };
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init livepatch_init(void)
{
	if (!strcmp(function, "dax_layout_busy_page")) {
		funcs[0].old_name = "dax_layout_busy_page";
		funcs[0].new_func = patched_busy_page;
	}
	return klp_enable_patch(&patch);
}

static void __exit livepatch_exit(void)
{
}

module_init(livepatch_init);
module_exit(livepatch_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("test of daxlease: a livepatch of a hooked function");
