// SPDX-License-Identifier: GPL-2.0
/* What several commands need: saying why something failed; opening the device and files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libdaxlease.h>

#include "tool.h"

const char *program = "daxlease";

/**
 * fail - say what failed and why
 * @what: the thing that did not work: a file, a lease, an operation
 * @why: the reason, and what to do
 * @err: -errno, or 0 to leave its name out
 *
 * Return: EXIT_ERROR, for a caller to return.
 */
int fail(const char *what, const char *why, int err)
{
	const char *name = err ? strerrorname_np(-err) : NULL;

	fprintf(stderr, "%s: %s: %s%s%s%s\n", program, what, why, name ? " (" : "",
		name ? name : "", name ? ")" : "");
	return EXIT_ERROR;
}

/**
 * fail_system - fail() in the words of the system
 * @what: see there
 * @err: -errno
 *
 * Return: EXIT_ERROR.
 */
int fail_system(const char *what, int err)
{
	return fail(what, strerror(-err), err);
}

/**
 * fail_lease - fail() in the words of the library
 * @what: see there
 * @lease_cmd: for daxlease_explain()
 * @err: -errno
 *
 * Return: EXIT_ERROR.
 */
int fail_lease(const char *what, unsigned int lease_cmd, int err)
{
	return fail(what, daxlease_explain(lease_cmd, err), err);
}

static int fail_open(const char *path, int err)
{
	if (err == -ENOENT)
		return fail(path, "is the module loaded (modprobe daxlease), debugfs mounted?",
			    err);
	if (err == -EACCES)
		return fail(path, "only root may read debugfs", err);
	return fail_system(path, err);
}

/**
 * open_debugfs - open a file of debugfs, or a copy of it, or say why not
 * @path: the file
 *
 * Return: the file, or NULL after a message.
 */
FILE *open_debugfs(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		fail_open(path, -errno);
	return file;
}

/**
 * fail_form - say that a line of a file is not understood
 * @path: the file
 * @line: its number
 *
 * Return: EXIT_ERROR.
 */
int fail_form(const char *path, unsigned int line)
{
	char where[256];

	snprintf(where, sizeof(where), "%s: line %u", path, line);
	return fail(where, "unknown form: use the tool that belongs to the module", 0);
}

/**
 * open_device - open the device, or say why not
 * @ctx: out
 *
 * Return: 0 or EXIT_ERROR.
 */
int open_device(struct daxlease_ctx **ctx)
{
	int ret = daxlease_open(NULL, ctx);

	return ret ? fail_lease(DAXLEASE_DEVICE, 0, ret) : 0;
}

/**
 * open_range - open a file, and find the length of a range in it, or say why not
 * @path: the file
 * @flags: O_RDONLY or O_RDWR
 * @offset: first byte of the range
 * @length: in: bytes, or 0 for all that follows; out: bytes
 *
 * Return: a file descriptor, or -EXIT_ERROR.
 */
int open_range(const char *path, int flags, uint64_t offset, uint64_t *length)
{
	uint64_t end, page = sysconf(_SC_PAGESIZE);
	struct stat st;
	int fd;

	/* O_NONBLOCK: do not wait for the other side of a FIFO only to refuse it. */
	fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -fail_system(path, -errno);
	if (*length)
		return fd;
	if (fstat(fd, &st)) {
		fail_system(path, -errno);
		goto err_close;
	}
	end = st.st_size & ~(page - 1);
	if (end <= offset) {
		fail(path, "there is no whole page after the offset", 0);
		goto err_close;
	}
	*length = end - offset;
	return fd;

err_close:
	close(fd);
	return -EXIT_ERROR;
}
