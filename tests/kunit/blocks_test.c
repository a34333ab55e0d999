// SPDX-License-Identifier: GPL-2.0
/*
 * blocks: what dl_blocks_check() makes of a filesystem's answers, right ones and wrong ones. The
 * file is made up, the medium is that of the filesystem of the tests' guest; answers come as the
 * redirected fiemap_fill_next_extent() gets them.
 */
#include <linux/blkdev.h>
#include <linux/dax.h>
#include <linux/fiemap.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pfn_t.h>

#include "hook_blocks.h"
#include "seam.h"

#define MOUNT	"/mnt/dax"	/* tests/vm/guest.sh */
#define FIRST	2		/* pages FIRST to LAST of the file are asked for */
#define LAST	9
#define BASE	3		/* that many pages are believed of something else */

#define SHARED	FIEMAP_EXTENT_SHARED
#define MERGED	FIEMAP_EXTENT_MERGED
#define END	FIEMAP_EXTENT_LAST

/* All in pages; @at is a page of the medium */
struct row {
	const char *desc;
	struct {
		u64 page;
		u64 count;
		u64 at;
		u32 flags;
	} answers[4];
	struct {
		u64 count;
		u64 at;
	} believed[4];
	int said;		/* what fiemap itself returns */
	int err;
	struct dl_range stale;
};

static const struct row rows[] = {
	{ "one extent", { { 0, 16, 100, END } }, { { 8, 102 } } },
	{ "two extents, one run", { { 0, 6, 100 }, { 6, 10, 106, END } }, { { 8, 102 } } },
	{ "one extent, two runs", { { 0, 16, 100, MERGED } }, { { 3, 102 }, { 5, 105 } } },
	{ "two extents apart", { { 0, 6, 100 }, { 6, 10, 300 } }, { { 4, 102 }, { 4, 300 } } },
	{ "two extents backwards", { { 0, 6, 300 }, { 6, 10, 100 } }, { { 4, 302 }, { 4, 100 } } },
	{ "around the range anything",
	  { { 0, 2, 900, SHARED }, { 2, 8, 102 }, { 10, 6, 900, SHARED } }, { { 8, 102 } } },
	{ "other blocks", { { 0, 16, 200 } }, { { 8, 102 } }, 0, -ESTALE, { 2, 9 } },
	{ "other blocks from the middle on", { { 0, 16, 100 } }, { { 4, 102 }, { 4, 306 } },
	  0, -ESTALE, { 6, 9 } },
	{ "another block in the middle", { { 0, 16, 100 } },
	  { { 2, 102 }, { 1, 304 }, { 5, 105 } }, 0, -ESTALE, { 4, 4 } },
	{ "neighbours swapped", { { 0, 6, 300 }, { 6, 10, 100 } }, { { 4, 102 }, { 4, 300 } },
	  0, -ESTALE, { 2, 5 } },
	{ "told to stop, it goes on", { { 2, 4, 202 }, { 6, 4, 106, SHARED } }, { { 8, 102 } },
	  0, -ESTALE, { 2, 5 } },
	{ "shared", { { 0, 6, 100 }, { 6, 10, 106, SHARED } }, { { 8, 102 } },
	  0, -EMLINK, { 6, 9 } },
	{ "unwritten", { { 0, 6, 100 }, { 6, 10, 106, FIEMAP_EXTENT_UNWRITTEN } }, { { 8, 102 } },
	  0, -ENODATA, { 6, 9 } },
	{ "not allocated yet", { { 0, 16, 100, FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC } },
	  { { 8, 102 } }, 0, -ENODATA, { 2, 9 } },
	{ "in the inode", { { 0, 16, 100, FIEMAP_EXTENT_DATA_INLINE } }, { { 8, 102 } },
	  0, -ENODATA, { 2, 9 } },
	{ "a flag of the future", { { 0, 16, 100, 1U << 30 } }, { { 8, 102 } },
	  0, -ENODATA, { 2, 9 } },
	{ "no extent", { }, { { 8, 102 } }, 0, -ENODATA, { 2, 9 } },
	{ "a hole at the beginning", { { 4, 12, 104 } }, { { 8, 102 } }, 0, -ENODATA, { 2, 3 } },
	{ "a hole in the middle", { { 0, 4, 100 }, { 6, 10, 106 } }, { { 8, 102 } },
	  0, -ENODATA, { 4, 5 } },
	{ "a hole at the end", { { 0, 6, 100, END } }, { { 8, 102 } }, 0, -ENODATA, { 6, 9 } },
	{ "the same twice", { { 0, 6, 100 }, { 0, 16, 100 } }, { { 8, 102 } },
	  0, -ENODATA, { 2, 9 } },
	{ "fewer pages believed", { { 0, 16, 100 } }, { { 4, 102 } }, 0, -ENODATA, { 2, 9 } },
	{ "an error of the filesystem", { { 0, 16, 100 } }, { { 8, 102 } }, -EIO, -EIO, { 2, 9 } },
};

