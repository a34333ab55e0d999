// SPDX-License-Identifier: GPL-2.0
/*
 * A lease as a dma-buf, and a dma-buf as a memory region of soft RoCE: who may have which, what the
 * region can do while the lease lives, and how accesses end when it is taken back.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GRACE		(25000 * MS)	/* no case waits for its end */
#define SOON_MS		10000
#define SEED		21
#define IOVA		0x700000000000ULL
#define SIZE		(8 * MIB)

/* A file, a lease on all of it, a dma-buf of that, a region on that */
struct leased {
	int fd;
	int ctx;
	struct daxlease_acquire lease;
	int dmabuf;
	struct verbs v;
	struct region r;
};

static void leased_open(struct leased *l, const struct test *t, uint32_t flags)
{
	bool write = flags & DAXLEASE_WRITE;

	l->fd = file_create(path_in(t->dir, "file"), SIZE, SEED);
	l->ctx = lease_open();
	CHECK_RET(lease_acquire(l->ctx, l->fd, 0, SIZE, flags, GRACE, &l->lease), 0);
	CHECK_RET(lease_export(l->ctx, l->lease.id, 0, SIZE, O_CLOEXEC | (write ? O_RDWR : 0), &l->dmabuf), 0);
	verbs_open(&l->v);
	CHECK_RET(verbs_reg(&l->v, l->dmabuf, 0, SIZE, IOVA, write ? VERBS_ALL : VERBS_READ, &l->r), 0);
}

/* Break all of the lease and give way */
static void take_back(struct leased *l)
{
	struct daxlease_event ev;

	CHECK_RET(lease_break(l->ctx, l->fd, 0, SIZE, NULL), 0);
	CHECK(lease_wait(l->ctx, l->lease.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_RET(lease_ack(l->ctx, ev.id, ev.generation, ev.break_id), 0);
	CHECK_EQ(lease_state(l->ctx, l->lease.id), DAXLEASE_REVOKED);
}

static void moves_data(const struct test *t)
{
	struct leased l;

	leased_open(&l, t, DAXLEASE_WRITE);
	close(l.dmabuf);
	/* More than a packet, from the middle of a page, over the boundary of a granule */
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_READ, 64 * 1024, IOVA + 2 * MIB - 1000, l.r.rkey), IBV_WC_SUCCESS);
	CHECK_EQ(pattern_differs(l.v.buf, 64 * 1024, SEED, 2 * MIB - 1000), -1, "what RDMA read");
	memset(l.v.buf, 0x5a, 64 * 1024);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_WRITE, 64 * 1024, IOVA + 4 * MIB - 1000, l.r.rkey), IBV_WC_SUCCESS);
	CHECK_EQ(file_differs_from_byte(l.fd, 4 * MIB - 1000, 64 * 1024, 0x5a), -1, "what RDMA wrote");
	CHECK_PATTERN(l.fd, 0, 4 * MIB - 1000, SEED);
	CHECK_PATTERN(l.fd, 4 * MIB - 1000 + 64 * 1024, 2 * MIB, SEED);
	story("RDMA read and write of 64 KiB: what the file has, and nothing around it has changed");
	CHECK_RET(verbs_dereg(&l.v, &l.r), 0);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_READ, 64, IOVA, l.r.rkey), IBV_WC_REM_ACCESS_ERR);
}

static void refuses_after_fence(const struct test *t)
{
	struct leased l;

	leased_open(&l, t, DAXLEASE_WRITE);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_WRITE, 4096, IOVA, l.r.rkey), IBV_WC_SUCCESS);
	take_back(&l);
	memset(l.v.buf, 0x77, 4096);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_WRITE, 4096, IOVA + MIB, l.r.rkey), IBV_WC_REM_ACCESS_ERR);
	CHECK_PATTERN(l.fd, MIB, SIZE - MIB, SEED);
	verbs_connect(&l.v);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_READ, 4096, IOVA + MIB, l.r.rkey), IBV_WC_REM_ACCESS_ERR);
	CHECK_EQ(l.v.buf[0], 0x77);
	CHECK_EQ(l.v.buf[4095], 0x77);
	CHECK_RET(verbs_dereg(&l.v, &l.r), 0);
}

const struct testcase rdma_cases[] = {
	{ "rdma-moves-data-of-lease", "a lease exported as dma-buf and registered with rxe: RDMA reads and writes the file",
	  moves_data, ON_ANY | NEEDS_RXE, 0 },
	{ "rdma-refuses-after-fence", "RDMA write and read end in a remote access error after the fence, and touch nothing",
	  refuses_after_fence, ON_ANY | NEEDS_RXE, 0 },
	{ 0 }
};
