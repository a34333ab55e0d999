// SPDX-License-Identifier: GPL-2.0
/*
 * The file operations a breaker can make; breaker.h lists them.
 */
#include "breaker.h"
#include "held.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xfs/xfs.h>

static int ret_of(long ret)
{
	return ret < 0 ? -errno : 0;
}

static int op_fallocate(int fd, const struct op *op)
{
	static const int modes[] = {
		[OP_PUNCH] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		[OP_ZERO] = FALLOC_FL_ZERO_RANGE,
		[OP_COLLAPSE] = FALLOC_FL_COLLAPSE_RANGE,
		[OP_INSERT] = FALLOC_FL_INSERT_RANGE,
		[OP_UNSHARE] = FALLOC_FL_UNSHARE_RANGE,
		[OP_ALLOCATE] = 0,
	};

	return ret_of(fallocate(fd, modes[op->kind], op->offset, op->length));
}

static int op_copy(int fd, const struct op *op)
{
	char *buf = calloc(1, op->length ?: 1);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	if (op->kind == OP_WRITE)
		n = pwrite(fd, buf, op->length, op->offset);
	else
		n = pread(fd, buf, op->length, op->offset);
	free(buf);
	if (n < 0)
		return -errno;
	return n == (ssize_t)op->length ? 0 : -ENODATA;
}

static int op_clone(int fd, int other, const struct op *op)
{
	struct file_clone_range range = {
		.src_fd = fd, .src_offset = op->offset, .src_length = op->length, .dest_offset = op->offset,
	};

	return ret_of(op->length ? ioctl(other, FICLONERANGE, &range) : ioctl(other, FICLONE, fd));
}

static int op_swapext(int fd, int other)
{
	struct xfs_swapext swap = { .sx_fdtarget = fd, .sx_fdtmp = other };
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	/* The kernel compares these with the target: it must not have changed since */
	swap.sx_length = st.st_size;
	swap.sx_stat.bs_ino = st.st_ino;
	swap.sx_stat.bs_size = st.st_size;
	swap.sx_stat.bs_mtime.tv_sec = st.st_mtim.tv_sec;
	swap.sx_stat.bs_mtime.tv_nsec = st.st_mtim.tv_nsec;
	swap.sx_stat.bs_ctime.tv_sec = st.st_ctim.tv_sec;
	swap.sx_stat.bs_ctime.tv_nsec = st.st_ctim.tv_nsec;
	return ret_of(ioctl(fd, XFS_IOC_SWAPEXT, &swap));
}

static int op_map(int fd, const struct op *op)
{
	struct vfio v = { .container = atoi(op->other) };
	void *map = mmap(NULL, op->length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, op->offset);

	return map == MAP_FAILED ? -errno : vfio_map(&v, map, HELD_IOVA + op->offset, op->length, VFIO_RW);
}

static int op_on_open_file(int fd, const struct op *op)
{
	int other, ret;

	switch (op->kind) {
	case OP_PUNCH: case OP_ZERO: case OP_COLLAPSE: case OP_INSERT: case OP_UNSHARE: case OP_ALLOCATE:
		return op_fallocate(fd, op);
	case OP_WRITE: case OP_READ:
		return op_copy(fd, op);
	case OP_FSYNC:
		return ret_of(fsync(fd));
	case OP_MAP:
		return op_map(fd, op);
	default:
		break;
	}
	other = open(op->other, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (other < 0)
		return -errno;
	ret = op->kind == OP_CLONE ? op_clone(fd, other, op) : op_swapext(fd, other);
	close(other);
	return ret;
}

int op_do(const struct op *op)
{
	int fd, ret;

	switch (op->kind) {
	case OP_TRUNCATE:
		return ret_of(truncate(op->path, op->offset));
	case OP_RENAME:
		return ret_of(rename(op->path, op->other));
	case OP_UNLINK:
		return ret_of(unlink(op->path));
	case OP_OPEN_TRUNC:
		fd = open(op->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		break;
	case OP_CREATE:
		fd = open(op->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		break;
	default:
		fd = open(op->path, (op->kind == OP_READ || op->kind == OP_CLONE ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		break;
	}
	if (fd < 0)
		return -errno;
	ret = op->kind == OP_OPEN_TRUNC || op->kind == OP_CREATE ? 0 : op_on_open_file(fd, op);
	close(fd);
	return ret;
}
