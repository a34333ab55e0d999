// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hook.h"

static void become(const char *command, const char *step)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	setenv("DAXLEASE_STEP", step, 1);
	/* Standard output is the log's */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/**
 * hook_run - run a command and wait for it
 * @command: for the shell; it finds @step in the environment as DAXLEASE_STEP, and what the caller has put there
 * @step: "break" or "done"
 * @time_ns: how long it may take; then it is killed, with its process group
 *
 * Return: its exit status; 128 + signal; -ETIMEDOUT; another -errno.
 */
int hook_run(const char *command, const char *step, uint64_t time_ns)
{
	struct timespec ts = { .tv_sec = time_ns / 1000000000, .tv_nsec = time_ns % 1000000000 };
	struct pollfd pfd = { .events = POLLIN };
	int status, n;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		become(command, step);
	setpgid(pid, pid);
	pfd.fd = pidfd_open(pid, 0);
	n = ppoll(&pfd, 1, &ts, NULL);
	if (n <= 0)
		kill(-pid, SIGKILL);
	if (pfd.fd >= 0)
		close(pfd.fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (n <= 0)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
