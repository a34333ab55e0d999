// SPDX-License-Identifier: GPL-2.0
/*
 * Counts over the table of leases, and the counters of the module as they are: lines "name value",
 * and "hook NAME 0|1" for each function that is, or could be, redirected.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leases.h"
#include "output.h"
#include "parse.h"
#include "tool.h"

#define HOOKS_PATH	"/sys/kernel/debug/daxlease/hooks"

/* Returns 0, or EXIT_ERROR for a line that makes no sense. */
static int put_counter(struct json_object *record, struct json_object *hooks, char *line)
{
	char *name = strsep(&line, " "), *text = strsep(&line, " ");
	bool is_hook = !strcmp(name, "hook");
	uint64_t value;

	if (is_hook) {
		name = text;
		text = strsep(&line, " ");
	}
	if (!name || !*name || !text || line || parse_number(text, &value))
		return EXIT_ERROR;
	if (!is_hook)
		put_number(record, name, value);
	else if (value)
		add_text(hooks, name);
	return 0;
}

static int put_counters(struct json_object *record, const char *path)
{
	FILE *file = open_debugfs(path);
	struct json_object *hooks;
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	int ret = 0;

	if (!file)
		return EXIT_ERROR;
	hooks = put_list(record, "hooks");
	while (!ret && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		number++;
		if (put_counter(record, hooks, line))
			ret = fail_form(path, number);
	}
	if (!ret && ferror(file))
		ret = fail(path, "could not be read", 0);
	free(line);
	fclose(file);
	return ret;
}

/* How many leases of @records have @text in the column @name. */
static uint64_t count(struct json_object *records, const char *name, const char *text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < json_object_array_length(records); i++)
		n += !strcmp(leases_text(json_object_array_get_idx(records, i), name), text);
	return n;
}

static uint64_t sum(struct json_object *records, const char *name)
{
	uint64_t n = 0;

	for (size_t i = 0; i < json_object_array_length(records); i++)
		n += leases_number(json_object_array_get_idx(records, i), name);
	return n;
}

/* How many different pairs of @first and @second (or of @first alone) there are. */
static uint64_t distinct(struct json_object *records, const char *first, const char *second)
{
	struct json_object *seen = json_object_new_object();
	char key[256];
	uint64_t n;

	for (size_t i = 0; i < json_object_array_length(records); i++) {
		struct json_object *lease = json_object_array_get_idx(records, i);

		snprintf(key, sizeof(key), "%s %s", leases_text(lease, first),
			 second ? leases_text(lease, second) : "");
		json_object_object_add(seen, key, NULL);
	}
	n = json_object_object_length(seen);
	json_object_put(seen);
	return n;
}

static void put_counts(struct json_object *record, struct json_object *leases)
{
	put_number(record, "leases", json_object_array_length(leases));
	put_number(record, "explicit", count(leases, "kind", "explicit"));
	put_number(record, "implicit", count(leases, "kind", "implicit"));
	put_number(record, "active", count(leases, "state", "active"));
	put_number(record, "breaking", count(leases, "state", "breaking"));
	put_number(record, "revoked", count(leases, "state", "revoked"));
	put_number(record, "files", distinct(leases, "dev", "ino"));
	put_number(record, "holders", distinct(leases, "pid", NULL));
	put_bytes(record, "length", sum(leases, "length"));
	put_number(record, "granules", sum(leases, "granules"));
	put_number(record, "lost", sum(leases, "lost"));
}

static int stats(const char *table, const char *counters)
{
	struct json_object *leases, *record;
	int ret;

	ret = leases_load(table, &leases);
	if (ret)
		return ret;
	record = record_new();
	/* The table's count comes second: it is the one that the other counts add up to. */
	ret = put_counters(record, counters);
	if (!ret)
		put_counts(record, leases);
	json_object_put(leases);
	if (ret)
		json_object_put(record);
	else
		record_print_block(record);
	return ret;
}

int cmd_stats(const struct command *cmd, int argc, char **argv)
{
	const char *table = LEASES_PATH, *counters = HOOKS_PATH, *operand;
	const struct option_spec specs[] = {
		LEASES_OPTION(&table),
		{ "hooks", OPTION_TEXT, &counters, "a copy of the counters; default: " HOOKS_PATH,
		  NULL },
		{ }
	};
	int ret;

	ret = parse_options(cmd, specs, argc, argv, &operand);
	return ret == PARSED ? stats(table, counters) : ret;
}
