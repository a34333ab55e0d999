// SPDX-License-Identifier: GPL-2.0
/*
 * A memory region of soft RoCE on a lease: what it can do while the lease lives, and how accesses end when it
 * is taken back.
 */
#include "file.h"
#include "harness.h"
#include "leased.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define IOVA	LEASED_IOVA

static void moves_data(const struct test *t)
{
	struct leased l;

	leased_open(&l, t->dir, DAXLEASE_WRITE);
	close(l.dmabuf);
	/* More than a packet, from the middle of a page, over the boundary of a granule */
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_READ, 64 * 1024, IOVA + 2 * MIB - 1000, l.r.rkey), IBV_WC_SUCCESS);
	CHECK_EQ(pattern_differs(l.v.buf, 64 * 1024, LEASED_SEED, 2 * MIB - 1000), -1, "what RDMA read");
	memset(l.v.buf, 0x5a, 64 * 1024);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_WRITE, 64 * 1024, IOVA + 4 * MIB - 1000, l.r.rkey), IBV_WC_SUCCESS);
	CHECK_EQ(file_differs_from_byte(l.fd, 4 * MIB - 1000, 64 * 1024, 0x5a), -1, "what RDMA wrote");
	CHECK_PATTERN(l.fd, 0, 4 * MIB - 1000, LEASED_SEED);
	CHECK_PATTERN(l.fd, 4 * MIB - 1000 + 64 * 1024, 2 * MIB, LEASED_SEED);
	story("RDMA read and write of 64 KiB: what the file has, and nothing around it has changed");
	CHECK_RET(verbs_dereg(&l.v, &l.r), 0);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_READ, 64, IOVA, l.r.rkey), IBV_WC_REM_ACCESS_ERR);
}

/*
 * One access each, 4 KiB or less unless it says more, of which side 0 hears the end.
 */
static enum ibv_wc_status remote_write(struct leased *l)
{
	return verbs_do(&l->v, IBV_WR_RDMA_WRITE, 4096, IOVA + MIB, l->r.rkey);
}

static enum ibv_wc_status remote_write_64k(struct leased *l)
{
	return verbs_do(&l->v, IBV_WR_RDMA_WRITE, 64 * 1024, IOVA + MIB, l->r.rkey);
}

static enum ibv_wc_status remote_read(struct leased *l)
{
	return verbs_do(&l->v, IBV_WR_RDMA_READ, 64 * 1024, IOVA + MIB, l->r.rkey);
}

static enum ibv_wc_status compare_and_swap(struct leased *l)
{
	return verbs_do(&l->v, IBV_WR_ATOMIC_CMP_AND_SWP, 8, IOVA + MIB, l->r.rkey);
}

static enum ibv_wc_status fetch_and_add(struct leased *l)
{
	return verbs_do(&l->v, IBV_WR_ATOMIC_FETCH_AND_ADD, 8, IOVA + MIB, l->r.rkey);
}

static enum ibv_wc_status atomic_write(struct leased *l)
{
	verbs_post_atomic_write(&l->v, IOVA + MIB, l->r.rkey, 0x1122334455667788ULL);
	return verbs_wait(&l->v, 0);
}

static enum ibv_wc_status flush_range(struct leased *l)
{
	verbs_post_flush(&l->v, 256 * 1024, IOVA + MIB, l->r.rkey);
	return verbs_wait(&l->v, 0);
}

static enum ibv_wc_status flush_region(struct leased *l)
{
	verbs_post_flush(&l->v, 0, IOVA, l->r.rkey);
	return verbs_wait(&l->v, 0);
}

static enum ibv_wc_status window_write(struct leased *l)
{
	return verbs_do(&l->v, IBV_WR_RDMA_WRITE, 4096, IOVA + MIB, l->mw->rkey);
}

static enum ibv_wc_status window_read(struct leased *l)
{
	return verbs_do(&l->v, IBV_WR_RDMA_READ, 4096, IOVA + MIB, l->mw->rkey);
}

/* The region as the local end of side 0 */
static enum ibv_wc_status local_end(struct leased *l, enum ibv_wr_opcode opcode, uint32_t length)
{
	struct ibv_sge sge = { .addr = IOVA + MIB, .length = length, .lkey = l->r.lkey };
	struct ibv_send_wr wr = { .sg_list = &sge, .num_sge = 1, .opcode = opcode };

	if (opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr.wr.atomic.remote_addr = (uintptr_t)l->v.buf;
		wr.wr.atomic.rkey = l->v.mr->rkey;
	} else {
		wr.wr.rdma.remote_addr = (uintptr_t)l->v.buf;
		wr.wr.rdma.rkey = l->v.mr->rkey;
	}
	verbs_post_wr(&l->v, 0, &wr);
	return verbs_wait(&l->v, 0);
}

static enum ibv_wc_status write_from(struct leased *l)
{
	return local_end(l, IBV_WR_RDMA_WRITE, 4096);
}

static enum ibv_wc_status read_into(struct leased *l)
{
	return local_end(l, IBV_WR_RDMA_READ, 4096);
}

static enum ibv_wc_status atomic_into(struct leased *l)
{
	return local_end(l, IBV_WR_ATOMIC_FETCH_AND_ADD, 8);
}

static enum ibv_wc_status send_from(struct leased *l)
{
	enum ibv_wc_status status;

