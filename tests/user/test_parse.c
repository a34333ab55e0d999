// SPDX-License-Identifier: GPL-2.0
/* The tool's pure parts: numbers and the table of leases. */
#include "suite.h"

#include <errno.h>
#include <stdlib.h>

#include "leases.h"
#include "output.h"
#include "parse.h"

static void numbers_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int (*parse)(const char *text, uint64_t *value);
		int ret;
		uint64_t value;
	} rows[] = {
		{ "0", parse_bytes, 0, 0 },
		{ "4096", parse_bytes, 0, 4096 },
		{ "4K", parse_bytes, 0, 4096 },
		{ "2M", parse_bytes, 0, 2097152 },
		{ "3G", parse_bytes, 0, 3221225472 },
		{ "010", parse_bytes, 0, 10 },
		{ "18446744073709551615", parse_bytes, 0, UINT64_MAX },
		{ "18446744073709551616", parse_bytes, -ERANGE, 0 },
		{ "17179869183G", parse_bytes, 0, 17179869183ULL << 30 },
		{ "17179869184G", parse_bytes, -ERANGE, 0 },
		{ "", parse_bytes, -EINVAL, 0 },
		{ "K", parse_bytes, -EINVAL, 0 },
		{ "-1", parse_bytes, -EINVAL, 0 },
		{ "+1", parse_bytes, -EINVAL, 0 },
		{ " 1", parse_bytes, -EINVAL, 0 },
		{ "1 ", parse_bytes, -EINVAL, 0 },
		{ "1k", parse_bytes, -EINVAL, 0 },
		{ "1KB", parse_bytes, -EINVAL, 0 },
		{ "0x10", parse_bytes, -EINVAL, 0 },
		{ "1.5M", parse_bytes, -EINVAL, 0 },
		{ "7ns", parse_time, 0, 7 },
		{ "7us", parse_time, 0, 7000 },
		{ "7ms", parse_time, 0, 7000000 },
		{ "7s", parse_time, 0, 7000000000 },
		{ "0", parse_time, 0, 0 },
		{ "7", parse_time, -EINVAL, 0 },
		{ "7m", parse_time, -EINVAL, 0 },
		{ "18446744074s", parse_time, -ERANGE, 0 },
		{ "12", parse_number, 0, 12 },
		{ "12K", parse_number, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = 0;
		int ret = rows[i].parse(rows[i].text, &value);

		print_message("'%s'\n", rows[i].text);
		assert_int_equal(ret, rows[i].ret);
		if (!ret)
			assert_int_equal(value, rows[i].value);
	}
}

static void numbers_are_formatted_exactly(void **state)
{
	static const struct {
		void (*format)(uint64_t value, char *buf);
		uint64_t value;
		const char *text;
	} rows[] = {
		{ format_bytes, 0, "0" },
		{ format_bytes, 1, "1" },
		{ format_bytes, 1023, "1023" },
		{ format_bytes, 4096, "4K" },
		{ format_bytes, 4194304, "4M" },
		{ format_bytes, 1ULL << 40, "1024G" },
		{ format_bytes, UINT64_MAX, "18446744073709551615" },
		{ format_time, 0, "0" },
		{ format_time, 500000000, "500ms" },
		{ format_time, 60000000000, "60s" },
		{ format_time, 1500, "1500ns" },
		{ format_time, 20000, "20us" },
	};
	char buf[NUMBER_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rows[i].format(rows[i].value, buf);
		assert_string_equal(buf, rows[i].text);
	}
}

static void points_in_time_are_relative_to_now(void **state)
{
	char buf[NUMBER_LEN];

	(void)state;
	format_clock(0, 5, buf);
	assert_string_equal(buf, "-");
	format_clock(3000000, 1000000, buf);
	assert_string_equal(buf, "+2.000ms");
	format_clock(1000000, 3005000, buf);
	assert_string_equal(buf, "-2.005ms");
	format_clock(UINT64_MAX, 1, buf);
	assert_non_null(strchr(buf, '.'));
}

#define HEAD	"# daxlease-leases 1\n"
#define NAMES	"# id\tkind\toffset\tgrace_ns\tcomm\n"

