/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A program of user space that runs beside the case: what it says is collected, and can be waited for.
 * What goes wrong here fails the case itself, with the output as its story.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * struct program - a running one
 * @name: for people
 * @pid: its process, the leader of nothing
 * @fd: what it writes on standard output and standard error
 * @text: what it has said so far, zero-terminated
 * @len: bytes of it; what comes after the buffer is full is dropped
 */
struct program {
	const char *name;
	pid_t pid;
	int fd;
	char text[32768];
	size_t len;
};

/* Starts what a shell makes of @fmt (one command: the shell becomes it) */
void program_start(struct program *p, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Waits until it has said @text; fails the case if it ends before, or after @timeout_ms */
void program_wait_for(struct program *p, const char *text, int timeout_ms);

/* Waits for its end: the exit status, or 128 and the signal; fails the case after @timeout_ms */
int program_join(struct program *p, int timeout_ms);

void program_kill(struct program *p, int sig);

/* Whether it has said @text by now */
bool program_said(struct program *p, const char *text);

/* What it has said, as lines of the story */
void program_tell(const struct program *p);

#endif /* PROGRAM_H */
