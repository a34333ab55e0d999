// SPDX-License-Identifier: GPL-2.0
#include "leases.h"
#include "tool.h"

int cmd_list(const struct command *cmd, int argc, char **argv)
{
	const char *path = LEASES_PATH, *operand;
	const struct option_spec specs[] = { LEASES_OPTION(&path), { } };
	struct json_object *records;
	int ret;

	ret = parse_options(cmd, specs, argc, argv, &operand);
	if (ret != PARSED)
		return ret;
	ret = leases_load(path, &records);
	if (!ret)
		leases_print(records);
	return ret;
}