	verbs_recv(&l->v, (uintptr_t)l->v.buf, 4096, l->v.mr->lkey);
	status = local_end(l, IBV_WR_SEND, 4096);
	if (status == IBV_WC_SUCCESS)
		CHECK_WC(verbs_wait(&l->v, 1), IBV_WC_SUCCESS, "the receiver");
	return status;
}

/* What the receiver says; side 0 is told that it could not */
static enum ibv_wc_status receive_into(struct leased *l)
{
	enum ibv_wc_status status, receiver;

	verbs_recv(&l->v, IOVA + MIB, 4096, l->r.lkey);
	status = verbs_do(&l->v, IBV_WR_SEND, 4096, 0, 0);
	receiver = verbs_wait(&l->v, 1);
	CHECK_WC(status, receiver == IBV_WC_SUCCESS ? IBV_WC_SUCCESS : IBV_WC_REM_OP_ERR, "the sender");
	return receiver;
}

static const struct {
	const char *name;
	enum ibv_wc_status (*access)(struct leased *l);
	enum ibv_wc_status revoked;
} accesses[] = {
	{ "RDMA write", remote_write, IBV_WC_REM_ACCESS_ERR },
	{ "RDMA write of many packets", remote_write_64k, IBV_WC_REM_ACCESS_ERR },
	{ "RDMA read", remote_read, IBV_WC_REM_ACCESS_ERR },
	{ "compare and swap", compare_and_swap, IBV_WC_REM_ACCESS_ERR },
	{ "fetch and add", fetch_and_add, IBV_WC_REM_ACCESS_ERR },
	{ "atomic write", atomic_write, IBV_WC_REM_ACCESS_ERR },
	{ "flush of a range", flush_range, IBV_WC_REM_ACCESS_ERR },
	{ "flush of the region", flush_region, IBV_WC_REM_ACCESS_ERR },
	{ "RDMA write through a memory window", window_write, IBV_WC_REM_ACCESS_ERR },
	{ "RDMA read through a memory window", window_read, IBV_WC_REM_ACCESS_ERR },
	{ "RDMA write out of it", write_from, IBV_WC_LOC_PROT_ERR },
	{ "RDMA read into it", read_into, IBV_WC_LOC_PROT_ERR },
	{ "result of an atomic into it", atomic_into, IBV_WC_LOC_PROT_ERR },
	{ "send out of it", send_from, IBV_WC_LOC_PROT_ERR },
	{ "receive into it", receive_into, IBV_WC_LOC_PROT_ERR },
};

#define ACCESSES	(sizeof(accesses) / sizeof(accesses[0]))

static void refuses_after_fence(const struct test *t)
{
	static unsigned char before[LEASED_SIZE], after[LEASED_SIZE];
	struct leased l;

	leased_open(&l, t->dir, DAXLEASE_WRITE);
	CHECK_RET(verbs_rereg(&l.v, &l.r, VERBS_ALL | VERBS_FLUSH | IBV_ACCESS_MW_BIND), 0);
	l.mw = verbs_window(&l.v, &l.r);
	for (unsigned int i = 0; i < ACCESSES; i++)
		CHECK_WC(accesses[i].access(&l), IBV_WC_SUCCESS, "%s, before the fence", accesses[i].name);
	story("%zu kinds of access work while the lease lives", ACCESSES);

	leased_take_back(&l, 0, LEASED_SIZE);
	CHECK_EQ(lease_state(l.ctx, l.lease.id), DAXLEASE_REVOKED);
	CHECK_EQ(pread(l.fd, before, LEASED_SIZE, 0), LEASED_SIZE);
	memset(l.v.buf, 0x77, l.v.buf_len);
	for (unsigned int i = 0; i < ACCESSES; i++) {
		verbs_connect(&l.v);
		CHECK_WC(accesses[i].access(&l), accesses[i].revoked, "%s, after the fence", accesses[i].name);
	}
	CHECK_EQ(pread(l.fd, after, LEASED_SIZE, 0), LEASED_SIZE);
	CHECK(!memcmp(before, after, LEASED_SIZE), "something was written after the fence");
	for (uint32_t i = 0; i < l.v.buf_len; i++)
		CHECK_EQ(l.v.buf[i], 0x77, "something was read after the fence");
	story("after the fence each ends in an access or protection error, and nothing has moved");

	CHECK_RET(verbs_rereg(&l.v, &l.r, VERBS_ALL), 0);
	verbs_connect(&l.v);
	CHECK_WC(remote_read(&l), IBV_WC_REM_ACCESS_ERR, "registered again");
	CHECK_RET(verbs_dereg(&l.v, &l.r), -EINVAL, "a window is bound to it");
	CHECK_EQ(ibv_dealloc_mw(l.mw), 0);
	CHECK_RET(verbs_dereg(&l.v, &l.r), 0);
}

const struct testcase rdma_cases[] = {
	{ "rdma-moves-data-of-lease", "a lease exported as dma-buf and registered with rxe: RDMA reads and writes the file",
	  moves_data, ON_EXT4 | NEEDS_RXE, 0 },
	{ "rdma-refuses-after-fence", "after the fence every kind of access to the region ends in an access or protection error, and moves nothing",
	  refuses_after_fence, ON_EXT4 | NEEDS_RXE, 0 },
	{ 0 }
};
