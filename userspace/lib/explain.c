// SPDX-License-Identifier: LGPL-2.1-or-later
/* What an errno means for leases, and what to do about it. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "ctx.h"

#define ANY	UINT_MAX	/* any ioctl, but not opening the device */
#define OPEN	0

/* The first row that fits counts: a command's own rows stand above those for any. */
static const struct {
	unsigned int cmd;
	int err;
	const char *text;
} explanations[] = {
	{ OPEN, ENOENT, "the device is missing: is the module loaded? (modprobe daxlease)" },
	{ OPEN, ENXIO, "the device has no driver: load the module (modprobe daxlease)" },
	{ OPEN, ENODEV, "the device has no driver: load the module (modprobe daxlease)" },
	{ OPEN, EACCES, "no permission to open the device: be root or a member of group daxlease" },
	{ OPEN, ENOTTY, "this is not the daxlease device" },

	{ DAXLEASE_CMD_INFO, ENOTTY, "this is not the daxlease device" },

	{ DAXLEASE_CMD_ACQUIRE, EINVAL,
	  "the range must be whole pages, and the file must have them in full" },
	{ DAXLEASE_CMD_ACQUIRE, EOPNOTSUPP,
	  "only regular files in DAX mode (mount -o dax, chattr +x), on ext4 or XFS, not on device "
	  "mapper, realtime device or overlayfs, no swap files" },
	{ DAXLEASE_CMD_ACQUIRE, EBADF,
	  "the file is not open for the access asked for: a write lease needs O_RDWR" },
	{ DAXLEASE_CMD_ACQUIRE, EACCES,
	  "only the owner of the file, or a process with CAP_LEASE, may lease it" },
	{ DAXLEASE_CMD_ACQUIRE, EPERM, "a grace above the limit needs CAP_LEASE: ask for less" },
	{ DAXLEASE_CMD_ACQUIRE, EAGAIN,
	  "an operation on the range is under way: try again, or wait (DAXLEASE_WAIT, --wait)" },
	{ DAXLEASE_CMD_ACQUIRE, EFAULT,
	  "the filesystem cannot provide a page of the range (is it full?), or a bad pointer" },
	{ DAXLEASE_CMD_ACQUIRE, ENOSPC,
	  "too many leases: release some, or raise the limits of the module (modinfo daxlease)" },

	{ DAXLEASE_CMD_RELEASE, EBUSY, "an implicit lease ends with its mapping: unmap it" },

	{ DAXLEASE_CMD_ACK, ESTALE, "the break or the generation is over: nothing is left to do" },

	{ DAXLEASE_CMD_REARM, EAGAIN,
	  "the operation that broke the range has not returned, or the lease is busy: try again, at "
	  "the latest with the cleared event" },
	{ DAXLEASE_CMD_REARM, EACCES, "the file may not be opened by you any more" },
	{ DAXLEASE_CMD_REARM, EFAULT,
	  "the filesystem cannot provide a page of the range (is it full?), or a bad pointer" },

	{ DAXLEASE_CMD_FLUSH, ESTALE, "a part of the range is lost: re-arm it first" },

	{ DAXLEASE_CMD_EXPORT_DMABUF, EACCES, "a dma-buf of a read lease cannot be written" },
	{ DAXLEASE_CMD_EXPORT_DMABUF, EOPNOTSUPP,
	  "the lease is that of a mapping: lease the range itself, and export that" },
	{ DAXLEASE_CMD_EXPORT_DMABUF, EKEYREVOKED,
	  "a part of the range is lost: re-arm the lease, or take another" },

	{ DAXLEASE_CMD_WATCH, EACCES,
	  "the process may not be traced by you: be its user, or have CAP_SYS_PTRACE" },
	{ DAXLEASE_CMD_WATCH, EPERM,
	  "a grace above the limit needs CAP_LEASE, watching all processes CAP_SYS_ADMIN" },
	{ DAXLEASE_CMD_WATCH, ESRCH, "the process has exited" },
	{ DAXLEASE_CMD_WATCH, EBADF, "not a pidfd" },
	{ DAXLEASE_CMD_WATCH, ENOSPC,
	  "too many watches: close some contexts, or raise the limit of the module (modinfo daxlease)" },

	{ DAXLEASE_CMD_BREAK, EACCES,
	  "only the owner of the file, or a process with CAP_LEASE, may break its leases" },
	{ DAXLEASE_CMD_BREAK, EBADF, "the file is not open for writing" },
	{ DAXLEASE_CMD_BREAK, EINVAL, "the range must be whole pages" },
	{ DAXLEASE_CMD_BREAK, EOPNOTSUPP,
	  "this file cannot have leases: it is not a regular file in DAX mode on ext4 or XFS" },

	{ ANY, EINVAL, "a bad range, an unknown flag, or a reserved member that is not zero" },
	{ ANY, E2BIG, "the module is older than this program: use what belongs to it" },
	{ ANY, EFAULT, "a pointer to memory that cannot be used" },
	{ ANY, ENOTTY, "not the daxlease device, or its module is older than this program" },
	{ ANY, EOPNOTSUPP, "this module cannot do it: see its capabilities (daxlease info)" },
	{ ANY, EBADF, "not an open file, or not open for the access asked for" },
	{ ANY, EISDIR, "a directory cannot be leased: name a file" },
	{ ANY, ENODEV,
	  "the module cannot guard files on this kernel, or the memory is being removed: the kernel log "
	  "says why (dmesg)" },
	{ ANY, ENOENT, "there is no such lease in this context" },
	{ ANY, ENODATA,
	  "the range has holes or unwritten blocks: write it, or take a write lease" },
	{ ANY, EMLINK,
	  "blocks are shared with another file: take a write lease, which unshares them" },
	{ ANY, EAGAIN, "something is in the way for now: try again" },
	{ ANY, EHWPOISON,
	  "memory of the range has failed: overwrite it (write(2)) or punch it, and try again" },
	{ ANY, ESTALE, "the generation of the lease is over" },
};

/**
 * daxlease_explain - what an error means for leases
 * @cmd: the DAXLEASE_CMD_* that failed, or 0 for daxlease_open() and daxlease_from_fd()
 * @err: the error, negative as returned or positive
 *
 * Return: a constant string, never NULL, without full stop; for errors that have no meaning
 * special to leases, what strerror(3) says in the C locale.
 */
const char *daxlease_explain(unsigned int cmd, int err)
{
	const char *text;

	if (err < 0 && err != INT_MIN)
		err = -err;
	for (size_t i = 0; i < ARRAY_SIZE(explanations); i++) {
		if (explanations[i].err != err)
			continue;
		if (explanations[i].cmd == cmd || (cmd != OPEN && explanations[i].cmd == ANY))
			return explanations[i].text;
	}
	text = strerrordesc_np(err);
	return text ? text : "unknown error";
}
