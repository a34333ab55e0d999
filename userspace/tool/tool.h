/* SPDX-License-Identifier: GPL-2.0 */
/* The commands, their options, and how they fail. */
#ifndef DAXLEASE_TOOL_H
#define DAXLEASE_TOOL_H

#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Exit codes. */
enum {
	EXIT_OK = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_BLOCKED = 3,	/* who-blocks has found somebody */
	EXIT_NOT_RUN = 126,	/* run: the command cannot be executed, as shells say it */
	EXIT_NOT_FOUND = 127,	/* run: there is no such command */
};

/**
 * struct command - a row of the command table
 * @name: first argument of the tool; NULL for a program that is one command
 * @operand: what the command works on, "X..." if that is all the rest, or NULL if it takes nothing
 * @summary: a line of help
 * @run: does it; returns the exit code
 */
struct command {
	const char *name;
	const char *operand;
	const char *summary;
	int (*run)(const struct command *cmd, int argc, char **argv);
};

int cmd_info(const struct command *cmd, int argc, char **argv);
int cmd_acquire(const struct command *cmd, int argc, char **argv);
int cmd_list(const struct command *cmd, int argc, char **argv);
int cmd_watch(const struct command *cmd, int argc, char **argv);
int cmd_break(const struct command *cmd, int argc, char **argv);
int cmd_who_blocks(const struct command *cmd, int argc, char **argv);
int cmd_run(const struct command *cmd, int argc, char **argv);
int cmd_stats(const struct command *cmd, int argc, char **argv);

enum option_type {
	OPTION_FLAG,	/* bool */
	OPTION_NUMBER,	/* uint64_t */
	OPTION_BYTES,	/* uint64_t */
	OPTION_TIME,	/* uint64_t */
	OPTION_TEXT,	/* const char *: a file */
	OPTION_WORDS,	/* const char *: anything */
	OPTION_CHOICE,	/* int: index in choices */
};

/**
 * struct option_spec - an option of a command
 * @name: without the dashes; NULL ends the list
 * @type: what it takes
 * @value: where it goes; keeps its default when the option is not given
 * @help: a line of help
 * @choices: for OPTION_CHOICE, as "one|two"
 */
struct option_spec {
	const char *name;
	enum option_type type;
	void *value;
	const char *help;
	const char *choices;
};

#define PARSED	-1	/* from parse_options(): go on */

int parse_options(const struct command *cmd, const struct option_spec *specs, int argc,
		  char **argv, const char **operand);

extern const char *program;	/* how messages name it */

int fail(const char *what, const char *why, int err);
int fail_system(const char *what, int err);
int fail_lease(const char *what, unsigned int lease_cmd, int err);
int fail_form(const char *path, unsigned int line);
FILE *open_debugfs(const char *path);

struct daxlease_ctx;

int open_device(struct daxlease_ctx **ctx);
int open_range(const char *path, int flags, uint64_t offset, uint64_t *length);

#endif /* DAXLEASE_TOOL_H */
