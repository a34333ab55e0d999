/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The seam between this library and the kernel, as libdaxlease's: 0 or -errno. Tests have their own. */
#ifndef DAXLEASE_VERBS_SYSCALL_H
#define DAXLEASE_VERBS_SYSCALL_H

int daxlease_verbs_sys_ioctl(int fd, unsigned long request, void *arg);
int daxlease_verbs_sys_close(int fd);

#endif /* DAXLEASE_VERBS_SYSCALL_H */
