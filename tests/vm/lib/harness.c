// SPDX-License-Identifier: GPL-2.0
/*
 * The case's side of the harness: assertions, stories, and a few helpers that everything uses.
 */
#include "harness.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int message_fd = -1;

static void vsend(char kind, const char *prefix, const char *fmt, va_list ap)
{
	char text[MESSAGE_MAX];
	int n;

	n = snprintf(text, sizeof(text), "%c%s", kind, prefix);
	if (n < (int)sizeof(text))
		vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	if (message_fd < 0)
		fprintf(stderr, "%s\n", text);
	else if (write(message_fd, text, strlen(text)) < 0)
		fprintf(stderr, "message lost: %s\n", text);
}

static void vfail(const char *file, int lineno, const char *what, const char *fmt, va_list ap)
{
	const char *base = strrchr(file, '/');
	char prefix[MESSAGE_MAX];

	snprintf(prefix, sizeof(prefix), "%s:%d: %s%s", base ? base + 1 : file, lineno, what,
		 *fmt ? ": " : "");
	vsend(MSG_FAIL, prefix, fmt, ap);
	_exit(1);
}

void check_failed(const char *file, int lineno, const char *expr, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfail(file, lineno, expr, fmt, ap);
	abort();
}

void check_eq_failed(const char *file, int lineno, const char *expr, long long got, long long want,
		     const char *fmt, ...)
{
	char what[512];
	va_list ap;

	snprintf(what, sizeof(what), "%s is %lld (0x%llx), not %lld (0x%llx)", expr, got, got, want, want);
	va_start(ap, fmt);
	vfail(file, lineno, what, fmt, ap);
	abort();
}

void check_ret_failed(const char *file, int lineno, const char *expr, long long got, long long want,
		      const char *fmt, ...)
{
	char what[512];
	va_list ap;
	int n;

	n = snprintf(what, sizeof(what), "%s is %s, ", expr, ret_name(got));
	if (n < (int)sizeof(what))
		snprintf(what + n, sizeof(what) - n, "not %s", ret_name(want));
	va_start(ap, fmt);
	vfail(file, lineno, what, fmt, ap);
	abort();
}

void check_sys_failed(const char *file, int lineno, const char *expr)
{
	check_failed(file, lineno, expr, "%s", strerror(errno));
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsend(MSG_SKIP, "", fmt, ap);
	va_end(ap);
	_exit(0);
}

void story(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsend(MSG_STORY, "", fmt, ap);
	va_end(ap);
}

void line(bool pass, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsend(pass ? MSG_PASS_LINE : MSG_FAIL_LINE, "", fmt, ap);
	va_end(ap);
}

const char *ret_name(long long ret)
{
	static __thread char number[24];
	const char *name = ret < 0 && ret > -4096 ? strerrorname_np((int)-ret) : NULL;

	if (name)
		return name;
	snprintf(number, sizeof(number), "%lld", ret);
	return number;
}

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

bool wait_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t end = now_ns() + timeout_ms * 1000000LL;
	int ret;

	do {
		ret = poll(&p, 1, timeout_ms);
		timeout_ms = (int)((end - now_ns()) / 1000000);
	} while (ret < 0 && errno == EINTR && timeout_ms > 0);
	return ret > 0;
}

bool wait_asleep_in(pid_t pid, const char *what, const char *and, int timeout_ms)
{
	int64_t end = now_ns() + timeout_ms * 1000000LL;
	char path[64], stack[4096];

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	for (; now_ns() < end; usleep(10000))
		/* Empty while it runs */
		if (read_text(path, stack, sizeof(stack)) > 0 && strstr(stack, what) && (!and || strstr(stack, and)))
			return true;
	return false;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int empty_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n = 0;
	int err;

	if (fd < 0)
		return -errno;
	while (have < size - 1 && (n = read(fd, buf + have, size - 1 - have)) > 0)
		have += n;
	err = n < 0 ? -errno : 0;
	buf[have] = 0;
	close(fd);
	return err ?: (int)have;
}

int shell(const char *fmt, ...)
{
	char command[2048];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
