/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the interposed functions stand on. */
#ifndef DAXLEASE_PRELOAD_H
#define DAXLEASE_PRELOAD_H

#include <infiniband/verbs.h>

/* The next definition of a function after ours, or NULL. Tests have their own. */
void *preload_real(const char *name, const char *version);

int takeover_reg(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova, unsigned int access,
		 struct ibv_mr **mr);
int takeover_dereg(struct ibv_mr *mr);

#endif /* DAXLEASE_PRELOAD_H */
