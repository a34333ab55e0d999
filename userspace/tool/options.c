// SPDX-License-Identifier: GPL-2.0
/* Options by table: parsed, and printed as help, from the same rows. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "parse.h"
#include "tool.h"

#define MAX_OPTIONS	16

static const char *const value_names[] = {
	[OPTION_FLAG] = "",
	[OPTION_NUMBER] = " N",
	[OPTION_BYTES] = " BYTES",
	[OPTION_TIME] = " TIME",
	[OPTION_TEXT] = " FILE",
	[OPTION_WORDS] = " TEXT",
	[OPTION_CHOICE] = " ",
};

static void print_option(const char *name, enum option_type type, const char *choices,
			 const char *help)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s%s%s", name, value_names[type], choices ? choices : "");
	printf("  %-35s %s\n", left, help);
}

static void print_title(FILE *out, const struct command *cmd)
{
	fprintf(out, "%s%s%s", program, cmd->name ? " " : "", cmd->name ? cmd->name : "");
}

static void print_help(const struct command *cmd, const struct option_spec *specs)
{
	bool bytes = false, time = false;

	printf("usage: ");
	print_title(stdout, cmd);
	printf(" [OPTION...]%s%s\n%s\n\n", cmd->operand ? " " : "",
	       cmd->operand ? cmd->operand : "", cmd->summary);
	for (; specs->name; specs++) {
		print_option(specs->name, specs->type, specs->choices, specs->help);
		bytes |= specs->type == OPTION_BYTES;
		time |= specs->type == OPTION_TIME;
	}
	print_option("json", OPTION_FLAG, NULL, "print JSON, one object a line");
	print_option("help", OPTION_FLAG, NULL, "print this");
	if (bytes || time)
		putchar('\n');
	if (bytes)
		puts("BYTES is a number, with K, M or G (powers of 1024) or without.");
	if (time)
		puts("TIME is a number with ns, us, ms or s.");
}

static __attribute__((format(printf, 2, 3)))
int usage(const struct command *cmd, const char *format, ...)
{
	va_list args;

	print_title(stderr, cmd);
	fputs(": ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs(" (see ", stderr);
	print_title(stderr, cmd);
	fputs(" --help)\n", stderr);
	return EXIT_USAGE;
}

static int parse_choice(const char *text, const char *choices, int *value)
{
	size_t len = strlen(text);

	for (int n = 0; ; n++) {
		size_t span = strcspn(choices, "|");

		if (span == len && !memcmp(choices, text, len)) {
			*value = n;
			return 0;
		}
		if (!choices[span])
			return -EINVAL;
		choices += span + 1;
	}
}

static int parse_value(const struct option_spec *spec, const char *text)
{
	switch (spec->type) {
	case OPTION_FLAG:
		*(bool *)spec->value = true;
		return 0;
	case OPTION_NUMBER:
		return parse_number(text, spec->value);
	case OPTION_BYTES:
		return parse_bytes(text, spec->value);
	case OPTION_TIME:
		return parse_time(text, spec->value);
	case OPTION_TEXT:
	case OPTION_WORDS:
		*(const char **)spec->value = text;
		return 0;
	case OPTION_CHOICE:
		return parse_choice(text, spec->choices, spec->value);
	}
	return -EINVAL;
}

/* An operand "X..." is all that follows the options: another program's, which may look like ours. */
static bool takes_rest(const struct command *cmd)
{
	size_t len = cmd->operand ? strlen(cmd->operand) : 0;

	return len > 3 && !strcmp(cmd->operand + len - 3, "...");
}

/**
 * parse_options - the arguments of a command
 * @cmd: the command
 * @specs: its options; --json and --help come in addition
 * @argc: number of arguments, with the command's name
 * @argv: the arguments; options and operand may be mixed, unless the operand is "X...": that begins
 *	at argv[optind]
 * @operand: out: the operand, or NULL
 *
 * Return: PARSED, or the exit code if nothing is left to do.
 */
int parse_options(const struct command *cmd, const struct option_spec *specs, int argc,
		  char **argv, const char **operand)
{
	struct option longs[MAX_OPTIONS] = { 0 };
	bool rest = takes_rest(cmd);
	int count = 0, opt, index;

	for (; specs[count].name; count++) {
		longs[count].name = specs[count].name;
		longs[count].has_arg = specs[count].type != OPTION_FLAG;
		longs[count].val = 'o';
	}
	longs[count].name = "json";
	longs[count].val = 'j';
	longs[count + 1].name = "help";
	longs[count + 1].val = 'h';

	opterr = 0;
	while ((opt = getopt_long(argc, argv, rest ? "+:h" : ":h", longs, &index)) != -1) {
		if (opt == 'h') {
			print_help(cmd, specs);
			return EXIT_OK;
		} else if (opt == 'j') {
			output_set_json(true);
		} else if (opt == ':') {
			return usage(cmd, "a value is missing after %s", argv[optind - 1]);
		} else if (opt != 'o') {
			return usage(cmd, "unknown or ambiguous option %s", argv[optind - 1]);
		} else if (parse_value(&specs[index], optarg)) {
			return usage(cmd, "--%s takes%s%s, not '%s'", specs[index].name,
				     value_names[specs[index].type],
				     specs[index].choices ? specs[index].choices : "", optarg);
		}
	}
	*operand = argv[optind];
	if (cmd->operand && !*operand)
		return usage(cmd, "missing argument: %s", cmd->operand);
	if (!rest && argc - optind > (cmd->operand ? 1 : 0))
		return usage(cmd, "too many arguments: %s", argv[argc - 1]);
	return PARSED;
}
