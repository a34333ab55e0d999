// SPDX-License-Identifier: GPL-2.0
#define FIU_ENABLE
#include <errno.h>
#include <fiu.h>
#include <fiu-control.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "points.h"

const char *const points[] = {
	"posix/open", "posix/close", "posix/fcntl", "posix/ioctl", "posix/read", "posix/poll",
	"posix/pidfd_open", "libc/mm/malloc", NULL
};

const int errnos[] = {
#include "errnos.inc"
	EMFILE, ENFILE, EPROTO, 0
};

/* The fake device, fake.c under other names */
int fake_sys_open(const char *path, int flags);
int fake_sys_close(int fd);
int fake_sys_set_nonblock(int fd);
int fake_sys_ioctl(int fd, unsigned long request, void *arg);
ssize_t fake_sys_read(int fd, void *buf, size_t len);
int fake_sys_poll(struct pollfd *fds, unsigned int nfds, int timeout_ms);
int fake_sys_ioctl_value(int fd, unsigned long request, unsigned long value);
pid_t fake_sys_getpid(void);
int fake_sys_pidfd_open(pid_t pid);
uint64_t fake_sys_now_ns(void);

/* syscall.c calls these (see Makefile) */
int point_open(const char *path, int flags, ...);
int point_close(int fd);
int point_fcntl(int fd, int cmd, ...);
int point_ioctl(int fd, unsigned long request, ...);
pid_t point_getpid(void);
ssize_t point_read(int fd, void *buf, size_t len);
int point_poll(struct pollfd *fds, nfds_t nfds, int timeout);
int point_pidfd_open(pid_t pid, unsigned int flags);
int point_clock_gettime(clockid_t clock, struct timespec *ts);

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

/* Shared with children, which are what runs the tool */
static struct {
	unsigned int nth;
	unsigned int passes;
	bool failed;
} *state;

static int errno_return(int ret)
{
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

static int fails(const char *point)
{
	if (!fiu_fail(point))
		return 0;
	return (int)(intptr_t)fiu_failinfo();
}

#define FAIL_ON(point) do {			\
	int err_ = fails(point);		\
						\
	if (err_) {				\
		errno = err_;			\
		return -1;			\
	}					\
} while (0)

int point_open(const char *path, int flags, ...)
{
	FAIL_ON("posix/open");
	return errno_return(fake_sys_open(path, flags));
}

/* As on Linux: the descriptor is gone, whatever close() says */
int point_close(int fd)
{
	fake_sys_close(fd);
	FAIL_ON("posix/close");
	return 0;
}

int point_fcntl(int fd, int cmd, ...)
{
	(void)cmd;
	FAIL_ON("posix/fcntl");
	return errno_return(fake_sys_set_nonblock(fd));
}

int point_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	FAIL_ON("posix/ioctl");
	if (request == VFIO_CHECK_EXTENSION)	/* a number, not an address */
		return errno_return(fake_sys_ioctl_value(fd, request, (unsigned long)arg));
	return errno_return(fake_sys_ioctl(fd, request, arg));
}

/* Cannot fail */
pid_t point_getpid(void)
{
	return fake_sys_getpid();
}

ssize_t point_read(int fd, void *buf, size_t len)
{
	FAIL_ON("posix/read");
	return errno_return(fake_sys_read(fd, buf, len));
}

int point_poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
	FAIL_ON("posix/poll");
	return errno_return(fake_sys_poll(fds, nfds, timeout));
}

int point_pidfd_open(pid_t pid, unsigned int flags)
{
	(void)flags;
	FAIL_ON("posix/pidfd_open");
	return errno_return(fake_sys_pidfd_open(pid));
}

int point_clock_gettime(clockid_t clock, struct timespec *ts)
{
	uint64_t now = fake_sys_now_ns();

	(void)clock;
	ts->tv_sec = now / 1000000000;
	ts->tv_nsec = now % 1000000000;
	return 0;
}

void *__wrap_malloc(size_t size)
{
	if (!fails("libc/mm/malloc"))
		return __real_malloc(size);
	errno = ENOMEM;
	return NULL;
}

static int is_nth(const char *name, int *failnum, void **failinfo, unsigned int *flags)
{
	(void)name;
	(void)failnum;
	(void)failinfo;
	(void)flags;
	if (++state->passes != state->nth)
		return 0;
	state->failed = true;
	return 1;
}

void points_init(void)
{
	if (fiu_init(0))
		abort();
	if (!state)
		state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (state == MAP_FAILED)
		abort();
}

void point_fail(const char *point, unsigned int n, int err)
{
	state->nth = n;
	state->passes = 0;
	state->failed = false;
	if (fiu_enable_external(point, 1, (void *)(intptr_t)err, 0, is_nth))
		abort();
}

bool point_failed(const char *point)
{
	fiu_disable(point);
	return state->failed;
}

unsigned int point_passes(void)
{
	return state->passes;
}
