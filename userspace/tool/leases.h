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
 */
#ifndef DAXLEASE_LEASES_H
#define DAXLEASE_LEASES_H

#include <stdio.h>

#include <json-c/json.h>

#define LEASES_PATH	"/sys/kernel/debug/daxlease/leases"

int leases_read(FILE *table, struct json_object **records, unsigned int *line);

#endif /* DAXLEASE_LEASES_H */
