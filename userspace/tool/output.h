/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything the tool says on standard output is a record: named fields, in order. With --json a
 * record is one JSON object on a line of its own, times in nanoseconds and sizes in bytes; without
 * it, text for people, with units.
 */
#ifndef DAXLEASE_OUTPUT_H
#define DAXLEASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#define TABLE_COLUMNS	32	/* of a table for people */

typedef const char *(*bit_name_fn)(uint64_t bit);

void output_set_json(bool on);
bool output_is_json(void);

struct json_object *record_new(void);
struct json_object *record_event(const char *event);
void put_text(struct json_object *record, const char *name, const char *text);
void put_name(struct json_object *record, const char *name, uint64_t value, const char *text);
void put_number(struct json_object *record, const char *name, uint64_t value);
void put_bytes(struct json_object *record, const char *name, uint64_t bytes);
void put_time(struct json_object *record, const char *name, uint64_t ns);
void put_clock(struct json_object *record, const char *name, uint64_t ns);
void put_bits(struct json_object *record, const char *name, uint64_t bits, bit_name_fn bit_name);
struct json_object *put_list(struct json_object *record, const char *name);
void add_text(struct json_object *list, const char *text);
void add_range(struct json_object *ranges, uint64_t offset, uint64_t length);

void record_print_line(struct json_object *record);
void record_print_block(struct json_object *record);
void records_print_table(struct json_object *records);

uint64_t now_ns(void);

#endif /* DAXLEASE_OUTPUT_H */
