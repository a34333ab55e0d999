// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "syscall.h"

int daxlease_verbs_sys_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int daxlease_verbs_sys_close(int fd)
{
	return close(fd) < 0 ? -errno : 0;
}