/* Returns what leases_read() does; on success @json has the records. */
static int read_table(const char *text, char *json, size_t size, unsigned int *line)
{
	struct json_object *records;
	FILE *table = fmemopen((void *)text, strlen(text), "r");
	int ret;

	assert_non_null(table);
	ret = leases_read(table, &records, line);
	fclose(table);
	if (!ret && !output_is_json()) {
		struct json_object *shown = leases_for_people(records);

		json_object_put(records);
		records = shown;
	}
	if (!ret) {
		snprintf(json, size, "%s",
			 json_object_to_json_string_ext(records, JSON_C_TO_STRING_PLAIN));
		json_object_put(records);
	}
	return ret;
}

static void tables_are_read_by_the_names_of_their_columns(void **state)
{
	static const struct {
		const char *desc, *text, *json;
	} rows[] = {
		{ "no lease", HEAD NAMES, "[]" },
		{ "one lease", HEAD NAMES "7\texplicit\t4096\t5\tdd\n",
		  "[{\"id\":7,\"kind\":\"explicit\",\"offset\":4096,\"grace_ns\":5,"
		  "\"comm\":\"dd\"}]" },
		{ "another order", HEAD "# kind\tid\nexplicit\t7\n",
		  "[{\"kind\":\"explicit\",\"id\":7}]" },
		{ "a new column", HEAD "# id\tcolour\n7\tred\n8\t\n",
		  "[{\"id\":7,\"colour\":\"red\"},{\"id\":8,\"colour\":\"\"}]" },
		{ "no value", HEAD "# kind\tcomm\tid\n-\t--\t7\n",
		  "[{\"kind\":\"\",\"comm\":\"--\",\"id\":7}]" },
		{ "empty fields", HEAD "# kind\tcomm\tid\n\t\t7\n",
		  "[{\"kind\":\"\",\"comm\":\"\",\"id\":7}]" },
		{ "no newline at the end", HEAD "# id\n7", "[{\"id\":7}]" },
		{ "terminal escapes", HEAD "# comm\n\033[2J\n", "[{\"comm\":\"\\\\033[2J\"}]" },
		{ "escapes of the kernel stay", HEAD "# comm\na\\tb\n",
		  "[{\"comm\":\"a\\\\tb\"}]" },
	};
	char json[1024];
	unsigned int line;

	(void)state;
	output_set_json(true);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("%s\n", rows[i].desc);
		assert_int_equal(read_table(rows[i].text, json, sizeof(json), &line), 0);
		assert_string_equal(json, rows[i].json);
	}
}

static void people_see_the_known_columns_with_units(void **state)
{
	char json[1024];
	unsigned int line;

	(void)state;
	output_set_json(false);
	assert_int_equal(read_table(HEAD "# offset\tgrace_ns\tuid\tcolour\n4096\t5000\t0\tred\n",
				    json, sizeof(json), &line), 0);
	assert_string_equal(json, "[{\"offset\":\"4K\",\"grace\":\"5us\"}]");
}

static void tables_of_another_form_are_refused_with_the_line(void **state)
{
	static const struct {
		const char *desc, *text;
		unsigned int line;
	} rows[] = {
		{ "something else", "hello\n", 1 },
		{ "another version", "# daxlease-leases 2\n" NAMES, 1 },
		{ "no names", HEAD, 1 },
		{ "names without hash", HEAD "id\tkind\n", 2 },
		{ "a field is missing", HEAD NAMES "7\texplicit\t4096\t5\n", 3 },
		{ "a field too many", HEAD NAMES "7\texplicit\t4096\t5\tdd\tx\n", 3 },
		{ "an empty line", HEAD NAMES "\n", 3 },
		{ "no number", HEAD NAMES "x\texplicit\t4096\t5\tdd\n", 3 },
		{ "a number too large", HEAD "# id\n1\n99999999999999999999\n", 4 },
	};
	char json[1024];
	unsigned int line;

	(void)state;
	for (int form = 0; form < 2; form++) {
		output_set_json(form);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			print_message("%s\n", rows[i].desc);
			assert_int_equal(read_table(rows[i].text, json, sizeof(json), &line),
					 -EPROTO);
			assert_int_equal(line, rows[i].line);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(numbers_are_parsed),
	cmocka_unit_test(numbers_are_formatted_exactly),
	cmocka_unit_test(points_in_time_are_relative_to_now),
	cmocka_unit_test(tables_are_read_by_the_names_of_their_columns),
	cmocka_unit_test(people_see_the_known_columns_with_units),
	cmocka_unit_test(tables_of_another_form_are_refused_with_the_line),
};

SUITE(tests)
