// SPDX-License-Identifier: GPL-2.0
#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "toolrun.h"

struct run run;
char file[32];

int make_file(void **state)
{
	int fd;

	(void)state;
	fake_reset();
	snprintf(file, sizeof(file), "/tmp/daxlease-test.XXXXXX");
	fd = mkstemp(file);
	if (fd < 0 || ftruncate(fd, 8 * DAXLEASE_GRANULE + 100))
		return -1;
	return close(fd);
}

int remove_file(void **state)
{
	(void)state;
	return unlink(file);
}

void child(int out_fd, int err_fd, main_fn program, char **argv)
{
	static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	int argc = 0;

	/* A crash is the child's: cmocka must not catch it. */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_DFL);
	if (dup2(out_fd, STDOUT_FILENO) < 0 || dup2(err_fd, STDERR_FILENO) < 0)
		_exit(100);
	while (argv[argc])
		argc++;
	exit(program(argc, argv));
}

void start_program(main_fn program, char **argv)
{
	int out[2], err[2];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	memset(&run, 0, sizeof(run));
	fflush(NULL);
	run.pid = fork();
	assert_true(run.pid >= 0);
	if (!run.pid) {
		close(out[0]);
		close(err[0]);
		child(out[1], err[1], program, argv);
	}
	close(out[1]);
	close(err[1]);
	run.out_fd = out[0];
	run.err_fd = err[0];
}

void start(char **argv)
{
	start_program(daxlease_main, argv);
}

/* Appends to @text until its end, or until it has @until. */
void collect(int fd, char *text, const char *until)
{
	size_t len = strlen(text);
	ssize_t n;

	while (!until || !strstr(text, until)) {
		n = read(fd, text + len, OUTPUT_LEN - 1 - len);
		assert_true(n >= 0);
		if (!n)
			break;
		len += n;
		text[len] = '\0';
	}
}

void finish(void)
{
	int status;

	collect(run.out_fd, run.out, NULL);
	collect(run.err_fd, run.err, NULL);
	close(run.out_fd);
	close(run.err_fd);
	assert_int_equal(waitpid(run.pid, &status, 0), run.pid);
	run.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	print_message("exit code %d\n%s%s", run.code, run.out, run.err);
}

void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is missing in:\n%s", part, text);
}

unsigned int lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Not for kernels before 5.3, nor for valgrind before 3.21. */
void need_pidfd(void)
{
	int fd = pidfd_open(getpid(), 0);

	if (fd < 0) {
		print_message("no pidfd_open here\n");
		skip();
	}
	close(fd);
}
