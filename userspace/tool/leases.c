// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "leases.h"
#include "output.h"
#include "parse.h"
#include "tool.h"

#define FORM		"# daxlease-leases 1"
#define MAX_COLUMNS	64

/**
 * struct column - a column that is known here
 * @name: in the table, and of the field
 * @put: for a number: how it is shown; NULL for text
 * @people: also in the output for people, which has to fit a screen
 */
struct column {
	const char *name;
	void (*put)(struct json_object *record, const char *name, uint64_t value);
	bool people;
};

static const struct column columns[] = {
	{ "id",			put_number,	true },
	{ "kind",		NULL,		true },
	{ "state",		NULL,		true },
	{ "generation",		put_number,	false },
	{ "dev",		NULL,		true },
	{ "ino",		put_number,	true },
	{ "offset",		put_bytes,	true },
	{ "length",		put_bytes,	true },
	{ "access",		NULL,		true },
	{ "granules",		put_number,	true },
	{ "lost",		put_number,	true },
	{ "grace_ns",		put_time,	true },
	{ "pid",		put_number,	true },
	{ "comm",		NULL,		true },
	{ "uid",		put_number,	false },
	{ "break_id",		put_number,	false },
	{ "deadline_ns",	put_clock,	true },
	{ "breaker_pid",	put_number,	true },
	{ "breaker_comm",	NULL,		true },
};

static const struct column *find_column(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (!strcmp(columns[i].name, name))
			return &columns[i];
	return NULL;
}

/* Cut @line at its tabs. Returns the number of fields, at most MAX_COLUMNS. */
static size_t split(char *line, char *fields[MAX_COLUMNS])
{
	size_t n = 0;

	while (line && n < MAX_COLUMNS)
		fields[n++] = strsep(&line, "\t");
	return n;
}

/* A column that is not known here is text. */
static int put_field(struct json_object *record, const char *name, const char *text)
{
	const struct column *column = find_column(name);
	uint64_t value;

	if (!column || !column->put) {
		put_text(record, name, strcmp(text, "-") ? text : "");
		return 0;
	}
	if (parse_number(text, &value))
		return -EPROTO;
	put_number(record, name, value);
	return 0;
}

static int add_lease(struct json_object *records, char **names, size_t nr_names, char *line)
{
	struct json_object *record;
	char *fields[MAX_COLUMNS];

	if (split(line, fields) != nr_names)
		return -EPROTO;
	record = record_new();
	json_object_array_add(records, record);
	for (size_t i = 0; i < nr_names; i++)
		if (put_field(record, names[i], fields[i]))
			return -EPROTO;
	return 0;
}

static ssize_t read_line(FILE *table, char **line, size_t *size, unsigned int *number)
{
	ssize_t len = getline(line, size, table);

	if (len < 0)
		return ferror(table) ? -EIO : 0;
	++*number;
	if ((*line)[len - 1] == '\n')
		(*line)[len - 1] = '\0';
	return len;
}

static int read_leases(FILE *table, char *heading, struct json_object *records,
		       unsigned int *number)
{
	char *names[MAX_COLUMNS], *line = NULL;
	size_t nr_names, size = 0;
	ssize_t ret;

	heading += strspn(heading, "# ");
	nr_names = split(heading, names);
	while ((ret = read_line(table, &line, &size, number)) > 0) {
		ret = add_lease(records, names, nr_names, line);
		if (ret)
			break;
	}
	free(line);
	return ret;
}

/**
 * leases_read - read the table of leases
 * @table: the table
 * @records: out: the records; not touched on error
 * @line: out: number of the last line read, for messages
 *
 * Return: 0; -EPROTO if the form is another one, or the line makes no sense; -EIO.
 */
