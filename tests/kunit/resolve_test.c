// SPDX-License-Identifier: GPL-2.0
/*
 * resolve: pages prove that they are of the file, on a real fs-dax file of the machine's own,
 * looked at through mappings that are right, wrong, or lie.
 */
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagemap.h>

#include "hook_failure.h"
#include "seam.h"

#define DIR	"/mnt/dax/"
#define PAGES	16

struct files {
	struct file *mine;
	struct file *other;
};

static void close_file(void *file)
{
	fput(file);
}

/* @pages of the file are written, the rest up to PAGES is a hole */
static struct file *dax_file(struct kunit *test, const char *path, unsigned int pages)
{
	struct file *file = filp_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	void *buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	loff_t pos = 0;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	kunit_add_action_or_reset(test, close_file, file);
	KUNIT_ASSERT_TRUE(test, IS_DAX(file_inode(file)));
	while (pos < pages * PAGE_SIZE)
		KUNIT_ASSERT_EQ(test, kernel_write(file, buf, PAGE_SIZE, &pos), PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, vfs_truncate(&file->f_path, PAGES * PAGE_SIZE), 0);
	return file;
}

static int init(struct kunit *test)
{
	struct files *files = kunit_kzalloc(test, sizeof(*files), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, files);
	files->mine = dax_file(test, DIR "kunit-mine", PAGES);
	files->other = dax_file(test, DIR "kunit-other", PAGES);
	test->priv = files;
	return 0;
}

static unsigned long map(struct kunit *test, struct file *file, unsigned long flags)
{
	unsigned long addr = kunit_vm_mmap(test, file, 0, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
					   flags, 0);

	KUNIT_ASSERT_NE(test, addr, 0);
	return addr;
}

static struct dl_window window(struct file *file, unsigned long addr)
{
	return (struct dl_window){
		.file = file, .range = { 0, PAGES - 1 }, .addr = addr, .write = true,
	};
}

/* What dl_resolve() says; the pages it has found must be as many as asked for */
static int resolve(struct kunit *test, const struct dl_window *w, u64 *pfn)
{
	struct dl_extents *ext = NULL;
	struct daxlease_run run = {};
	bool dead = false;
	int err;

	err = real_dl_resolve(w, &ext, &dead);
	if (!err) {
		KUNIT_EXPECT_TRUE(test, dl_extents_at(ext, dl_range_pages(w->range) - 1, &run));
		KUNIT_EXPECT_FALSE(test, dl_extents_at(ext, dl_range_pages(w->range), &run));
		dl_extents_at(ext, 0, &run);
	}
	if (pfn)
		*pfn = run.pfn;
	dl_extents_free(ext);
	return err;
}

static void pages_of_the_file_are_found(struct kunit *test)
{
	struct files *files = test->priv;
	struct dl_window mine = window(files->mine, map(test, files->mine, MAP_SHARED));
	struct dl_window other = window(files->other, map(test, files->other, MAP_SHARED));
	u64 a, b;

	KUNIT_EXPECT_EQ(test, real_dl_populate(&mine), 0);
	KUNIT_EXPECT_EQ(test, resolve(test, &mine, &a), 0);
	KUNIT_EXPECT_EQ(test, resolve(test, &other, &b), 0);
	KUNIT_EXPECT_NE(test, a, b);
}

static void a_mapping_of_another_file_is_refused(struct kunit *test)
{
	struct files *files = test->priv;
	struct dl_window w = window(files->mine, map(test, files->other, MAP_SHARED));

	KUNIT_EXPECT_EQ(test, real_dl_populate(&w), -EFAULT);
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), -EFAULT);
}

static void a_mapping_of_another_place_is_refused(struct kunit *test)
{
	struct files *files = test->priv;
	struct dl_window w = window(files->mine, map(test, files->mine, MAP_SHARED));

	w.range = (struct dl_range){ 1, PAGES - 1 };
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), -EFAULT);
}

static void a_private_mapping_is_refused(struct kunit *test)
{
	struct files *files = test->priv;
	struct dl_window w = window(files->mine, map(test, files->mine, MAP_PRIVATE));

	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), -EFAULT);
}

static void no_mapping_is_refused(struct kunit *test)
{
	struct files *files = test->priv;
	struct dl_window w = window(files->mine, map(test, files->mine, MAP_SHARED));

	w.addr += 100 * PAGES * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), -EFAULT);
}

static struct vm_area_struct *locked_vma(struct kunit *test, unsigned long addr)
{
	struct vm_area_struct *vma;

