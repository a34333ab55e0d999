// SPDX-License-Identifier: GPL-2.0
/*
 * The program of the guest: runs each selected case in a process group of its own under a time limit,
 * looks for what no case may leave behind, and reports through the results port.
 *
 *   vm-cases --list | --plan SELECTION | --run SELECTION --core KO --type1 KO --rxe KO --root DIR
 *            --tools DIR --modules DIR --results FILE
 *   SELECTION: --fs ext4|xfs [--debug] [--turns] [--every] [--alone] [--demo GROUP] [--minutes N] [--seed S]
 *              [CASE...]
 *   vm-cases --op ...            one file operation, for a breaker (breaker.c)
 */
#include "breaker.h"
#include "checks.h"
#include "fault.h"
#include "harness.h"
#include "kmsg.h"
#include "message.h"
#include "modules.h"
#include "report.h"
#include "select.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAX_MOUNT	"/mnt/dax"
#define CASE_SECONDS	20
#define DEBUG_FACTOR	8	/* KASAN and lockdep under TCG */
#define REAP_SECONDS	30

/**
 * struct verdict - what is known of the running case
 * @failed: the first reason to fail it, if set
 * @skipped: the reason to skip it, if set
 */
struct verdict {
	char failed[MESSAGE_MAX];
	char skipped[MESSAGE_MAX];
};

static void fail(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	if (v->failed[0])
		return;
	va_start(ap, fmt);
	vsnprintf(v->failed, sizeof(v->failed), fmt, ap);
	va_end(ap);
}

/* Takes all messages that are in the pipe */
static void take_messages(int fd, const char *name, struct verdict *v)
{
	char text[MESSAGE_MAX + 1];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text) - 1)) > 0) {
		text[n] = 0;
		switch (text[0]) {
		case MSG_FAIL:
			fail(v, "%s", text + 1);
			break;
		case MSG_SKIP:
			snprintf(v->skipped, sizeof(v->skipped), "%s", text + 1);
			break;
		case MSG_STORY:
			report("story", "%s\t%s", name, text + 1);
			break;
		case MSG_FAIL_LINE:
			fail(v, "%s", text + 1);
			/* fall through */
		case MSG_PASS_LINE:
			report("line", "%s\t%s\t%s", name, *text == MSG_PASS_LINE ? "PASS" : "FAIL", text + 1);
			break;
		}
	}
}

/* Waits for the end of the case: false when the time is up */
static bool wait_case(pid_t pid, int messages, int seconds, const char *name, struct verdict *v)
{
	struct pollfd p[2] = { { .fd = pidfd_open(pid, 0), .events = POLLIN }, { .fd = messages, .events = POLLIN } };
	int64_t end = now_ns() + seconds * 1000000000LL;
	int64_t left = seconds * 1000LL;

	while (left > 0 && !(p[0].revents & POLLIN)) {
		poll(p, 2, (int)left);
		if (p[1].revents)
			take_messages(messages, name, v);
		left = (end - now_ns()) / 1000000;
	}
	close(p[0].fd);
	return p[0].revents & POLLIN;
}

