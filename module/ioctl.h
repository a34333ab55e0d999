/* SPDX-License-Identifier: GPL-2.0 */
/* ioctl: the system calls on /dev/daxlease. Everything from user space is checked here. */
#ifndef _DAXLEASE_IOCTL_H
#define _DAXLEASE_IOCTL_H

#include <linux/fs.h>

extern const struct file_operations dl_fops;

#endif /* _DAXLEASE_IOCTL_H */
