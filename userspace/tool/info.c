// SPDX-License-Identifier: GPL-2.0
#include <libdaxlease.h>

#include "output.h"
#include "tool.h"

int cmd_info(const struct command *cmd, int argc, char **argv)
{
	const struct option_spec specs[] = { { } };
	struct daxlease_info info;
	struct daxlease_ctx *ctx;
	struct json_object *record;
	const char *operand;
	int ret;

	ret = parse_options(cmd, specs, argc, argv, &operand);
	if (ret != PARSED)
		return ret;
	ret = open_device(&ctx);
	if (ret)
		return ret;
	ret = daxlease_get_info(ctx, &info, sizeof(info));
	daxlease_close(ctx);
	if (ret)
		return fail_lease(DAXLEASE_DEVICE, DAXLEASE_CMD_INFO, ret);

	record = record_new();
	put_bits(record, "capabilities", info.capabilities, daxlease_capability_name);
	put_bytes(record, "granule", info.granule);
	put_time(record, "grace_default_ns", info.grace_default_ns);
	put_time(record, "grace_max_ns", info.grace_max_ns);
	record_print_block(record);
	return EXIT_OK;
}