int leases_read(FILE *table, struct json_object **records, unsigned int *line)
{
	struct json_object *array = json_object_new_array();
	char *text = NULL;
	size_t size = 0;
	ssize_t ret;

	*line = 0;
	ret = read_line(table, &text, &size, line);
	if (ret > 0 && strcmp(text, FORM))
		ret = 0;
	if (ret > 0)
		ret = read_line(table, &text, &size, line);
	if (ret > 0)
		ret = *text == '#' ? read_leases(table, text, array, line) : -EPROTO;
	else if (!ret)
		ret = -EPROTO;
	free(text);
	if (ret)
		json_object_put(array);
	else
		*records = array;
	return ret;
}

/**
 * leases_load - leases_read() of a file, or say why not
 * @path: the file
 * @records: out: the records; not touched on error
 *
 * Return: 0 or EXIT_ERROR.
 */
int leases_load(const char *path, struct json_object **records)
{
	FILE *table = open_debugfs(path);
	unsigned int line;
	int ret;

	if (!table)
		return EXIT_ERROR;
	ret = leases_read(table, records, &line);
	fclose(table);
	if (ret == -EPROTO)
		return fail_form(path, line);
	return ret ? fail_system(path, ret) : 0;
}

/**
 * leases_text - a field of a lease
 * @lease: the record
 * @name: of the column
 *
 * Return: its text, empty if there is no such column. It belongs to @lease.
 */
const char *leases_text(struct json_object *lease, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(lease, name, &value) ? json_object_get_string(value) : "";
}

/**
 * leases_number - a field of a lease
 * @lease: the record
 * @name: of the column
 *
 * Return: the number, 0 if there is no such column.
 */
uint64_t leases_number(struct json_object *lease, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(lease, name, &value) ? json_object_get_uint64(value) : 0;
}

/* What is lost altogether is in nobody's way; "released" and "revoked" say the same. */
static bool holds(struct json_object *lease)
{
	const char *state = leases_text(lease, "state");

	return strcmp(state, "revoked") && strcmp(state, "released");
}

/**
 * leases_holding - the leases that hold something of a file
 * @records: all leases
 * @dev: of the file
 * @ino: of the file
 *
 * Return: an array of those of @records, for leases_print(); NULL if the table does not say of which
 * files its leases are.
 */
struct json_object *leases_holding(struct json_object *records, dev_t dev, ino_t ino)
{
	struct json_object *found = json_object_new_array();
	char text[NUMBER_LEN];

	snprintf(text, sizeof(text), "%u:%u", major(dev), minor(dev));
	for (size_t i = 0; i < json_object_array_length(records); i++) {
		struct json_object *lease = json_object_array_get_idx(records, i);

		if (!json_object_object_get_ex(lease, "dev", NULL) ||
		    !json_object_object_get_ex(lease, "ino", NULL)) {
			json_object_put(found);
			return NULL;
		}
		if (!strcmp(leases_text(lease, "dev"), text) &&
		    leases_number(lease, "ino") == ino && holds(lease))
			json_object_array_add(found, json_object_get(lease));
	}
	return found;
}

static struct json_object *for_people(struct json_object *lease)
{
	struct json_object *record = record_new();

	json_object_object_foreach(lease, name, value) {
		const struct column *column = find_column(name);

		if (!column || !column->people)
			continue;
		if (column->put)
			column->put(record, name, json_object_get_uint64(value));
		else
			put_text(record, name, json_object_get_string(value));
	}
	return record;
}

/**
 * leases_for_people - leases as they are printed without JSON
 * @records: an array of them
 *
 * Return: another array, of records with the known columns, and with units.
 */
struct json_object *leases_for_people(struct json_object *records)
{
	struct json_object *shown = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(records); i++)
		json_object_array_add(shown, for_people(json_object_array_get_idx(records, i)));
	return shown;
}

/**
 * leases_print - print and free leases
 * @records: an array of them
 */
void leases_print(struct json_object *records)
{
	struct json_object *shown = records;

	if (!output_is_json()) {
		shown = leases_for_people(records);
		json_object_put(records);
	}
	records_print_table(shown);
}
