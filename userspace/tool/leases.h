/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of leases in debugfs. Its form:
 *
 *	# daxlease-leases 1
 *	# id<TAB>kind<TAB>state...
 *	7<TAB>explicit<TAB>active...
 *
 * The first line has the version of the form; the second names the columns, which may come in any
 * order, more of them with a later module; each further line is a lease. Tabs, newlines and
 * backslashes in names of processes are escaped as in C. A field without value is "-" or empty.
 *
 * What is read becomes an array of records, complete and in plain numbers, until it is printed.
 */
#ifndef DAXLEASE_LEASES_H
#define DAXLEASE_LEASES_H

#include <stdio.h>

#include <sys/types.h>

#include <json-c/json.h>

#define LEASES_PATH	"/sys/kernel/debug/daxlease/leases"
#define LEASES_OPTION(path) \
	{ "from", OPTION_TEXT, path, "a copy of the table; default: " LEASES_PATH, NULL }

int leases_read(FILE *table, struct json_object **records, unsigned int *line);
int leases_load(const char *path, struct json_object **records);
const char *leases_text(struct json_object *lease, const char *name);
uint64_t leases_number(struct json_object *lease, const char *name);
struct json_object *leases_holding(struct json_object *records, dev_t dev, ino_t ino);
struct json_object *leases_for_people(struct json_object *records);
void leases_print(struct json_object *records);

#endif /* DAXLEASE_LEASES_H */
