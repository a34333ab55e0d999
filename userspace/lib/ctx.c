// SPDX-License-Identifier: LGPL-2.1-or-later
/* Opening and closing the device, and the way of every ioctl. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ctx.h"
#include "syscall.h"

/**
 * daxlease_ctx_ioctl - one ioctl with a sized structure
 * @ctx: the context
 * @request: DAXLEASE_*
 * @arg: the structure; its first member, size, is set here
 * @size: bytes of @arg that may be read and written
 *
 * Return: what the kernel returned, or -errno; -EINVAL for a @size no structure can have.
 */
int daxlease_ctx_ioctl(struct daxlease_ctx *ctx, unsigned long request, void *arg, size_t size)
{
	if (size < 2 * sizeof(uint32_t) || size > UINT32_MAX)
		return -EINVAL;
	*(uint32_t *)arg = size;
	return daxlease_sys_ioctl(ctx->fd, request, arg);
}

static int ctx_new(int fd, struct daxlease_ctx **ctx)
{
	struct daxlease_ctx *new = malloc(sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->fd = fd;
	*ctx = new;
	return 0;
}

/**
 * daxlease_open - open the device
 * @path: its node, or NULL for DAXLEASE_DEVICE
 * @ctx: out: the context, for daxlease_close(); not touched on error
 *
 * The descriptor is close-on-exec and non-blocking.
 *
 * Return: 0; -ENOENT without a loaded module; -EACCES; another -errno of open(2); -ENOMEM.
 */
int daxlease_open(const char *path, struct daxlease_ctx **ctx)
{
	int fd, ret;

	fd = daxlease_sys_open(path ? path : DAXLEASE_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fd;
	ret = ctx_new(fd, ctx);
	if (ret)
		daxlease_sys_close(fd);
	return ret;
}

/**
 * daxlease_from_fd - make a context of a descriptor, for instance one passed over a socket
 * @fd: an open /dev/daxlease. On success it belongs to the context; on error to the caller still
 * @ctx: out: the context, for daxlease_close(); not touched on error
 *
 * Sets O_NONBLOCK, which all duplicates of @fd share.
 *
 * Return: 0; -EBADF; -ENOTTY if @fd is something else; -ENOMEM.
 */
int daxlease_from_fd(int fd, struct daxlease_ctx **ctx)
{
	struct daxlease_ctx probe = { .fd = fd };
	struct daxlease_info info;
	int ret;

	ret = daxlease_get_info(&probe, &info, sizeof(info));
	if (ret)
		return ret;
	ret = daxlease_sys_set_nonblock(fd);
	if (ret)
		return ret;
	return ctx_new(fd, ctx);
}

/**
 * daxlease_close - close the descriptor and free the context
 * @ctx: the context, or NULL
 *
 * Releases the explicit leases and ends the watches, unless a duplicate of the descriptor is open
 * elsewhere. Does not wait for other user space.
 */
void daxlease_close(struct daxlease_ctx *ctx)
{
	if (!ctx)
		return;
	daxlease_sys_close(ctx->fd);
	free(ctx);
}

/**
 * daxlease_fd - the descriptor, for poll(2) and its relatives
 * @ctx: the context, which goes on owning it
 *
 * Readable when daxlease_next_event() has something to return: the library buffers no events.
 *
 * Return: the descriptor.
 */
int daxlease_fd(const struct daxlease_ctx *ctx)
{
	return ctx->fd;
}

/**
 * daxlease_get_info - what the module can do
 * @ctx: the context
 * @info: out
 * @size: sizeof(*info)
 *
 * Return: 0 or -errno.
 */
int daxlease_get_info(struct daxlease_ctx *ctx, struct daxlease_info *info, size_t size)
{
	memset(info, 0, size);
	return daxlease_ctx_ioctl(ctx, DAXLEASE_INFO, info, size);
}
