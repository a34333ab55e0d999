// SPDX-License-Identifier: LGPL-2.1-or-later
/* What others do: speak for the implicit leases of a process, start a break by hand. */
#include "ctx.h"
#include "syscall.h"

static int watch(struct daxlease_ctx *ctx, uint32_t flags, int pidfd, uint64_t grace_ns)
{
	struct daxlease_watch args = { .flags = flags, .pidfd = pidfd, .grace_ns = grace_ns };

	return daxlease_ctx_ioctl(ctx, DAXLEASE_WATCH, &args, sizeof(args));
}

/**
 * daxlease_watch_pidfd - speak for the implicit leases of a process
 * @ctx: the context that will get their events, until it is closed
 * @pidfd: the process; needed only during the call
 * @grace_ns: their grace from now on; 0: the default. Of several watchers' the longest counts
 *
 * Return: 0; -EACCES unless the caller may ptrace(2) the process or is it; -ESRCH if it has exited;
 * -EPERM for a grace above the limit; another -errno.
 */
int daxlease_watch_pidfd(struct daxlease_ctx *ctx, int pidfd, uint64_t grace_ns)
{
	return watch(ctx, 0, pidfd, grace_ns);
}

/**
 * daxlease_watch_pid - daxlease_watch_pidfd() by number
 * @ctx: see there
 * @pid: the process. Numbers are reused: be its parent, or hold a pidfd and use that
 * @grace_ns: see there
 *
 * Return: as daxlease_watch_pidfd(), or -errno of pidfd_open(2).
 */
int daxlease_watch_pid(struct daxlease_ctx *ctx, pid_t pid, uint64_t grace_ns)
{
	int pidfd, ret;

	pidfd = daxlease_sys_pidfd_open(pid);
	if (pidfd < 0)
		return pidfd;
	ret = daxlease_watch_pidfd(ctx, pidfd, grace_ns);
	daxlease_sys_close(pidfd);
	return ret;
}

/**
 * daxlease_watch_all - speak for the implicit leases of all processes
 * @ctx: see daxlease_watch_pidfd()
 * @grace_ns: see there
 *
 * Return: 0; -EPERM without CAP_SYS_ADMIN; -EOPNOTSUPP without DAXLEASE_CAP_WATCH_ALL; another
 * -errno.
 */
int daxlease_watch_all(struct daxlease_ctx *ctx, uint64_t grace_ns)
{
	return watch(ctx, DAXLEASE_WATCH_ALL, -1, grace_ns);
}

/**
 * daxlease_break_range - start a break by hand
 * @ctx: the context
 * @fd: the file, open for writing
 * @offset: first byte, a multiple of the page size
 * @length: bytes, a multiple of the page size
 * @leases: out: how many leases were hit, or NULL; not touched on error
 *
 * Does not wait for the leases to be fenced.
 *
 * Return: 0; -EACCES for another's file; -EBADF; -EINVAL; another -errno.
 */
int daxlease_break_range(struct daxlease_ctx *ctx, int fd, uint64_t offset, uint64_t length,
			 uint64_t *leases)
{
	struct daxlease_break args = { .fd = fd, .offset = offset, .length = length };
	int ret;

	ret = daxlease_ctx_ioctl(ctx, DAXLEASE_BREAK, &args, sizeof(args));
	if (!ret && leases)
		*leases = args.leases;
	return ret;
}
