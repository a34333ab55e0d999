// SPDX-License-Identifier: GPL-2.0
#include "program.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void program_start(struct program *p, const char *name, const char *fmt, ...)
{
	char *command, *shell;
	va_list ap;
	int fds[2];

	va_start(ap, fmt);
	CHECK_SYS(vasprintf(&command, fmt, ap));
	va_end(ap);
	CHECK_SYS(asprintf(&shell, "exec %s", command));
	CHECK_SYS(pipe2(fds, O_CLOEXEC));
	memset(p, 0, sizeof(*p));
	p->name = name;
	p->pid = CHECK_SYS(fork());
	if (!p->pid) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		execl("/bin/bash", "bash", "-c", shell, NULL);
		_exit(127);
	}
	close(fds[1]);
	p->fd = fds[0];
	free(shell);
	free(command);
}

void program_tell(const struct program *p)
{
	char *copy = strdup(p->text), *save;

	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		story("%s: %s", p->name, l);
	free(copy);
}

/* Takes what comes next; false at the end of the stream, or after @timeout_ms (and errno is ETIME) */
static bool collect(struct program *p, int timeout_ms)
{
	char more[4096];
	ssize_t got, n;

	if (!wait_readable(p->fd, timeout_ms)) {
		errno = ETIME;
		return false;
	}
	n = got = CHECK_SYS(read(p->fd, more, sizeof(more)));
	if (p->len + n >= sizeof(p->text))
		n = sizeof(p->text) - 1 - p->len;
	memcpy(p->text + p->len, more, n);
	p->len += n;
	p->text[p->len] = 0;
	errno = 0;
	return got > 0;
}

void program_wait_for(struct program *p, const char *text, int timeout_ms)
{
	int64_t end = now_ns() + timeout_ms * 1000000LL;

	while (!strstr(p->text, text)) {
		int64_t left = (end - now_ns()) / 1000000;

		if (left > 0 && collect(p, (int)left))
			continue;
		program_tell(p);
		CHECK(false, "%s has not said \"%s\"", p->name, text);
	}
}

bool program_said(struct program *p, const char *text)
{
	while (p->fd >= 0 && wait_readable(p->fd, 0) && collect(p, 0))
		;
	return strstr(p->text, text);
}

int program_join(struct program *p, int timeout_ms)
{
	int64_t end = now_ns() + timeout_ms * 1000000LL, left;
	int status;

	do {
		left = (end - now_ns()) / 1000000;
	} while (left > 0 && collect(p, (int)left));
	if (errno == ETIME || left <= 0) {
		program_tell(p);
		CHECK(false, "%s does not end", p->name);
	}
	CHECK_SYS(waitpid(p->pid, &status, 0));
	close(p->fd);
	p->fd = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void program_kill(struct program *p, int sig)
{
	CHECK_SYS(kill(p->pid, sig));
}
