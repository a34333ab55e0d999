// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <unistd.h>

#include <libdaxlease.h>

#include "output.h"
#include "tool.h"

static int break_leases(const char *path, uint64_t offset, uint64_t length)
{
	struct daxlease_ctx *ctx;
	struct json_object *record;
	uint64_t leases;
	int fd, ret;

	fd = open_range(path, O_RDWR, offset, &length);
	if (fd < 0)
		return -fd;
	ret = open_device(&ctx);
	if (ret)
		goto out_close;
	ret = daxlease_break_range(ctx, fd, offset, length, &leases);
	daxlease_close(ctx);
	if (ret) {
		ret = fail_lease(path, DAXLEASE_CMD_BREAK, ret);
		goto out_close;
	}
	record = record_new();
	put_number(record, "leases", leases);
	put_bytes(record, "offset", offset);
	put_bytes(record, "length", length);
	record_print_block(record);
out_close:
	close(fd);
	return ret;
}

int cmd_break(const struct command *cmd, int argc, char **argv)
{
	uint64_t offset = 0, length = 0;
	const struct option_spec specs[] = {
		{ "offset", OPTION_BYTES, &offset, "first byte; default 0", NULL },
		{ "length", OPTION_BYTES, &length, "default: to the last whole page", NULL },
		{ }
	};
	const char *path;
	int ret;

	ret = parse_options(cmd, specs, argc, argv, &path);
	return ret == PARSED ? break_leases(path, offset, length) : ret;
}
