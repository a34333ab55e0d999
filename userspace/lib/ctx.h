/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of a context: nothing in it changes between open and close, so it needs no lock. */
#ifndef DAXLEASE_CTX_H
#define DAXLEASE_CTX_H

#include <libdaxlease.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define offsetofend(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/**
 * struct daxlease_ctx - an open device
 * @fd: non-blocking, owned
 */
struct daxlease_ctx {
	int fd;
};

int daxlease_ctx_ioctl(struct daxlease_ctx *ctx, unsigned long request, void *arg, size_t size);

#endif /* DAXLEASE_CTX_H */
