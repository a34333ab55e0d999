// SPDX-License-Identifier: GPL-2.0
/* Soft RoCE: a region on a lease, beside stock's on anonymous memory. Registration per GiB, traffic per call. */
#include "bench.h"
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK	(64 * 1024)

/* From @buf of side 0 into the region, and back */
static void traffic(const struct bench *b, struct verbs *v, const char *variant, uint64_t remote, uint32_t rkey)
{
	uint64_t t;

	for (unsigned int i = 0; i < 2 * b->reps; i++) {
		t = meter();
		CHECK_WC(verbs_do(v, IBV_WR_RDMA_WRITE, BLOCK, remote + i * BLOCK, rkey), IBV_WC_SUCCESS);
		sample("RDMA write of 64 KiB", variant, meter() - t, 1);
		t = meter();
		CHECK_WC(verbs_do(v, IBV_WR_RDMA_READ, BLOCK, remote + i * BLOCK, rkey), IBV_WC_SUCCESS);
		sample("RDMA read of 64 KiB", variant, meter() - t, 1);
	}
}

static void stock(const struct bench *b, struct verbs *v, const char *variant, void *p)
{
	double gib = (double)b->big / GIB;
	struct ibv_mr *mr;
	uint64_t t;

	for (unsigned int i = 0; i < b->reps + 1; i++) {
		t = meter();
		mr = ibv_reg_mr(v->pd, p, b->big, VERBS_ALL);
		t = meter() - t;
		CHECK(mr, "ibv_reg_mr of %s: %s", variant, strerror(errno));
		if (i)
			sample("rdma-register", variant, t, gib);
		if (i == b->reps)
			traffic(b, v, variant, (uintptr_t)p, mr->rkey);
		t = meter();
		CHECK_EQ(ibv_dereg_mr(mr), 0);
		if (i)
			sample("rdma-deregister", variant, meter() - t, gib);
	}
	memory_free(p, b->big);
}

void bench_rdma_stock(const struct bench *b)
{
	struct verbs v;

	/* Stock's table of pages is one piece of memory */
	shell("echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory");
	verbs_open(&v);
	stock(b, &v, "anonymous, 4 KiB", memory_pages(b->big));
	stock(b, &v, "anonymous, THP", memory_thp(b->big));
}

void bench_rdma(const struct bench *b)
{
	double gib = (double)b->big / GIB;
	int fd = memory_big(b), ctx = lease_open(), dmabuf;
	struct daxlease_acquire a;
	struct region r;
	struct verbs v;
	uint64_t t[4];

	verbs_open(&v);
	for (unsigned int i = 0; i < b->reps + 1; i++) {
		t[0] = meter();
		CHECK_RET(lease_acquire(ctx, fd, 0, b->big, DAXLEASE_WRITE, 1000 * MS, &a), 0);
		t[1] = meter();
		CHECK_RET(lease_export(ctx, a.id, 0, b->big, O_RDWR | O_CLOEXEC, &dmabuf), 0);
		t[2] = meter();
		CHECK_RET(verbs_reg(&v, dmabuf, 0, b->big, IOVA, VERBS_ALL, &r), 0);
		t[3] = meter();
		if (i) {
			sample("rdma-register", "lease", t[3] - t[0], gib);
			sample("rdma-register", "of it ACQUIRE, EXPORT_DMABUF", t[2] - t[0], gib);
			sample("rdma-register", "of it REG_DMABUF_MR", t[3] - t[2], gib);
		}
		if (i == b->reps)
			traffic(b, &v, "lease", IOVA, r.rkey);
		t[0] = meter();
		CHECK_RET(verbs_dereg(&v, &r), 0);
		close(dmabuf);
		CHECK_RET(lease_release(ctx, a.id), 0);
		if (i)
			sample("rdma-deregister", "lease", meter() - t[0], gib);
	}
	close(ctx);
	close(fd);
}
