// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* Largest first: formatting takes the first that divides the value. */
static const struct unit byte_units[] = {
	{ "G", 1ULL << 30 },
	{ "M", 1ULL << 20 },
	{ "K", 1ULL << 10 },
	{ "", 1 },
	{ }
};

/* A bare number is no time: milliseconds for one are seconds for another. */
static const struct unit time_units[] = {
	{ "s", 1000000000 },
	{ "ms", 1000000 },
	{ "us", 1000 },
	{ "ns", 1 },
	{ }
};

static const struct unit plain_units[] = {
	{ "", 1 },
	{ }
};

static int parse(const char *text, const struct unit *units, uint64_t *value)
{
	uint64_t number;
	char *end;

	/* strtoull() would take blanks and a minus sign. */
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno)
		return -errno;
	for (; units->suffix; units++)
		if (!strcmp(end, units->suffix))
			return __builtin_mul_overflow(number, units->factor, value) ? -ERANGE : 0;
	return -EINVAL;
}

/**
 * parse_number - a decimal number
 * @text: the text, all of it
 * @value: out; not touched when @text is no number
 *
 * Return: 0; -EINVAL; -ERANGE if it does not fit.
 */
int parse_number(const char *text, uint64_t *value)
{
	return parse(text, plain_units, value);
}

/**
 * parse_bytes - a decimal number with K, M, G (powers of 1024) or nothing after it
 * @text: the text, all of it
 * @bytes: out
 *
 * Return: as parse_number().
 */
int parse_bytes(const char *text, uint64_t *bytes)
{
	return parse(text, byte_units, bytes);
}

/**
 * parse_time - a decimal number with ns, us, ms or s after it, or a bare 0
 * @text: the text, all of it
 * @ns: out
 *
 * Return: as parse_number().
 */
int parse_time(const char *text, uint64_t *ns)
{
	if (!strcmp(text, "0")) {
		*ns = 0;
		return 0;
	}
	return parse(text, time_units, ns);
}

static void format(uint64_t value, const struct unit *units, char *buf)
{
	while (value % units->factor)
		units++;
	snprintf(buf, NUMBER_LEN, "%" PRIu64 "%s", value / units->factor,
		 value ? units->suffix : "");
}

/**
 * format_bytes - exactly, in the largest unit that gives a whole number
 * @bytes: the number
 * @buf: out
 */
void format_bytes(uint64_t bytes, char buf[NUMBER_LEN])
{
	format(bytes, byte_units, buf);
}

/**
 * format_time - exactly, in the largest unit that gives a whole number
 * @ns: the time
 * @buf: out
 */
void format_time(uint64_t ns, char buf[NUMBER_LEN])
{
	format(ns, time_units, buf);
}

/**
 * format_clock - a point in time, in milliseconds after (+) or before (-) now
 * @ns: CLOCK_MONOTONIC; 0 for none
 * @now_ns: CLOCK_MONOTONIC
 * @buf: out
 */
void format_clock(uint64_t ns, uint64_t now_ns, char buf[NUMBER_LEN])
{
	uint64_t us = (ns > now_ns ? ns - now_ns : now_ns - ns) / 1000;

	if (!ns)
		snprintf(buf, NUMBER_LEN, "-");
	else
		snprintf(buf, NUMBER_LEN, "%c%" PRIu64 ".%03" PRIu64 "ms", ns > now_ns ? '+' : '-',
			 us / 1000, us % 1000);
}
