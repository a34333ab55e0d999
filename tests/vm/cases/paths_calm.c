// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on a leased file, or on its filesystem, that move no block of it, although one might think so.
 * After each of them the blocks are where they were, the file is still on DAX, the lease is whole, and the
 * holder has heard nothing.
 */
#include "file.h"
#include "harness.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <xfs/xfs.h>

#define LONG_GRACE	(25000 * MS)
#define SIZE		(2 * MIB)

/**
 * struct calm - one of them
 * @name: for messages
 * @fn: the operation: 0 or -errno
 * @want: what it must return; REFUSED: any error
 * @only: a filesystem, or NULL
 */
struct calm {
	const char *name;
	int (*fn)(const struct test *t, int fd, const char *path);
	int want;
	const char *only;
};

#define REFUSED	1

static int ret_of(long ret)
{
	return ret < 0 ? -errno : 0;
}

static int flag(int fd, unsigned int set, unsigned int clear)
{
	unsigned int flags;

	CHECK_SYS(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = (flags | set) & ~clear;
	return ret_of(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

static int xflag(int fd, unsigned int set, unsigned int clear)
{
	struct fsxattr attr;

	CHECK_SYS(ioctl(fd, FS_IOC_FSGETXATTR, &attr));
	attr.fsx_xflags = (attr.fsx_xflags | set) & ~clear;
	return ret_of(ioctl(fd, FS_IOC_FSSETXATTR, &attr));
}

#define CALM(name) static int name(const struct test *t __attribute__((unused)), \
				   int fd __attribute__((unused)), const char *path __attribute__((unused)))

CALM(dax_flag_off)
{
	return xflag(fd, 0, FS_XFLAG_DAX);
}

CALM(dax_flag_on)
{
	return xflag(fd, FS_XFLAG_DAX, 0);
}

CALM(realtime_flag)
{
	return xflag(fd, FS_XFLAG_REALTIME, 0);
}

CALM(cow_extent_size)
{
	struct fsxattr attr;

	CHECK_SYS(ioctl(fd, FS_IOC_FSGETXATTR, &attr));
	attr.fsx_xflags |= FS_XFLAG_COWEXTSIZE;
	attr.fsx_cowextsize = 65536;
	return ret_of(ioctl(fd, FS_IOC_FSSETXATTR, &attr));
}

/* With the DAX flag off, so that it is not that which refuses; the inode in memory is still on DAX */
CALM(journal_data)
{
	return flag(fd, FS_JOURNAL_DATA_FL, 0);
}

CALM(extents_off)
{
	return flag(fd, 0, FS_EXTENT_FL);
}

CALM(extents_on)
{
	return flag(fd, FS_EXTENT_FL, 0);
}

CALM(noatime_on)
{
	return flag(fd, FS_NOATIME_FL, 0);
}

CALM(verity)
{
	struct fsverity_enable_arg arg = { .version = 1, .hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
					   .block_size = PAGE };
	int ro = CHECK_SYS(open(path, O_RDONLY | O_CLOEXEC));
	int ret = ret_of(ioctl(ro, FS_IOC_ENABLE_VERITY, &arg));

	close(ro);
	return ret;
}

CALM(encryption)
{
	struct fscrypt_policy_v2 policy = { .version = FSCRYPT_POLICY_V2,
					    .contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
					    .filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS };

	return ret_of(ioctl(fd, FS_IOC_SET_ENCRYPTION_POLICY, &policy));
}

CALM(swap_file)
{
	return ret_of(swapon(path, 0));
}

CALM(trim)
{
	struct fstrim_range range = { .len = UINT64_MAX };

	return ret_of(ioctl(fd, FITRIM, &range));
}

CALM(migrate)
{
	return ret_of(ioctl(fd, _IO('f', 9)));		/* EXT4_IOC_MIGRATE: to extents, which it has */
}

CALM(allocate_delayed)
{
	return ret_of(ioctl(fd, _IO('f', 12)));		/* EXT4_IOC_ALLOC_DA_BLKS */
}

CALM(forget_extents)
{
	return ret_of(ioctl(fd, _IO('f', 40)));		/* EXT4_IOC_CLEAR_ES_CACHE */
}

CALM(checkpoint)
{
	uint32_t flags = 0;

	return ret_of(ioctl(fd, _IOW('f', 43, uint32_t), &flags));	/* EXT4_IOC_CHECKPOINT */
}

CALM(grow)
{
	return shell("%s >/dev/null 2>&1", *t->fs == 'x' ? "xfs_growfs -D 104448 /mnt/dax" :
		     "resize2fs /dev/pmem0 408M") ? -EIO : 0;
}

/* XFS gives back only what is free at the end, and does not move anything to make room */
CALM(shrink)
{
	return shell("xfs_growfs -D 51200 /mnt/dax >/dev/null 2>&1") ? -EIO : 0;
}

CALM(free_eofblocks)
{
	struct xfs_fs_eofblocks eof = { .eof_version = XFS_EOFBLOCKS_VERSION, .eof_flags = XFS_EOF_FLAGS_SYNC };

	return ret_of(ioctl(fd, XFS_IOC_FREE_EOFBLOCKS, &eof));
}

CALM(allocate)
{
	return ret_of(fallocate(fd, 0, 0, 2 * SIZE));
}

CALM(overwrite)
{
	char buf[PAGE] = "";

	return pwrite(fd, buf, PAGE, 3 * PAGE) == (ssize_t)PAGE ? ret_of(fsync(fd)) : -errno;
}

CALM(append_and_cut)
{
	int ret = ret_of(pwrite(fd, "tail", 4, 2 * SIZE + 100) - 4);

	return ret ?: ret_of(ftruncate(fd, 2 * SIZE));
}

CALM(attributes)
{
	static char value[3000];

	memset(value, 'v', sizeof(value));
	return ret_of(fsetxattr(fd, "user.large", value, sizeof(value), 0));
}

CALM(drop_caches)
{
	sync();
	return write_text("/proc/sys/vm/drop_caches", "3");
}

CALM(advice)
{
	static const int advices[] = { MADV_DONTNEED, MADV_PAGEOUT, MADV_COLD, MADV_POPULATE_WRITE };
	void *map = file_map(fd, 0, SIZE);
	int ret = 0;

	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]) && !ret; i++) {
		ret = ret_of(madvise(map, SIZE, advices[i]));
		/* There is nothing to page out */
		ret = ret == -EINVAL && i ? 0 : ret;
	}
	munmap(map, SIZE);
	return ret ?: posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static const struct calm calms[] = {
	{ "DAX flag off", dax_flag_off, 0, NULL },
	{ "data=journal flag", journal_data, -EBUSY, "ext4" },
	{ "DAX flag on", dax_flag_on, 0, NULL },
	{ "realtime flag", realtime_flag, REFUSED, "xfs" },
	{ "cowextsize", cow_extent_size, 0, "xfs" },
	{ "noatime flag", noatime_on, 0, NULL },
	{ "fs-verity", verity, REFUSED, NULL },
	{ "encryption", encryption, REFUSED, NULL },
	{ "swapon", swap_file, -EINVAL, NULL },
	{ "fstrim", trim, REFUSED, NULL },
	{ "EXT4_IOC_MIGRATE", migrate, REFUSED, "ext4" },
	{ "EXT4_IOC_ALLOC_DA_BLKS", allocate_delayed, 0, "ext4" },
	{ "EXT4_IOC_CLEAR_ES_CACHE", forget_extents, 0, "ext4" },
	{ "EXT4_IOC_CHECKPOINT", checkpoint, 0, "ext4" },
	{ "growing the filesystem", grow, 0, NULL },
	{ "shrinking it", shrink, REFUSED, "xfs" },
	{ "XFS_IOC_FREE_EOFBLOCKS", free_eofblocks, 0, "xfs" },
	{ "plain fallocate", allocate, 0, NULL },
	{ "overwrite", overwrite, 0, NULL },
	{ "append and cut", append_and_cut, 0, NULL },
	{ "extended attributes", attributes, 0, NULL },
	{ "dropping caches", drop_caches, 0, NULL },
	{ "madvise and fadvise", advice, 0, NULL },
};

