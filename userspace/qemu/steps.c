// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "steps.h"

/**
 * put_span - a span of time; in text, in milliseconds to the microsecond, so that columns of them can be read
 * @record: the record
 * @name: the field, ending in _ns
 * @ns: the time
 */
void put_span(struct json_object *record, const char *name, uint64_t ns)
{
	char bare[64], text[64];

	if (output_is_json()) {
		put_number(record, name, ns);
		return;
	}
	snprintf(bare, sizeof(bare), "%.*s", (int)(strlen(name) - strlen("_ns")), name);
	snprintf(text, sizeof(text), "%" PRIu64 ".%03" PRIu64 "ms", ns / 1000000, ns / 1000 % 1000);
	put_text(record, bare, text);
}

/**
 * step - begin a record of the log
 * @name: of the step
 * @since_ns: when the episode began, CLOCK_MONOTONIC; 0: none
 *
 * Return: the record, for record_print_line().
 */
struct json_object *step(const char *name, uint64_t since_ns)
{
	struct json_object *record = record_event(name);
	uint64_t now = now_ns();

	put_span(record, "at_ns", now);
	if (since_ns)
		put_span(record, "since_ns", now > since_ns ? now - since_ns : 0);
	return record;
}