static void explain_end(int status, struct verdict *v)
{
	if (WIFSIGNALED(status))
		fail(v, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		fail(v, "exited with status %d", WEXITSTATUS(status));
}

/* Daemons that the case has started left its group, and are the runner's children by now */
static void kill_children(void)
{
	DIR *proc = opendir("/proc");
	char path[32], stat[512], *end;
	struct dirent *d;
	int pid, parent;

	while (proc && (d = readdir(proc))) {
		pid = atoi(d->d_name);
		if (!pid)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (read_text(path, stat, sizeof(stat)) <= 0)
			continue;
		end = strrchr(stat, ')');
		if (end && sscanf(end, ") %*c %d", &parent) == 1 && parent == getpid())
			kill(pid, SIGKILL);
	}
	if (proc)
		closedir(proc);
}

/* Kills what is left of the case and waits for it: whoever stays is stuck in the kernel */
static void reap_group(pid_t group, const char *name, struct verdict *v)
{
	int64_t end = now_ns() + REAP_SECONDS * 1000000000LL;
	char path[64], stack[2048];
	int status;
	pid_t pid;

	for (;;) {
		kill(-group, SIGKILL);
		kill_children();
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == group)
				explain_end(status, v);
		if (pid < 0)
			return;
		if (now_ns() > end)
			break;
		usleep(10000);
	}
	fail(v, "a process of the case cannot be killed");
	snprintf(path, sizeof(path), "/proc/%d/stack", group);
	if (read_text(path, stack, sizeof(stack)) > 0)
		for (char *save, *l = strtok_r(stack, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
			report("detail", "%s\tstack of %d: %s", name, group, l);
}

static pid_t start_case(const struct testcase *c, const struct test *t, int messages)
{
	pid_t pid = fork();

	if (pid) {
		setpgid(pid, pid);
		return pid;
	}
	setpgid(0, 0);
	message_fd = messages;
	c->fn(t);
	exit(0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static int remove_directory(const void *dir)
{
	int fd = open(DAX_MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT))
		return 1;
	/* ext4 gives blocks back when the transaction commits: the next case wants them, aligned */
	return fd < 0 || syncfs(fd);
}

static void run_in_directory(const struct testcase *c, const struct test *t, struct verdict *v)
{
	int seconds = (c->seconds ?: CASE_SECONDS) * (t->debug ? DEBUG_FACTOR : 1) + t->minutes * 60;
	int status = 0, messages[2];
	pid_t pid;

	if (pipe2(messages, O_CLOEXEC | O_DIRECT | O_NONBLOCK)) {
		fail(v, "pipe: %s", strerror(errno));
		return;
	}
	fcntl(messages[1], F_SETFL, O_DIRECT);
	pid = start_case(c, t, messages[1]);
	if (wait_case(pid, messages[0], seconds, c->name, v)) {
		/* Before the rest of its group is killed, so that its own end is what is told */
		if (waitpid(pid, &status, WNOHANG) == pid) {
			take_messages(messages[0], c->name, v);
			explain_end(status, v);
		}
	} else {
		fail(v, "hangs: killed after %d s", seconds);
	}
	reap_group(pid, c->name, v);
	take_messages(messages[0], c->name, v);
	close(messages[0]);
	close(messages[1]);
}

static void verdict_report(const char *name, const struct verdict *v, int64_t start)
{
	const char *kind = v->failed[0] ? "FAIL" : v->skipped[0] ? "skip" : "ok";
	const char *reason = v->failed[0] ? v->failed : v->skipped[0] ? v->skipped : "-";

	report(kind, "%s\t%.1f\t%s", name, (double)(now_ns() - start) / 1e9, reason);
}

static void run_case(const struct testcase *c, const struct selection *s, const struct module_paths *paths)
{
	static struct verdict v;
	struct test t = { .fs = s->fs, .debug = s->debug, .demo = s->demo, .tools = paths->tools,
			  .modules = paths->tests, .core = paths->core, .minutes = s->minutes, .seed = s->seed };
	int64_t start = now_ns();
	int kmsg = kmsg_open();
	const char *why;
	char dir[256];

	memset(&v, 0, sizeof(v));
	report("start", "%s", c->name);
	dprintf(STDERR_FILENO, "case %s\n", c->name);
	snprintf(dir, sizeof(dir), DAX_MOUNT "/%s", c->name);
	t.dir = dir;
	why = modules_provide(paths, c->flags);
	if (!why && mkdir(dir, 0755))
		why = "cannot make the directory of the case";
	if (why)
		fail(&v, "%s", why);
	else
		run_in_directory(c, &t, &v);
	if (!why && guarded(remove_directory, dir, REAP_SECONDS))
		fail(&v, "the directory of the case cannot be removed");
	why = modules_unload_tests();
	if (why)
		fail(&v, "%s", why);
	why = check_leases(c->name);
	if (why)
		fail(&v, "%s", why);
	why = c->flags & BROKEN ? NULL : check_kmsg(kmsg, c->name);
	if (why)
		fail(&v, "%s", why);
	close(kmsg);
	verdict_report(c->name, &v, start);
}

static void run_check(const char *name, const char *why, int kmsg, int64_t *start)
{
	static struct verdict v;

	memset(&v, 0, sizeof(v));
	if (why)
		fail(&v, "%s", why);
	why = check_kmsg(kmsg, name);
	if (why)
		fail(&v, "%s", why);
	verdict_report(name, &v, *start);
	*start = now_ns();
}

/* The checks after the last case. The debug kernel itself counts what each module has allocated, and warns */
static void run_checks(const struct selection *s)
{
	int64_t start = now_ns();
	int kmsg = kmsg_open();
	const char *why;

	report("start", s->debug ? CASE_NO_LEAK : CASE_CLEAN);
	why = modules_unload();	/* part of both */
	if (s->debug) {
		run_check(CASE_NO_LEAK, why ?: check_kmemleak(CASE_NO_LEAK), kmsg, &start);
		report("start", CASE_CLEAN);
	}
	run_check(CASE_CLEAN, why ?: check_filesystem(s->fs), kmsg, &start);
	close(kmsg);
}

static int run_all(const struct selection *s, const struct module_paths *paths)
{
	const struct testcase **list = select_cases(s);
	size_t sound = select_sound(list), n = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fault_setup();
	for (; n < sound; n++)
		run_case(list[n], s, paths);
	if (select_checks(list))
		run_checks(s);
	for (; list[n]; n++)
		run_case(list[n], s, paths);
	report("end", "%zu", n);
	free(list);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list", no_argument, NULL, 'l' }, { "plan", no_argument, NULL, 'p' },
		{ "run", no_argument, NULL, 'r' }, { "fs", required_argument, NULL, 'f' },
		{ "debug", no_argument, NULL, 'd' }, { "turns", no_argument, NULL, 'u' },
		{ "every", no_argument, NULL, 'e' }, { "alone", no_argument, NULL, 'a' },
		{ "demo", required_argument, NULL, 'D' },
		{ "core", required_argument, NULL, 'c' }, { "type1", required_argument, NULL, 't' },
		{ "rxe", required_argument, NULL, 'x' }, { "modules", required_argument, NULL, 'M' },
		{ "root", required_argument, NULL, 'R' }, { "tools", required_argument, NULL, 'T' },
		{ "results", required_argument, NULL, 'o' }, { "minutes", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' }, { 0 }
	};
	struct module_paths paths = { .core = "", .type1 = "", .rxe = "", .root = "", .tools = "", .tests = "" };
	struct selection s = { .fs = "ext4" };
	int opt, what = 0;

	if (argc > 1 && !strcmp(argv[1], "--op"))
		return breaker_main(argc - 2, argv + 2);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'l': case 'p': case 'r': what = opt; break;
		case 'f': s.fs = optarg; break;
		case 'd': s.debug = true; break;
		case 'u': s.turns = true; break;
		case 'e': s.every = true; break;
		case 'a': s.alone = true; break;
		case 'D':
			s.demo = select_demo(optarg);
			if (!s.demo) {
				fprintf(stderr, "no demonstration is called %s\n", optarg);
				return 2;
			}
			break;
		case 'T': paths.tools = optarg; break;
		case 'm': s.minutes = strtoul(optarg, NULL, 0); break;
		case 's': s.seed = strtoull(optarg, NULL, 0); break;
		case 'c': paths.core = optarg; break;
		case 't': paths.type1 = optarg; break;
		case 'x': paths.rxe = optarg; break;
		case 'M': paths.tests = optarg; break;
		case 'R': paths.root = optarg; break;
		case 'o':
			if (report_open(optarg))
				return 2;
			break;
		default: return 2;
		}
	}
	s.names = argv + optind;
	switch (what) {
	case 'l': select_list(); return 0;
	case 'p': select_plan(&s); return 0;
	case 'r': return run_all(&s, &paths);
	}
	return 2;
}