KUNIT_ARRAY_PARAM_DESC(rows, rows, desc);

struct made_up {
	struct inode inode;
	const struct row *row;
	struct kunit *test;
};

static int answer(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len)
{
	struct made_up *file = container_of(inode, struct made_up, inode);
	const struct row *row = file->row;
	int i;

	KUNIT_EXPECT_EQ(file->test, start, FIRST << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(file->test, len, (LAST - FIRST + 1) << PAGE_SHIFT);
	for (i = 0; i < ARRAY_SIZE(row->answers) && row->answers[i].count; i++)
		hook_fiemap_extent(info, row->answers[i].page << PAGE_SHIFT,
				   row->answers[i].at << PAGE_SHIFT,
				   row->answers[i].count << PAGE_SHIFT, row->answers[i].flags);
	return row->said;
}

static const struct inode_operations answers = { .fiemap = answer }, silent = { };

static void put_root(void *file)
{
	fput(file);
}

static struct made_up *make_up(struct kunit *test, const struct inode_operations *ops)
{
	struct made_up *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);
	struct file *root = filp_open(MOUNT, O_RDONLY | O_DIRECTORY, 0);

	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_ASSERT_FALSE(test, IS_ERR(root));
	kunit_add_action_or_reset(test, put_root, root);
	inode_init_once(&file->inode);
	init_rwsem(&file->inode.i_rwsem);
	file->inode.i_sb = file_inode(root)->i_sb;
	file->inode.i_op = ops;
	file->test = test;
	return file;
}

/* The frame of the filesystem's page 0 */
static u64 first_pfn(struct kunit *test, const struct inode *inode)
{
	struct dax_device *dax;
	pfn_t pfn;
	u64 start;
	long nr;
	int id;

	dax = fs_dax_get_by_bdev(inode->i_sb->s_bdev, &start, NULL, NULL);
	KUNIT_ASSERT_NOT_NULL(test, dax);
	id = dax_read_lock();
	nr = dax_direct_access(dax, start >> PAGE_SHIFT, 1, DAX_ACCESS, NULL, &pfn);
	dax_read_unlock(id);
	fs_put_dax(dax, NULL);
	KUNIT_ASSERT_GE(test, nr, 1);
	return pfn_t_to_pfn(pfn);
}

static void answers_are_compared(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct made_up *file = make_up(test, &answers);
	u64 pfn = first_pfn(test, &file->inode);
	struct dl_extents *ext = NULL;
	struct dl_range stale = DL_RANGE_NONE;
	int i, err;

	file->row = row;
	err = dl_extents_append(&ext, BASE, 1);
	for (i = 0; !err && i < ARRAY_SIZE(row->believed) && row->believed[i].count; i++)
		err = dl_extents_append(&ext, row->believed[i].count, pfn + row->believed[i].at);
	KUNIT_EXPECT_EQ(test, err, 0);
	err = real_dl_blocks_check(&file->inode, (struct dl_range){ FIRST, LAST }, ext, BASE,
				   &stale);
	dl_extents_free(ext);
	KUNIT_EXPECT_EQ(test, err, row->err);
	if (err == -ESTALE || err == -EMLINK || err == -ENODATA) {
		KUNIT_EXPECT_EQ(test, stale.first, row->stale.first);
		KUNIT_EXPECT_EQ(test, stale.last, row->stale.last);
	}
}

static void who_cannot_answer_is_refused(struct kunit *test)
{
	struct made_up *file = make_up(test, &silent);
	struct dl_range stale, range = { FIRST, LAST };

	KUNIT_EXPECT_EQ(test, real_dl_blocks_check(&file->inode, range, NULL, 0, &stale),
			-EOPNOTSUPP);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(answers_are_compared, rows_gen_params),
	KUNIT_CASE(who_cannot_answer_is_refused),
	{}
};

static struct kunit_suite suite = {
	.name = "blocks",
	.test_cases = cases,
};

kunit_test_suite(suite);
