/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RDMA over the soft device rxe0 of the guest: two queue pairs of one process, connected to each other.
 * Side 0 asks, side 1 is asked; both have all rights. Packets between them do not leave rxe0. Where they
 * have to, there is a second device at the other end of the wire:
 *
 *	rxe0 - rxe-a ====== rxe-b - rxe1
 *
 * Both are in one network namespace, since rxe of Linux 6.12 has its sockets and its routes in the first
 * one only; packets go over the wire nevertheless if the addresses are link-local. Memory of a lease is registered by the uverbs
 * command for dma-bufs, which Debian's librxe does not know. What does not work fails the case itself,
 * but for what returns 0 or -errno.
 */
#ifndef VERBS_H
#define VERBS_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdint.h>

#define VERBS_ALL	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE | \
			 IBV_ACCESS_REMOTE_ATOMIC)
#define VERBS_READ	IBV_ACCESS_REMOTE_READ
#define VERBS_FLUSH	(1 << 8 | 1 << 9)	/* IB_ACCESS_FLUSH_GLOBAL, _PERSISTENT */

/**
 * struct verbs - all of it
 * @ctx: the device
 * @pd: one for both sides
 * @channel: of both completion queues
 * @cq: completions of each side
 * @qp: connected to each other
 * @buf: ordinary memory of @buf_len bytes
 * @mr: @buf registered, all rights
 */
struct verbs {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel[2];
	struct ibv_cq *cq[2];
	struct ibv_qp *qp[2];
	unsigned char *buf;
	uint32_t buf_len;
	struct ibv_mr *mr;
};

/**
 * struct region - a registered dma-buf
 * @handle: of uverbs
 * @lkey: for local use
 * @rkey: for remote use
 * @iova: its first address
 * @length: bytes
 */
struct region {
	uint32_t handle;
	uint32_t lkey;
	uint32_t rkey;
	uint64_t iova;
	uint64_t length;
};

/* Opens rxe0 and connects; ends with the process */
void verbs_open(struct verbs *v);

/* The second device, and link-local addresses that may be used */
void verbs_second_device(void);

/* Opens rxe1, and connects nothing; after verbs_second_device() */
void verbs_open_second(struct verbs *v);

/* New queue pairs in the place of side 0 of @asker and side 1 of @asked, on the two devices, connected over the wire */
void verbs_cross(struct verbs *asker, struct verbs *asked);

/* New queue pairs, connected, in the place of those that an error has ended */
void verbs_connect(struct verbs *v);

/* Registers bytes [offset, offset + length) of the dma-buf @fd at @iova: 0 or -errno */
int verbs_reg(struct verbs *v, int fd, uint64_t offset, uint64_t length, uint64_t iova, int access,
	      struct region *r);

/* IBV_REREG_MR_CHANGE_ACCESS: 0 or -errno */
int verbs_rereg(struct verbs *v, const struct region *r, int access);

/* Deregisters: 0 or -errno */
int verbs_dereg(struct verbs *v, const struct region *r);

/* Posts on side 0, from or to @buf, to or from @remote. Atomics: compare with 0, swap or add 1 */
void verbs_post(struct verbs *v, enum ibv_wr_opcode opcode, uint32_t length, uint64_t remote, uint32_t rkey);

/* Posts anything on one side */
void verbs_post_wr(struct verbs *v, int side, struct ibv_send_wr *wr);

/* Posts a receive on side 1 */
void verbs_recv(struct verbs *v, uint64_t addr, uint32_t length, uint32_t lkey);

/*
 * What Debian's librxe cannot post: puts it into the send queue of side 0 that the kernel shares with librxe.
 * An atomic write of 8 bytes, or a flush to persistence of a range or (length 0) of the whole region.
 */
void verbs_post_atomic_write(struct verbs *v, uint64_t remote, uint32_t rkey, uint64_t value);
void verbs_post_flush(struct verbs *v, uint32_t length, uint64_t remote, uint32_t rkey);

/* Binds a window of all rights over a region that may be bound; its rkey in window->rkey */
struct ibv_mw *verbs_window(struct verbs *v, const struct region *r);

/* The next completion of one side, waited for: its status */
enum ibv_wc_status verbs_wait(struct verbs *v, int side);

/* verbs_post() and verbs_wait() */
enum ibv_wc_status verbs_do(struct verbs *v, enum ibv_wr_opcode opcode, uint32_t length, uint64_t remote,
			    uint32_t rkey);

/* CHECK_WC(status, want): two completions are the same; says their names */
#define CHECK_WC(status, want, ...) do {						\
	enum ibv_wc_status got_wc_ = (status), want_wc_ = (want);			\
	if (got_wc_ != want_wc_)							\
		story("completion: %s, not %s", ibv_wc_status_str(got_wc_),		\
		      ibv_wc_status_str(want_wc_));					\
	CHECK_EQ(got_wc_, want_wc_, "" __VA_ARGS__);					\
} while (0)

#endif /* VERBS_H */
