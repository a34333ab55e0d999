// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory registration of unmodified verbs programs: libibverbs is asked first, and only what it
 * refuses with EOPNOTSUPP, as the kernel does for files on persistent memory, is tried as a lease.
 *
 * The symbol versions (libdaxlease-preload.map) are those of libibverbs: callers of the interface
 * before 1.1 (IBVERBS_1.0) have structures of another form, and are not met.
 */
#include <errno.h>

#include "preload.h"

/* <infiniband/verbs.h> has macros of these names around the functions. */
#undef ibv_reg_mr
#undef ibv_reg_mr_iova

static struct ibv_mr *missing(void)
{
	errno = ENOSYS;
	return NULL;
}

static struct ibv_mr *refused(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
			      unsigned int access)
{
	struct ibv_mr *mr = NULL;
	int ret;

	if (errno != EOPNOTSUPP)
		return NULL;
	ret = takeover_reg(pd, addr, length, iova, access, &mr);
	errno = -ret;
	return mr;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	struct ibv_mr *(*real)(struct ibv_pd *pd, void *addr, size_t length, int access) =
		preload_real("ibv_reg_mr", "IBVERBS_1.1");
	struct ibv_mr *mr;

	if (!real)
		return missing();
	mr = real(pd, addr, length, access);
	return mr ? mr : refused(pd, addr, length, (uintptr_t)addr, access);
}

struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
			       int access)
{
	struct ibv_mr *(*real)(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
			       int access) = preload_real("ibv_reg_mr_iova", "IBVERBS_1.7");
	struct ibv_mr *mr;

	if (!real)
		return missing();
	mr = real(pd, addr, length, iova, access);
	return mr ? mr : refused(pd, addr, length, iova, access);
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access)
{
	struct ibv_mr *(*real)(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
			       unsigned int access) =
		preload_real("ibv_reg_mr_iova2", "IBVERBS_1.8");
	struct ibv_mr *mr;

	if (!real)
		return missing();
	mr = real(pd, addr, length, iova, access);
	return mr ? mr : refused(pd, addr, length, iova, access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	int (*real)(struct ibv_mr *mr) = preload_real("ibv_dereg_mr", "IBVERBS_1.1");
	int ret = takeover_dereg(mr);

	/* Like libibverbs: a positive errno. */
	if (ret != -ENOENT)
		return -ret;
	return real ? real(mr) : ENOSYS;
}
