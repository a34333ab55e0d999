// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>

#include "leases.h"
#include "output.h"
#include "tool.h"

static int fail_open(const char *path, int err)
{
	if (err == -ENOENT)
		return fail(path, "is the module loaded (modprobe daxlease), debugfs mounted?",
			    err);
	if (err == -EACCES)
		return fail(path, "only root may read debugfs", err);
	return fail_system(path, err);
}

static int list(const char *path)
{
	struct json_object *records;
	unsigned int line;
	char where[256];
	FILE *table;
	int ret;

	table = fopen(path, "re");
	if (!table)
		return fail_open(path, -errno);
	ret = leases_read(table, &records, &line);
	fclose(table);
	if (ret == -EPROTO) {
		snprintf(where, sizeof(where), "%s: line %u", path, line);
		return fail(where, "unknown form: use the tool that belongs to the module", 0);
	}
	if (ret)
		return fail_system(path, ret);
	records_print_table(records);
	return EXIT_OK;
}

int cmd_list(const struct command *cmd, int argc, char **argv)
{
	const char *path = LEASES_PATH, *operand;
	const struct option_spec specs[] = {
		{ "from", OPTION_TEXT, &path, "a copy of the table; default: " LEASES_PATH, NULL },
		{ }
	};
	int ret;

	ret = parse_options(cmd, specs, argc, argv, &operand);
	return ret == PARSED ? list(path) : ret;
}
