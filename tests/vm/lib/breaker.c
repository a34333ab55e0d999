// SPDX-License-Identifier: GPL-2.0
#include "breaker.h"
#include "harness.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What travels by the pipe: "about to call" once, then the result */
#define ABOUT	'A'

struct outcome {
	int64_t ret;
	int64_t start_ns;
	int64_t end_ns;
};

static int be_user(uid_t uid)
{
	if (!uid)
		return 0;
	return setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ? -errno : 0;
}

static void tell(int fd, const void *data, size_t size)
{
	if (write(fd, data, size) != (ssize_t)size)
		_exit(3);
}

static void call_and_tell(int fd, int (*fn)(void *arg), void *arg)
{
	struct outcome o;
	char about = ABOUT;

	tell(fd, &about, 1);
	o.start_ns = now_ns();
	o.ret = fn(arg);
	o.end_ns = now_ns();
	tell(fd, &o, sizeof(o));
}

static int do_op(void *op)
{
	return op_do(op);
}

int breaker_main(int argc, char **argv)
{
	struct op op;
	int fd;

	if (argc != 7)
		return 2;
	fd = atoi(argv[0]);
	op.kind = atoi(argv[1]);
	op.path = argv[2];
	op.other = *argv[3] ? argv[3] : NULL;
	op.offset = strtoull(argv[4], NULL, 0);
	op.length = strtoull(argv[5], NULL, 0);
	op.uid = atoi(argv[6]);
	prctl(PR_SET_NAME, "breaker");
	if (be_user(op.uid))
		return 3;
	call_and_tell(fd, do_op, &op);
	return 0;
}

/* Waits for the process to be about to call */
static void begin(struct breaker *b, int write_end)
{
	char about = 0;

	close(write_end);
	CHECK(b->pid > 0, "fork: %s", strerror(errno));
	CHECK_EQ(read(b->pipe, &about, 1), 1, "the breaker did not start");
	CHECK_EQ(about, ABOUT);
}

void breaker_start(struct breaker *b, const struct op *op)
{
	char fd[16], kind[16], offset[32], length[32], uid[16];
	char *argv[] = { "vm-cases", "--op", fd, kind, (char *)op->path, (char *)(op->other ?: ""),
			 offset, length, uid, NULL };
	int ends[2];

	CHECK_SYS(pipe2(ends, O_CLOEXEC));
	snprintf(fd, sizeof(fd), "%d", ends[1]);
	snprintf(kind, sizeof(kind), "%d", op->kind);
	snprintf(offset, sizeof(offset), "%llu", (unsigned long long)op->offset);
	snprintf(length, sizeof(length), "%llu", (unsigned long long)op->length);
	snprintf(uid, sizeof(uid), "%u", op->uid);
	b->pipe = ends[0];
	b->pid = fork();
	if (!b->pid) {
		fcntl(ends[1], F_SETFD, 0);
		execv("/proc/self/exe", argv);
		_exit(3);
	}
	begin(b, ends[1]);
}

static void close_all_but(int a, int b, int c)
{
	int max = 1024;

	for (int fd = 3; fd < max; fd++)
		if (fd != a && fd != b && fd != c)
			close(fd);
}

void breaker_start_fn(struct breaker *b, int (*fn)(void *arg), void *arg, int keep_fd)
{
	int ends[2];

	CHECK_SYS(pipe2(ends, O_CLOEXEC));
	b->pipe = ends[0];
	b->pid = fork();
	if (!b->pid) {
		close_all_but(ends[1], keep_fd, message_fd);
		call_and_tell(ends[1], fn, arg);
		_exit(0);
	}
	begin(b, ends[1]);
}

bool breaker_done(const struct breaker *b)
{
	return wait_readable(b->pipe, 0);
}

struct breaker_result breaker_join(struct breaker *b, int timeout_ms)
{
	struct breaker_result r = { .ret = -EINTR };
	struct outcome o;
	ssize_t n;
	int status;

	CHECK(wait_readable(b->pipe, timeout_ms), "the breaker still waits after %d ms", timeout_ms);
	n = read(b->pipe, &o, sizeof(o));
	CHECK_SYS(waitpid(b->pid, &status, 0));
	if (n == sizeof(o)) {
		r.ret = o.ret;
		r.start_ns = o.start_ns;
		r.end_ns = o.end_ns;
	} else {
		CHECK(WIFSIGNALED(status), "the breaker ended without a result, status 0x%x", status);
		r.killed = true;
		r.end_ns = now_ns();
	}
	close(b->pipe);
	b->pid = 0;
	return r;
}

void breaker_kill(const struct breaker *b, int sig)
{
	CHECK_SYS(kill(b->pid, sig));
}

struct breaker_result breaker_run(const struct op *op, int timeout_ms)
{
	struct breaker b;

	breaker_start(&b, op);
	return breaker_join(&b, timeout_ms);
}

const char *op_path(int fd)
{
	static char path[8][64];
	static unsigned int next;
	char *p = path[next++ % 8];

	snprintf(p, sizeof(path[0]), "/proc/%d/fd/%d", getpid(), fd);
	return p;
}
