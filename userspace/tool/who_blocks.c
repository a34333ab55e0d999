// SPDX-License-Identifier: GPL-2.0
/* Who blocks an operation on a file: the leases on it, by its device and inode numbers. */
#include <errno.h>
#include <sys/stat.h>

#include "leases.h"
#include "tool.h"

static int who_blocks(const char *table, const char *path)
{
	struct json_object *records, *found;
	struct stat st;
	int ret;

	if (stat(path, &st))
		return fail_system(path, -errno);
	if (!S_ISREG(st.st_mode))
		return fail(path, "only regular files can be leased: name the file itself", 0);
	ret = leases_load(table, &records);
	if (ret)
		return ret;
	found = leases_holding(records, st.st_dev, st.st_ino);
	json_object_put(records);
	if (!found)
		return fail_form(table, 2);
	ret = json_object_array_length(found) ? EXIT_BLOCKED : EXIT_OK;
	leases_print(found);
	return ret;
}

int cmd_who_blocks(const struct command *cmd, int argc, char **argv)
{
	const char *table = LEASES_PATH, *path;
	const struct option_spec specs[] = { LEASES_OPTION(&table), { } };
	int ret;

	ret = parse_options(cmd, specs, argc, argv, &path);
	return ret == PARSED ? who_blocks(table, path) : ret;
}
