// SPDX-License-Identifier: GPL-2.0
/*
 * Memory regions on leases where their driver has limits or a memory of its own: requests repeated because the
 * answer was lost, and regions larger than stock's table of pages.
 */
#include "file.h"
#include "harness.h"
#include "leased.h"
#include "nvdimm.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IOVA		LEASED_IOVA
#define SOON_MS		20000
#define READ_SIZE	(16 * 1024)	/* many packets */
#define REPEATED	"/sys/class/infiniband/rxe0/ports/1/hw_counters/duplicate_request"
#define NOBODY		"02:00:00:00:00:01"

/**
 * struct wire - what the neighbour tables of both ends have
 * @address: link-local addresses of rxe-a and rxe-b
 * @mac: theirs
 */
struct wire {
	char address[2][INET6_ADDRSTRLEN];
	char mac[2][32];
};

static void wire_open(struct wire *w, const struct verbs *rxe0, const struct verbs *rxe1)
{
	static const char *const files[] = { "/sys/class/net/rxe-a/address", "/sys/class/net/rxe-b/address" };
	const struct verbs *v[] = { rxe0, rxe1 };
	union ibv_gid gid;

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(ibv_query_gid(v[i]->ctx, 1, 0, &gid), 0);
		CHECK(inet_ntop(AF_INET6, &gid, w->address[i], sizeof(w->address[i])));
		CHECK(read_text(files[i], w->mac[i], sizeof(w->mac[i])) > 0);
		w->mac[i][strcspn(w->mac[i], "\n")] = 0;
	}
}

/* Whether requests reach rxe0, and answers rxe1; if not, they are sent to a station that does not exist */
static void wire_carries(const struct wire *w, bool requests, bool answers)
{
	CHECK_EQ(shell("printf 'neigh replace %s dev rxe-b lladdr %s nud permanent\n"
		       "neigh replace %s dev rxe-a lladdr %s nud permanent\n' | ip -6 -batch -",
		       w->address[0], requests ? w->mac[0] : NOBODY, w->address[1], answers ? w->mac[1] : NOBODY), 0);
}

/* Requests that rxe0 has seen before */
static uint64_t repeated(void)
{
	char text[32];

	CHECK(read_text(REPEATED, text, sizeof(text)) > 0);
	return strtoull(text, NULL, 10);
}

static void wait_for_repeated(uint64_t before)
{
	int64_t end = now_ns() + SOON_MS * 1000000LL;

	while (repeated() == before) {
		CHECK(now_ns() < end, "the request is not repeated");
		usleep(10000);
	}
}

/**
 * struct crossed - a region on rxe0, and somebody on rxe1 who uses it
 */
struct crossed {
	struct leased l;
	struct verbs peer;
	struct wire wire;
};

static void crossed_open(struct crossed *c, const char *dir)
{
	verbs_second_device();
	leased_open(&c->l, dir, DAXLEASE_WRITE);
	verbs_open_second(&c->peer);
	verbs_cross(&c->peer, &c->l.v);
	wire_open(&c->wire, &c->l.v, &c->peer);
	wire_carries(&c->wire, true, true);
}

/* One request, carried out more than once while no answer arrives */
static void post_unanswered(struct crossed *c, enum ibv_wr_opcode opcode, uint32_t length)
{
	uint64_t before = repeated();

	wire_carries(&c->wire, true, false);
	verbs_post(&c->peer, opcode, length, IOVA + MIB, c->l.r.rkey);
	wait_for_repeated(before);
}

/* The request meanwhile stays with who asks: what comes next is a repetition after the fence, whose answer arrives */
static enum ibv_wc_status fence_and_repeat(struct crossed *c)
{
	enum ibv_wc_status status;
	uint64_t before;

	wire_carries(&c->wire, false, false);
	leased_take_back(&c->l, 0, LEASED_SIZE);
	before = repeated();
	wire_carries(&c->wire, true, true);
	status = verbs_wait(&c->peer, 0);
	CHECK(repeated() > before, "no request was repeated after the fence");
	return status;
}

static void repeated_read_ends_with_the_fence(const struct test *t)
{
	static unsigned char other[READ_SIZE];
	static struct crossed c;
	unsigned char *buf;

	crossed_open(&c, t->dir);
	buf = c.peer.buf;
	CHECK_WC(verbs_do(&c.peer, IBV_WR_RDMA_READ, READ_SIZE, IOVA + MIB, c.l.r.rkey), IBV_WC_SUCCESS);
	CHECK_EQ(pattern_differs(buf, READ_SIZE, LEASED_SEED, MIB), -1, "what RDMA read");

	/* What follows shows something only if a repeated read goes to the pages again */
	post_unanswered(&c, IBV_WR_RDMA_READ, READ_SIZE);
	pattern_fill(other, READ_SIZE, LEASED_SEED + 1, MIB);
	CHECK_EQ(pwrite(c.l.fd, other, READ_SIZE, MIB), READ_SIZE);
	wire_carries(&c.wire, true, true);
	CHECK_WC(verbs_wait(&c.peer, 0), IBV_WC_SUCCESS);
	CHECK_EQ(pattern_differs(buf, READ_SIZE, LEASED_SEED + 1, MIB), -1, "what the repeated read got");
	story("the answer to a read is lost, the file changes: the repeated read has what the file has now");

	memset(buf, 0x77, READ_SIZE);
	post_unanswered(&c, IBV_WR_RDMA_READ, READ_SIZE);
	CHECK_WC(fence_and_repeat(&c), IBV_WC_REM_ACCESS_ERR);
	for (size_t i = 0; i < READ_SIZE; i++)
		CHECK_EQ(buf[i], 0x77, "something was read after the fence");
	story("the answer is lost, the lease is taken back: the repeated read ends in an access error, and nothing was read");
}

