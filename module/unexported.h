/* SPDX-License-Identifier: GPL-2.0 */
/*
 * unexported: functions of the kernel that modules cannot link to, and a variable, found at load
 * time.
 *
 * Each has the signature and the meaning of its namesake in the kernel. Calls are static calls: see
 * redirect.h.
 */
#ifndef _DAXLEASE_UNEXPORTED_H
#define _DAXLEASE_UNEXPORTED_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/static_call.h>

struct mm_struct;
struct pid;
struct task_struct;

int dl_no_security_file_lock(struct file *file, unsigned int cmd);
struct pid *dl_no_pidfd_pid(const struct file *file);
struct mm_struct *dl_no_mm_access(struct task_struct *task, unsigned int mode);

DECLARE_STATIC_CALL(dl_security_file_lock, dl_no_security_file_lock);
DECLARE_STATIC_CALL(dl_pidfd_pid, dl_no_pidfd_pid);
DECLARE_STATIC_CALL(dl_mm_access, dl_no_mm_access);

extern const atomic_long_t *dl_num_poisoned_pages;	/* NULL: not found */

int dl_unexported_init(void);

#endif /* _DAXLEASE_UNEXPORTED_H */