	mmap_write_lock(current->mm);
	vma = find_vma(current->mm, addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	return vma;
}

/* The mapping says it is of this file, and shows another's pages: only the pages tell the truth */
static void pages_of_another_file_are_noticed(struct kunit *test)
{
	struct files *files = test->priv;
	unsigned long addr = map(test, files->other, MAP_SHARED);
	struct dl_window honest = window(files->other, addr), lies = window(files->mine, addr);
	struct vm_area_struct *vma;
	int err;

	KUNIT_ASSERT_EQ(test, real_dl_populate(&honest), 0);
	vma = locked_vma(test, addr);
	vma->vm_file = files->mine;
	mmap_write_unlock(current->mm);
	err = resolve(test, &lies, NULL);
	vma = locked_vma(test, addr);
	vma->vm_file = files->other;
	mmap_write_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, err, -ERESTART);
}

/* The same with another place of the same file */
static void pages_of_another_place_are_noticed(struct kunit *test)
{
	struct files *files = test->priv;
	unsigned long addr = map(test, files->mine, MAP_SHARED);
	struct dl_window w = window(files->mine, addr);
	struct vm_area_struct *vma;
	int err;

	KUNIT_ASSERT_EQ(test, real_dl_populate(&w), 0);
	w.range = (struct dl_range){ 1, 1 };
	vma = locked_vma(test, addr);
	vma->vm_pgoff = 1;
	mmap_write_unlock(current->mm);
	err = resolve(test, &w, NULL);
	vma = locked_vma(test, addr);
	vma->vm_pgoff = 0;
	mmap_write_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, err, -ERESTART);
}

static void a_hole_is_no_block_to_read(struct kunit *test)
{
	struct file *sparse = dax_file(test, DIR "kunit-sparse", PAGES / 2);
	struct dl_window w = window(sparse, map(test, sparse, MAP_SHARED));

	w.write = false;
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), -ENODATA);
	w.range.last = PAGES / 2 - 1;
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), 0);
	/* For writing it is allocated */
	w = window(sparse, w.addr);
	KUNIT_EXPECT_EQ(test, real_dl_populate(&w), 0);
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), 0);
}

/* Since it was mapped, as by a truncate that a re-arm meets before it has announced itself */
static void a_file_that_was_cut_is_too_short(struct kunit *test)
{
	struct files *files = test->priv;
	struct dl_window w = window(files->mine, map(test, files->mine, MAP_SHARED));

	KUNIT_ASSERT_EQ(test, vfs_truncate(&files->mine->f_path, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, real_dl_populate(&w), -EINVAL);
	KUNIT_ASSERT_EQ(test, vfs_truncate(&files->mine->f_path, PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, real_dl_populate(&w), 0);
}

static void a_dead_lease_is_not_looked_for(struct kunit *test)
{
	struct files *files = test->priv;
	struct dl_window w = window(files->mine, map(test, files->mine, MAP_SHARED));
	struct dl_extents *ext = NULL;
	bool dead = true;

	KUNIT_EXPECT_EQ(test, real_dl_resolve(&w, &ext, &dead), -ERESTART);
	dl_extents_free(ext);
}

/* The page cache may be wrong about a block; the filesystem is asked in the end */
static void what_the_filesystem_denies_is_not_believed(struct kunit *test)
{
	struct files *files = test->priv;
	struct dl_window w = window(files->mine, map(test, files->mine, MAP_SHARED));

	seam.blocks = -ESTALE;
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), -ERESTART);
	seam.blocks = -EIO;
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), -EIO);
	seam.blocks = 0;
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), 0);
}

/* Its memory map goes with it, and says which pages have failed until then */
static void memory_that_is_going_is_not_looked_at(struct kunit *test)
{
	struct files *files = test->priv;
	struct dl_window w = window(files->mine, map(test, files->mine, MAP_SHARED));

	KUNIT_ASSERT_TRUE(test, dl_failure_possible());
	seam.going = true;
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), -ENODEV);
	seam.going = false;
	KUNIT_EXPECT_EQ(test, resolve(test, &w, NULL), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(pages_of_the_file_are_found),
	KUNIT_CASE(a_mapping_of_another_file_is_refused),
	KUNIT_CASE(a_mapping_of_another_place_is_refused),
	KUNIT_CASE(a_private_mapping_is_refused),
	KUNIT_CASE(no_mapping_is_refused),
	KUNIT_CASE(pages_of_another_file_are_noticed),
	KUNIT_CASE(pages_of_another_place_are_noticed),
	KUNIT_CASE(a_hole_is_no_block_to_read),
	KUNIT_CASE(a_file_that_was_cut_is_too_short),
	KUNIT_CASE(a_dead_lease_is_not_looked_for),
	KUNIT_CASE(what_the_filesystem_denies_is_not_believed),
	KUNIT_CASE(memory_that_is_going_is_not_looked_at),
	{}
};

static struct kunit_suite suite = {
	.name = "resolve",
	.init = init,
	.test_cases = cases,
};

kunit_test_suite(suite);
