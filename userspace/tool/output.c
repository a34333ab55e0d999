// SPDX-License-Identifier: GPL-2.0
/* Records are json-c objects in both forms: what a field looks like is decided when it is put. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "output.h"
#include "parse.h"

#define TEXT_LEN	256

static bool json;

/**
 * output_set_json - choose between JSON and text, before the first record
 * @on: JSON
 */
void output_set_json(bool on)
{
	json = on;
}

/**
 * output_is_json - the choice
 *
 * Return: true for JSON.
 */
bool output_is_json(void)
{
	return json;
}

/**
 * now_ns - the time
 *
 * Return: CLOCK_MONOTONIC in nanoseconds.
 */
uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/**
 * record_new - an empty record
 *
 * Return: the record, for one of the print functions, which free it.
 */
struct json_object *record_new(void)
{
	return json_object_new_object();
}

/**
 * record_event - a record of something that happened
 * @event: what; in text, it opens the line
 *
 * Return: as record_new().
 */
struct json_object *record_event(const char *event)
{
	struct json_object *record = record_new();

	put_text(record, "event", event);
	return record;
}

/**
 * put_text - a string that may come from anybody
 * @record: the record
 * @name: the field
 * @text: the string; bytes that are not printable ASCII appear as \ooo
 */
void put_text(struct json_object *record, const char *name, const char *text)
{
	char clean[TEXT_LEN];
	size_t n = 0;

	for (; *text && n + 5 < sizeof(clean); text++) {
		unsigned char c = *text;

		if (c >= 0x20 && c < 0x7f)
			clean[n++] = c;
		else
			n += snprintf(clean + n, sizeof(clean) - n, "\\%03o", c);
	}
	clean[n] = '\0';
	json_object_object_add(record, name, json_object_new_string(clean));
}

/**
 * put_name - a value that has a name
 * @record: the record
 * @name: the field
 * @value: the value
 * @text: its name, or NULL if it is not known here
 */
void put_name(struct json_object *record, const char *name, uint64_t value, const char *text)
{
	if (text)
		put_text(record, name, text);
	else
		put_number(record, name, value);
}

/**
 * put_number - a number without a unit
 * @record: the record
 * @name: the field
 * @value: the number
 */
void put_number(struct json_object *record, const char *name, uint64_t value)
{
	json_object_object_add(record, name, json_object_new_uint64(value));
}

/**
 * put_bytes - an offset or a length
 * @record: the record
 * @name: the field
 * @bytes: the number
 */
void put_bytes(struct json_object *record, const char *name, uint64_t bytes)
{
	char buf[NUMBER_LEN];

	if (json) {
		put_number(record, name, bytes);
	} else {
		format_bytes(bytes, buf);
		put_text(record, name, buf);
	}
}

/* The text has its unit, so the name need not. */
static void put_with_unit(struct json_object *record, const char *name, const char *text)
{
	char bare[TEXT_LEN];
	size_t len = strlen(name);

	if (len > 3 && !strcmp(name + len - 3, "_ns"))
		len -= 3;
	snprintf(bare, sizeof(bare), "%.*s", (int)len, name);
	put_text(record, bare, text);
}

/**
 * put_time - a span of time
 * @record: the record
 * @name: the field, ending in _ns
 * @ns: the time
 */
void put_time(struct json_object *record, const char *name, uint64_t ns)
{
	char buf[NUMBER_LEN];

	if (json) {
		put_number(record, name, ns);
	} else {
		format_time(ns, buf);
		put_with_unit(record, name, buf);
	}
}

/**
 * put_clock - a point in time; in text, relative to now
 * @record: the record
 * @name: the field, ending in _ns
 * @ns: CLOCK_MONOTONIC, or 0 for none
 */
void put_clock(struct json_object *record, const char *name, uint64_t ns)
{
	char buf[NUMBER_LEN];

	if (json) {
		put_number(record, name, ns);
	} else {
		format_clock(ns, now_ns(), buf);
		put_with_unit(record, name, buf);
	}
}

/**
 * put_bits - the names of the bits that are set
 * @record: the record
 * @name: the field
 * @bits: the bits
 * @bit_name: name of a bit; NULL from it: not known here, shown by its number
 */
