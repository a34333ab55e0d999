// SPDX-License-Identifier: GPL-2.0
#include "companion.h"
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void companion_prepare(struct qemu *q)
{
	qemu_words(q, "-qmp unix:%s/companion,server=on,wait=off", q->dir);
}

void companion_start(struct companion *c, const struct test *t, const struct qemu *q, const char *options)
{
	char command[1024];
	int out[2];

	memset(c, 0, sizeof(*c));
	snprintf(command, sizeof(command), "exec %s/daxlease-qemu %s %s/companion", t->tools, options, q->dir);
	CHECK_SYS(pipe2(out, O_CLOEXEC));
	c->pid = CHECK_SYS(fork());
	if (!c->pid) {
		dup2(out[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(3);
	}
	close(out[1]);
	c->log.fd = out[0];
	companion_step(c, "watching", "");
}

const char *companion_step(struct companion *c, const char *step, const char *part)
{
	do {
		CHECK(lines_take(&c->log, c->line), "daxlease-qemu ended before '%s ... %s'", step, part);
		story("%s", c->line);
	} while (strncmp(c->line, step, strlen(step)) || !strstr(c->line, part));
	return c->line;
}

double companion_number(const struct companion *c, const char *name)
{
	char text[64];
	char *at;

	snprintf(text, sizeof(text), " %s=", name);
	at = strstr(c->line, text);
	CHECK(at, "no %s in '%s'", name, c->line);
	return atof(at + strlen(text));
}

int companion_end(struct companion *c, int sig)
{
	char line[QEMU_REPLY];
	int status;

	if (sig)
		CHECK_SYS(kill(c->pid, sig));
	while (lines_take(&c->log, line))
		story("%s", line);
	CHECK_SYS(waitpid(c->pid, &status, 0));
	close(c->log.fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
