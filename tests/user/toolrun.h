/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs of the tool, or of another program, in a child of the test, linked with the fake device. The test sets the device up
 * before it starts the child, which has its own copy from then on.
 */
#ifndef TOOLRUN_H
#define TOOLRUN_H

#include <sys/types.h>

#define OUTPUT_LEN	8192

/**
 * struct run - a run of the tool
 * @pid: the child
 * @out_fd: its standard output
 * @err_fd: its standard error
 * @code: exit code, or 128 + the signal
 * @out: what it printed
 * @err: what it complained
 */
struct run {
	pid_t pid;
	int out_fd;
	int err_fd;
	int code;
	char out[OUTPUT_LEN];
	char err[OUTPUT_LEN];
};

extern struct run run;		/* the last one */
extern char file[32];		/* of 16 MiB and 100 bytes, new for each test */

int daxlease_main(int argc, char **argv);

#define ARGS(...) ((char *[]){ "daxlease", __VA_ARGS__, NULL })
#define RUN(...) do { start(ARGS(__VA_ARGS__)); finish(); } while (0)

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int make_file(void **state);
int remove_file(void **state);

typedef int (*main_fn)(int argc, char **argv);

void child(int out_fd, int err_fd, main_fn program, char **argv);
void start_program(main_fn program, char **argv);
void start(char **argv);
void collect(int fd, char *text, const char *until);
void finish(void);
void need_pidfd(void);

void assert_has(const char *text, const char *part);
unsigned int lines(const char *text);

#endif /* TOOLRUN_H */