void put_bits(struct json_object *record, const char *name, uint64_t bits, bit_name_fn bit_name)
{
	struct json_object *names = json_object_new_array();
	char number[NUMBER_LEN];

	for (unsigned int n = 0; n < 64; n++) {
		const char *text = bit_name(1ULL << n);

		if (!(bits & 1ULL << n))
			continue;
		snprintf(number, sizeof(number), "bit%u", n);
		json_object_array_add(names, json_object_new_string(text ? text : number));
	}
	json_object_object_add(record, name, names);
}

/**
 * put_list - a list, empty for now
 * @record: the record
 * @name: the field
 *
 * Return: the list, which belongs to @record, for add_text() or add_range().
 */
struct json_object *put_list(struct json_object *record, const char *name)
{
	struct json_object *list = json_object_new_array();

	json_object_object_add(record, name, list);
	return list;
}

/**
 * add_text - a string that the kernel made
 * @list: the list
 * @text: the string
 */
void add_text(struct json_object *list, const char *text)
{
	json_object_array_add(list, json_object_new_string(text));
}

/**
 * add_range - one range; in text, OFFSET+LENGTH
 * @ranges: the list
 * @offset: first byte
 * @length: bytes
 */
void add_range(struct json_object *ranges, uint64_t offset, uint64_t length)
{
	char first[NUMBER_LEN], count[NUMBER_LEN], text[2 * NUMBER_LEN];
	struct json_object *range;

	if (json) {
		range = record_new();
		put_number(range, "offset", offset);
		put_number(range, "length", length);
	} else {
		format_bytes(offset, first);
		format_bytes(length, count);
		snprintf(text, sizeof(text), "%s+%s", first, count);
		range = json_object_new_string(text);
	}
	json_object_array_add(ranges, range);
}

static void print_value(struct json_object *value)
{
	const char *text;

	if (!json_object_is_type(value, json_type_array)) {
		text = json_object_get_string(value);
		fputs(*text ? text : "-", stdout);
		return;
	}
	if (!json_object_array_length(value))
		fputs("-", stdout);
	for (size_t i = 0; i < json_object_array_length(value); i++)
		printf("%s%s", i ? "," : "",
		       json_object_get_string(json_object_array_get_idx(value, i)));
}

static void print_json(struct json_object *record)
{
	puts(json_object_to_json_string_ext(record, JSON_C_TO_STRING_PLAIN |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
}

/**
 * record_print_line - print and free a record from record_event(), on a line
 * @record: the record
 *
 * Whoever reads has it when this returns.
 */
void record_print_line(struct json_object *record)
{
	bool first = true;

	if (json) {
		print_json(record);
	} else {
		json_object_object_foreach(record, name, value) {
			if (!first)
				printf(" %s=", name);
			print_value(value);
			first = false;
		}
		putchar('\n');
	}
	fflush(stdout);
	json_object_put(record);
}

/**
 * record_print_block - print and free a record, a field on a line
 * @record: the record
 */
void record_print_block(struct json_object *record)
{
	if (json) {
		print_json(record);
	} else {
		json_object_object_foreach(record, name, value) {
			printf("%s: ", name);
			print_value(value);
			putchar('\n');
		}
	}
	json_object_put(record);
}

static void print_table(struct json_object *records)
{
	struct json_object *first = json_object_array_get_idx(records, 0);
	int columns = json_object_object_length(first);
	int widths[TABLE_COLUMNS] = { 0 };

	/* Row 0 is the heading. First measure, then print. */
	for (int print = 0; print < 2; print++) {
		for (size_t row = 0; row <= json_object_array_length(records); row++) {
			int n = 0;

			json_object_object_foreach(row ? json_object_array_get_idx(records, row - 1)
						       : first, name, value) {
				const char *text = row ? json_object_get_string(value) : name;
				int len = strlen(text);

				if (!print)
					widths[n] = len > widths[n] ? len : widths[n];
				else if (n < columns - 1)
					printf("%-*s  ", widths[n], *text ? text : "-");
				else
					printf("%s\n", *text ? text : "-");
				n++;
			}
		}
	}
}

/**
 * records_print_table - print and free an array of records
 * @records: the array; in text all have the same scalar fields, TABLE_COLUMNS at most, and nothing
 *	is printed for an empty array
 */
void records_print_table(struct json_object *records)
{
	size_t rows = json_object_array_length(records);

	for (size_t i = 0; json && i < rows; i++)
		print_json(json_object_array_get_idx(records, i));
	if (!json && rows)
		print_table(records);
	json_object_put(records);
}
