// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a verbs program whose registrations of files become leases (libdaxlease-preload), and hears of
 * breaks for it: the program itself has no thread, descriptor or signal more than it knows of, but
 * the one descriptor of the context that both share.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "follow.h"
#include "output.h"
#include "tool.h"

#define PRELOAD	"libdaxlease-preload.so"

static pid_t command;

static void pass_on(int sig)
{
	kill(command, sig);
}

/* Beside this program, where a build has it, or where it is installed. */
static int find_preload(char path[PATH_MAX])
{
	static const char *const places[] = { PRELOAD, "../lib/daxlease/" PRELOAD };
	char exe[PATH_MAX], place[PATH_MAX + 64];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len < 0)
		return -errno;
	exe[len] = '\0';
	*strrchr(exe, '/') = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(place, sizeof(place), "%s/%s", exe, places[i]);
		if (realpath(place, path))
			return 0;
	}
	return -ENOENT;
}

static int preload_path(const char *given, char path[PATH_MAX])
{
	if (!given && find_preload(path))
		return fail(PRELOAD, "is not installed (package libdaxlease-preload)", 0);
	if (given && !realpath(given, path))
		return fail_system(given, -errno);
	/* The dynamic linker would take it for two, and only warn. */
	if (strpbrk(path, ": "))
		return fail(path, "a library to preload cannot have blanks or colons in its path", 0);
	return 0;
}

static int set_number(const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return setenv(name, text, 1);
}

/* In the child: becomes the command, or returns an exit code. */
static int become(char **argv, struct daxlease_ctx *ctx, uint64_t grace_ns, const char *preload)
{
	const char *others = getenv("LD_PRELOAD");
	char *list = NULL;
	int err;

	if (fcntl(daxlease_fd(ctx), F_SETFD, 0) ||
	    set_number("DAXLEASE_RUN_FD", daxlease_fd(ctx)) ||
	    set_number("DAXLEASE_RUN_GRACE", grace_ns) ||
	    asprintf(&list, "%s%s%s", preload, others ? ":" : "", others ? others : "") < 0 ||
	    setenv("LD_PRELOAD", list, 1))
		return fail_system("environment", -errno);
	free(list);
	execvp(argv[0], argv);
	err = -errno;
	fail_system(argv[0], err);
	return err == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
}

static int wait_for_end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_system("waiting for the command", -errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Signals from the terminal reach the command by themselves; what is meant for us is meant for it. */
static void arrange_signals(pid_t pid)
{
	struct sigaction action = { .sa_handler = pass_on };

	command = pid;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	/* Nobody reads our lines: no reason to leave its breaks unanswered */
	signal(SIGPIPE, SIG_IGN);
}

static int attend(pid_t pid, struct follow *f)
{
	f->pidfd = pidfd_open(pid, 0);
	if (f->pidfd < 0) {
		fail_system("opening the process", -errno);
		return wait_for_end(pid);
	}
	/* Standard output is the command's alone. */
	if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
		follow(f, -1);
	/* The exit code is the command's, whoever reads our lines */
	clearerr(stdout);
	close(f->pidfd);
	return wait_for_end(pid);
}

static int run(char **argv, const char *preload, uint64_t grace_ns, struct follow *f)
{
	char path[PATH_MAX];
	sigset_t held, before;
	pid_t pid;
	int ret;

	if (preload_path(preload, path))
		return EXIT_ERROR;
	ret = open_device(&f->ctx);
	if (ret)
		return ret;
	/* No signal may come between the fork and knowing whom to pass it on to. */
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, &before);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		_exit(become(argv, f->ctx, grace_ns, path));
	}
	if (pid < 0) {
		ret = fail_system("starting the command", -errno);
	} else {
		arrange_signals(pid);
		sigprocmask(SIG_SETMASK, &before, NULL);
		ret = attend(pid, f);
	}
	daxlease_close(f->ctx);
	return ret;
}

int cmd_run(const struct command *cmd, int argc, char **argv)
{
	struct follow f = { .pidfd = -1, .on_break = ON_BREAK_ACK };
	const char *operand, *preload = NULL;
	uint64_t grace_ns = 0;
	const struct option_spec specs[] = {
		{ "grace", OPTION_TIME, &grace_ns, "from a break to the fence", NULL },
		{ "on-break", OPTION_CHOICE, &f.on_break, "default: ack", "ignore|ack" },
		{ "after", OPTION_TIME, &f.after_ns, "do it that long after the event", NULL },
		{ "preload", OPTION_TEXT, &preload, "another " PRELOAD, NULL },
		{ }
	};
	int ret;

	ret = parse_options(cmd, specs, argc, argv, &operand);
	if (ret != PARSED)
		return ret;
	return run(argv + optind, preload, grace_ns, &f);
}