/* Their results are kept, and told again without a look at the pages: what had happened had happened */
static void repeated_atomic_does_nothing_more(const struct test *t)
{
	static struct crossed c;
	uint64_t was, is;

	crossed_open(&c, t->dir);
	CHECK_EQ(pread(c.l.fd, &was, 8, MIB), 8);
	post_unanswered(&c, IBV_WR_ATOMIC_FETCH_AND_ADD, 8);
	CHECK_WC(fence_and_repeat(&c), IBV_WC_SUCCESS);
	CHECK_EQ(*(uint64_t *)c.peer.buf, was, "the result");
	CHECK_EQ(pread(c.l.fd, &is, 8, MIB), 8);
	CHECK_EQ(is, was + 1, "the number of additions");
	CHECK_WC(verbs_do(&c.peer, IBV_WR_ATOMIC_FETCH_AND_ADD, 8, IOVA + MIB, c.l.r.rkey), IBV_WC_REM_ACCESS_ERR);
}

#define LARGE		((1ULL << 30) + 64 * MIB)

/* 16 KiB at @offset are what an RDMA read says, and what the file has after an RDMA write */
static void check_place(struct verbs *v, int fd, const struct region *r, uint64_t offset)
{
	static unsigned char mine[READ_SIZE];

	pattern_fill(mine, READ_SIZE, LEASED_SEED, offset);
	CHECK_EQ(pwrite(fd, mine, READ_SIZE, offset), READ_SIZE);
	memset(v->buf, 0, READ_SIZE);
	CHECK_WC(verbs_do(v, IBV_WR_RDMA_READ, READ_SIZE, IOVA + offset, r->rkey), IBV_WC_SUCCESS);
	CHECK(!memcmp(v->buf, mine, READ_SIZE), "RDMA read at %#" PRIx64, offset);
	pattern_fill(v->buf, READ_SIZE, LEASED_SEED + 1, offset);
	CHECK_WC(verbs_do(v, IBV_WR_RDMA_WRITE, READ_SIZE, IOVA + offset, r->rkey), IBV_WC_SUCCESS);
	CHECK_PATTERN(fd, offset, READ_SIZE, LEASED_SEED + 1);
}

static void region_is_larger_than_a_gib(const struct test *t)
{
	static const uint64_t places[] = { 0, (1ULL << 30) - READ_SIZE / 2, LARGE - READ_SIZE };
	static struct verbs v;
	struct daxlease_acquire a;
	struct region r;
	int ctx, fd, buf;

	nvdimm_filesystem(2, t->fs);
	fd = file_create_empty(path_in(nvdimm_path(2), "file"));
	CHECK_SYS(fallocate(fd, 0, 0, LARGE));
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, LARGE, DAXLEASE_WRITE, LEASED_GRACE, &a), 0);
	CHECK_RET(lease_export(ctx, a.id, 0, LARGE, O_RDWR | O_CLOEXEC, &buf), 0);
	verbs_open(&v);
	CHECK_RET(verbs_reg(&v, buf, 0, LARGE, IOVA, VERBS_ALL, &r), 0);
	story("a region of %llu MiB", LARGE / MIB);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		check_place(&v, fd, &r, places[i]);
	/* Whole: an access to its start ends with what lies at its end */
	CHECK_SYS(close(buf));
	CHECK_RET(lease_release(ctx, a.id), 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		CHECK_WC(verbs_do(&v, IBV_WR_RDMA_READ, READ_SIZE, IOVA + places[i], r.rkey), IBV_WC_REM_ACCESS_ERR);
		verbs_connect(&v);
	}
	CHECK_RET(verbs_dereg(&v, &r), 0);
	close(fd);
	close(ctx);
	nvdimm_unmount(2);
}

const struct testcase rdma_wire_cases[] = {
	{ "rdma-repeated-read-is-fenced", "a read that is repeated after the fence, since its answer was lost, is refused and reads nothing",
	  repeated_read_ends_with_the_fence, ON_EXT4 | STOCK_ONLY | NEEDS_RXE, 90 },
	{ "rdma-repeated-atomic-adds-once", "an atomic that is repeated after the fence gets the answer that was lost; nothing is added twice",
	  repeated_atomic_does_nothing_more, ON_EXT4 | STOCK_ONLY | NEEDS_RXE, 90 },
	{ "rdma-region-over-a-gib", "a region of more than 1 GiB moves data at its start, at 1 GiB and at its end, until it is fenced",
	  region_is_larger_than_a_gib, ON_XFS | STOCK_ONLY | NEEDS_RXE, 90 },
	{ 0 }
};
