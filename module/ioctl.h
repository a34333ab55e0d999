/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ioctl: the system calls on /dev/daxlease. Everything from user space is checked here: dev.c
 * checks sizes and copies, ioctl.c has one function for each ioctl.
 *
 * These take a copy of the user's structure, zero-extended, and return 0, after which it is copied
 * back if it has an answer, or an errno of the list in uapi/daxlease.h. What makes something that
 * only the answer names has an end function, which takes it back if the answer did not arrive.
 */
#ifndef _DAXLEASE_IOCTL_H
#define _DAXLEASE_IOCTL_H

#include <linux/fs.h>
#include <daxlease.h>

struct dl_ctx;

union dl_cmd {
	struct daxlease_info info;
	struct daxlease_acquire acquire;
	struct daxlease_release release;
	struct daxlease_query query;
	struct daxlease_ack ack;
	struct daxlease_rearm rearm;
	struct daxlease_export_dmabuf export_dmabuf;
	struct {	/* the same, and what its fd is reserved for */
		struct daxlease_export_dmabuf export_reply;
		struct file *export_file;
	};
	struct daxlease_flush flush;
	struct daxlease_watch watch;
	struct daxlease_break brk;
};

int dl_do_info(struct dl_ctx *ctx, union dl_cmd *cmd);
int dl_do_acquire(struct dl_ctx *ctx, union dl_cmd *cmd);
void dl_end_acquire(struct dl_ctx *ctx, union dl_cmd *cmd, bool told);
int dl_do_release(struct dl_ctx *ctx, union dl_cmd *cmd);
int dl_do_query(struct dl_ctx *ctx, union dl_cmd *cmd);
int dl_do_ack(struct dl_ctx *ctx, union dl_cmd *cmd);
int dl_do_rearm(struct dl_ctx *ctx, union dl_cmd *cmd);
int dl_do_export_dmabuf(struct dl_ctx *ctx, union dl_cmd *cmd);
void dl_end_export_dmabuf(struct dl_ctx *ctx, union dl_cmd *cmd, bool told);
int dl_do_flush(struct dl_ctx *ctx, union dl_cmd *cmd);
int dl_do_watch(struct dl_ctx *ctx, union dl_cmd *cmd);
int dl_do_break(struct dl_ctx *ctx, union dl_cmd *cmd);

extern const struct file_operations dl_fops;

#endif /* _DAXLEASE_IOCTL_H */
