/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdaxlease-verbs: RDMA memory regions on leases.
 *
 * A memory region (MR) is registered on a lease or a part of it, through a dma-buf. A break that
 * reaches the region ends it as a whole: after the fence local and remote accesses fail, and the
 * region is good for nothing but deregistration. Events are those of the lease's context, whose
 * descriptor is polled beside completion channels: there is no thread. libdaxlease-verbs(7) is the
 * overview.
 *
 * Conventions are those of <libdaxlease.h>.
 */
#ifndef LIBDAXLEASE_VERBS_H
#define LIBDAXLEASE_VERBS_H

#include <infiniband/verbs.h>

#include <libdaxlease.h>

#ifdef __cplusplus
extern "C" {
#endif

struct daxlease_mr;

/**
 * struct daxlease_mr_attr - what to register
 * @lease: id of the lease
 * @offset: first byte in the file, within the lease; need not be aligned
 * @length: bytes, at least 1
 * @iova: address that work requests use for the first byte; modulo the page size the same as @offset
 * @addr: where the caller has the range mapped, for ibv_mr.addr only; may be NULL
 * @access: IBV_ACCESS_LOCAL_WRITE, _REMOTE_READ, _REMOTE_WRITE, _REMOTE_ATOMIC,
 *	_RELAXED_ORDERING; no other flag is possible for a dma-buf
 */
struct daxlease_mr_attr {
	uint64_t lease;
	uint64_t offset;
	uint64_t length;
	uint64_t iova;
	void *addr;
	unsigned int access;
};

int daxlease_mr_reg(struct daxlease_ctx *ctx, struct ibv_pd *pd,
		    const struct daxlease_mr_attr *attr, size_t size, struct daxlease_mr **mr);
int daxlease_mr_dereg(struct daxlease_mr *mr);
struct ibv_mr *daxlease_mr_ibv(struct daxlease_mr *mr);
int daxlease_mr_hit(const struct daxlease_mr *mr, const struct daxlease_event *event);
const char *daxlease_mr_explain(int err);

#ifdef __cplusplus
}
#endif

#endif /* LIBDAXLEASE_VERBS_H */
