// SPDX-License-Identifier: GPL-2.0
/* Operations that librxe 44 cannot post, written into the queue that it shares with the kernel */
#include "verbs.h"
#include "harness.h"

#include <inttypes.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_rxe.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MARK		0x6461786c65617365ULL	/* wr_id by which a work request is found */
#define WR_FLUSH	14			/* IB_WR_FLUSH, in linux/rdma_user_rxe.h since 6.2 */
#define WR_ATOMIC_WRITE	15

/* What a flush has in the place of struct rxe_send_wr's union */
struct flush_wr {
	uint64_t remote_addr;
	uint32_t length;
	uint32_t rkey;
	uint8_t type;		/* IB_FLUSH_PERSISTENT: 2 */
	uint8_t level;		/* IB_FLUSH_RANGE: 0, IB_FLUSH_MR: 1 */
};

static struct rxe_send_wqe *slot(struct rxe_queue_buf *q, uint32_t index)
{
	return (struct rxe_send_wqe *)(q->data + ((size_t)(index & q->index_mask) << q->log2_elem_size));
}

/* The slot that has the mark, or -1 */
static int find_mark(struct rxe_queue_buf *q, size_t size)
{
	if (q->log2_elem_size > 16 || (1U << q->log2_elem_size) < sizeof(struct rxe_send_wqe) ||
	    sizeof(*q) + (((size_t)q->index_mask + 1) << q->log2_elem_size) > size)
		return -1;
	for (uint32_t i = 0; i <= q->index_mask; i++)
		if (slot(q, i)->wr.wr_id == MARK && slot(q, i)->wr.opcode == IBV_WR_RDMA_WRITE)
			return (int)i;
	return -1;
}

/* Has librxe post a write of nothing, and looks where it went: the queue, and a filled-in request */
static struct rxe_queue_buf *find_queue(struct verbs *v, struct rxe_send_wqe *wqe)
{
	struct ibv_send_wr wr = { .wr_id = MARK, .opcode = IBV_WR_RDMA_WRITE };
	struct rxe_queue_buf *found = NULL;
	uintptr_t start, end;
	char line[512];
	FILE *maps;

	verbs_post_wr(v, 0, &wr);
	CHECK_WC(verbs_wait(v, 0), IBV_WC_SUCCESS, "a write of nothing");
	maps = fopen("/proc/self/maps", "r");
	CHECK(maps);
	while (!found && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "/uverbs") || sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) != 2)
			continue;
		int i = find_mark((void *)start, end - start);

		if (i < 0)
			continue;
		found = (void *)start;
		memcpy(wqe, slot(found, (uint32_t)i), sizeof(*wqe));
		slot(found, (uint32_t)i)->wr.wr_id = 0;
	}
	fclose(maps);
	CHECK(found, "the send queue of librxe was not found");
	return found;
}

/* Tells the kernel to look into the queue: the command that librxe ends each post with */
static void ring(struct verbs *v)
{
	struct ib_uverbs_post_send_resp resp;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_post_send body;
	} cmd = {
		.hdr = {
			.command = IB_USER_VERBS_CMD_POST_SEND, .in_words = sizeof(cmd) / 4,
			.out_words = sizeof(resp) / 4,
		},
		.body = {
			.response = (uintptr_t)&resp, .qp_handle = v->qp[0]->handle,
			.wqe_size = sizeof(struct ib_uverbs_send_wr),
		},
	};

	CHECK_EQ(write(v->ctx->cmd_fd, &cmd, sizeof(cmd)), sizeof(cmd));
}

static void post(struct verbs *v, struct rxe_queue_buf *q, const struct rxe_send_wqe *wqe, uint64_t inlined)
{
	uint32_t index = q->producer_index;
	struct rxe_send_wqe *to = slot(q, index);

	memcpy(to, wqe, sizeof(*to));
	memcpy(to->dma.inline_data, &inlined, sizeof(inlined));
	__atomic_store_n(&q->producer_index, (index + 1) & q->index_mask, __ATOMIC_RELEASE);
	ring(v);
}

static void renew(struct rxe_send_wqe *wqe, uint32_t opcode, uint64_t remote, uint32_t length)
{
	wqe->wr.wr_id = 0;
	wqe->wr.opcode = opcode;
	wqe->state = 0;
	wqe->status = 0;
	wqe->mask = 0;
	wqe->iova = remote;
	wqe->ssn++;
	memset(&wqe->dma, 0, sizeof(wqe->dma));
	wqe->dma.length = length;
	wqe->dma.resid = length;
}

void verbs_post_atomic_write(struct verbs *v, uint64_t remote, uint32_t rkey, uint64_t value)
{
	struct rxe_send_wqe wqe;
	struct rxe_queue_buf *q = find_queue(v, &wqe);

	renew(&wqe, WR_ATOMIC_WRITE, remote, sizeof(value));
	wqe.wr.wr.rdma.remote_addr = remote;
	wqe.wr.wr.rdma.rkey = rkey;
	post(v, q, &wqe, value);
}

void verbs_post_flush(struct verbs *v, uint32_t length, uint64_t remote, uint32_t rkey)
{
	struct flush_wr flush = {
		.remote_addr = remote, .length = length, .rkey = rkey, .type = 2, .level = !length,
	};
	struct rxe_send_wqe wqe;
	struct rxe_queue_buf *q = find_queue(v, &wqe);

	renew(&wqe, WR_FLUSH, remote, length);
	memcpy(&wqe.wr.wr, &flush, sizeof(flush));
	post(v, q, &wqe, 0);
}
