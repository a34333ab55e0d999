/* SPDX-License-Identifier: GPL-2.0 */
/* daxlease-qemu, as a case runs it: its log is told as a story, and waited for line by line. */
#ifndef COMPANION_H
#define COMPANION_H

#include "harness.h"
#include "qemu.h"

/**
 * struct companion - a running one
 * @pid: its process
 * @log: what it has logged, in its text form
 * @line: the line waited for last
 */
struct companion {
	pid_t pid;
	struct lines log;
	char line[QEMU_REPLY];
};

/* A monitor of its own for the companion, on the command line of QEMU */
void companion_prepare(struct qemu *q);

/* Starts it with @options, separated by blanks, and waits until it watches */
void companion_start(struct companion *c, const struct test *t, const struct qemu *q, const char *options);

/* Waits for a line that begins with @step and contains @part, telling each that comes as a story */
const char *companion_step(struct companion *c, const char *step, const char *part);

/* The number after "NAME=" in the last line waited for, in milliseconds if it is a time */
double companion_number(const struct companion *c, const char *name);

/* Ends it, or waits until it has ended by itself (@sig 0): the exit status */
int companion_end(struct companion *c, int sig);

#endif /* COMPANION_H */