static void check_calm(int ctx, uint64_t id, int fd, uint64_t physical, const char *name)
{
	struct daxlease_event ev;
	struct statx st;

	CHECK_EQ(lease_event(ctx, &ev, 0), 0, "%s broke the lease, reason %u", name, ev.reason);
	CHECK_EQ(lease_state(ctx, id), DAXLEASE_ACTIVE, "%s", name);
	CHECK_EQ(file_physical(fd, 0), physical, "%s moved the file", name);
	CHECK_SYS(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &st));
	CHECK(st.stx_attributes & STATX_ATTR_DAX, "%s: the file is not on DAX any more", name);
}

static void run_calm(const struct test *t, const struct calm *c, int ctx, uint64_t id, int fd, const char *path)
{
	uint64_t physical = file_physical(fd, 0);
	int ret = c->fn(t, fd, path);

	if (c->want == REFUSED)
		CHECK(ret < 0, "%s works", c->name);
	else
		CHECK_RET(ret, c->want, "%s", c->name);
	check_calm(ctx, id, fd, physical, c->name);
}

static void nothing_moves(const struct test *t)
{
	const char *path = path_in(t->dir, "file");
	struct daxlease_acquire a;
	int ctx, fd;

	fd = file_create(path, SIZE, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	for (size_t i = 0; i < sizeof(calms) / sizeof(calms[0]); i++)
		if (!calms[i].only || !strcmp(calms[i].only, t->fs))
			run_calm(t, &calms[i], ctx, a.id, fd, path);
}

/* Only a file of at most 12 blocks can be changed to a block list; its blocks stay, only the list is new */
static void block_list(const struct test *t)
{
	static const struct calm steps[] = {
		{ "extents off", extents_off, 0, NULL },
		{ "extents on", extents_on, 0, NULL },
	};
	const char *path = path_in(t->dir, "file");
	struct daxlease_acquire a;
	int ctx, fd;

	fd = file_create(path, SIZE, 1);
	CHECK_SYS(ftruncate(fd, 12 * PAGE));
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 12 * PAGE, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	for (int i = 0; i < 2; i++)
		run_calm(t, &steps[i], ctx, a.id, fd, path);
	CHECK_PATTERN(fd, 0, 12 * PAGE, 1);
}

const struct testcase paths_calm_cases[] = {
	{ "nothing-else-moves-blocks",
	  "flags, trimming, resizing, caches and the like leave a leased file where it is",
	  nothing_moves, ON_BOTH | NEEDS_CORE, 60 },
	{ "block-list-keeps-blocks",
	  "ext4: changing between extents and a block list leaves a leased file where it is",
	  block_list, ON_EXT4 | NEEDS_CORE, 0 },
	{ 0 }
};
