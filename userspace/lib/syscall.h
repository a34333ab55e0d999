/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one seam between the library and the kernel. Each function is one system call and returns
 * its result or -errno. The tests link their own syscall.c: a device without a module.
 */
#ifndef DAXLEASE_SYSCALL_H
#define DAXLEASE_SYSCALL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int daxlease_sys_open(const char *path, int flags);
int daxlease_sys_close(int fd);
int daxlease_sys_set_nonblock(int fd);
int daxlease_sys_ioctl(int fd, unsigned long request, void *arg);
int daxlease_sys_ioctl_value(int fd, unsigned long request, unsigned long value);
ssize_t daxlease_sys_read(int fd, void *buf, size_t len);
int daxlease_sys_poll(struct pollfd *fds, unsigned int nfds, int timeout_ms);
pid_t daxlease_sys_getpid(void);
int daxlease_sys_pidfd_open(pid_t pid);
uint64_t daxlease_sys_now_ns(void);

#endif /* DAXLEASE_SYSCALL_H */
