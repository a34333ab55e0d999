/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the RDMA examples share: a reliable connection between two processes, set up over TCP, for
 * RDMA writes and short messages. Nothing in here knows of leases.
 */
#ifndef RDMA_LINK_H
#define RDMA_LINK_H

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#define LINK_DEPTH	64	/* messages received and not looked at, and requests under way */
#define LINK_SEND	UINT64_MAX	/* wr_id of all requests that are no receives */

struct link_msg {
	uint32_t type;
	uint32_t rkey;
	uint64_t seq;
	uint64_t addr;
	uint64_t length;
};

/*
 * sock: is there as long as the peer is; busy: requests under way; msgs: LINK_DEPTH received, then
 * LINK_DEPTH to send; status: of the request that ended the connection
 */
struct rlink {
	int sock;
	struct ibv_context *verbs;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct link_msg msgs[2 * LINK_DEPTH];
	struct ibv_mr *mr;
	unsigned int sent;
	unsigned int busy;
	enum ibv_wc_status status;
};

/* Opens a device and what the connections to come need: 0 or -errno. */
static inline int link_open(struct rlink *l, const char *device)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	for (int i = 0; list && list[i] && !l->verbs; i++)
		if (!strcmp(ibv_get_device_name(list[i]), device))
			l->verbs = ibv_open_device(list[i]);
	if (list)
		ibv_free_device_list(list);
	if (!l->verbs)
		return -ENODEV;
	l->pd = ibv_alloc_pd(l->verbs);
	l->channel = ibv_create_comp_channel(l->verbs);
	if (!l->pd || !l->channel)
		return -errno;
	l->mr = ibv_reg_mr(l->pd, l->msgs, sizeof(l->msgs), IBV_ACCESS_LOCAL_WRITE);
	l->sock = -1;
	return l->mr ? 0 : -errno;
}

/* Ends the connection, which frees what was under way. */
static inline void link_down(struct rlink *l)
{
	if (l->qp)
		ibv_destroy_qp(l->qp);
	if (l->cq)
		ibv_destroy_cq(l->cq);
	if (l->sock >= 0)
		close(l->sock);
	l->qp = NULL;
	l->cq = NULL;
	l->sock = -1;
}

static inline int link_post_recv(struct rlink *l, uint64_t n)
{
	struct ibv_sge sge = { (uintptr_t)&l->msgs[n], sizeof(l->msgs[n]), l->mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = n, .sg_list = &sge, .num_sge = 1 }, *bad;

	return -ibv_post_recv(l->qp, &wr, &bad);
}

struct link_end {
	uint32_t qpn;
	uint32_t psn;
	union ibv_gid gid;
};

/* Tells the peer the own end and hears of the other. */
static inline int link_exchange(struct rlink *l, struct link_end *mine, struct link_end *theirs)
{
	if (write(l->sock, mine, sizeof(*mine)) != sizeof(*mine) ||
	    recv(l->sock, theirs, sizeof(*theirs), MSG_WAITALL) != sizeof(*theirs))
		return -ECONNRESET;
	return 0;
}

static inline int link_to_init(struct rlink *l)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = 1,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE,
	};

	return -ibv_modify_qp(l->qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
					    IBV_QP_ACCESS_FLAGS);
}

static inline int link_to_ready(struct rlink *l, const struct link_end *mine,
				const struct link_end *theirs)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024, .dest_qp_num = theirs->qpn,
		.rq_psn = theirs->psn, .max_dest_rd_atomic = 1, .min_rnr_timer = 12,
		.ah_attr = { .is_global = 1, .port_num = 1,
			     .grh = { .dgid = theirs->gid, .hop_limit = 64 } },
	};
	int ret;

	ret = ibv_modify_qp(l->qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
			    IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
			    IBV_QP_MIN_RNR_TIMER);
	if (ret)
		return -ret;
	attr.qp_state = IBV_QPS_RTS;
	attr.timeout = 14;	/* 67 ms */
	attr.retry_cnt = 7;
	attr.rnr_retry = 7;
	attr.sq_psn = mine->psn;
	attr.max_rd_atomic = 1;
	return -ibv_modify_qp(l->qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
			      IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

/* Connects with whoever is at the other end of @sock, which belongs to the link then: 0 or -errno. */
static inline int link_up(struct rlink *l, int sock)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC, .sq_sig_all = 1,
		.cap = { .max_send_wr = LINK_DEPTH, .max_recv_wr = LINK_DEPTH, .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};
	struct link_end mine, theirs;
	int ret;

	l->sock = sock;
	l->busy = 0;
	l->status = IBV_WC_SUCCESS;
	l->cq = ibv_create_cq(l->verbs, 2 * LINK_DEPTH, NULL, l->channel, 0);
	if (!l->cq || ibv_req_notify_cq(l->cq, 0))
		return -errno;
	init.send_cq = init.recv_cq = l->cq;
	l->qp = ibv_create_qp(l->pd, &init);
	if (!l->qp || ibv_query_gid(l->verbs, 1, 0, &mine.gid))
		return -errno;
	mine.qpn = l->qp->qp_num;
	mine.psn = rand() & 0xffffff;
	ret = link_to_init(l);
	for (int n = 0; !ret && n < LINK_DEPTH; n++)
		ret = link_post_recv(l, n);
	if (!ret)
		ret = link_exchange(l, &mine, &theirs);
	if (!ret)
		ret = link_to_ready(l, &mine, &theirs);
	/* The first request of one may not reach the other before that is ready. */
	return ret ? ret : link_exchange(l, &mine, &theirs);
}

static inline int link_post(struct rlink *l, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;
	int ret = ibv_post_send(l->qp, wr, &bad);

	l->busy += !ret;
	return -ret;
}

/* Sends a message: 0 or -errno. Of messages and writes, LINK_DEPTH at most may be under way. */
static inline int link_send(struct rlink *l, const struct link_msg *msg)
{
	struct link_msg *slot = &l->msgs[LINK_DEPTH + l->sent++ % LINK_DEPTH];
	struct ibv_sge sge = { (uintptr_t)slot, sizeof(*slot), l->mr->lkey };
	struct ibv_send_wr wr = {
		.wr_id = LINK_SEND, .opcode = IBV_WR_SEND, .sg_list = &sge, .num_sge = 1,
	};

	*slot = *msg;
	return link_post(l, &wr);
}

/* Writes to the peer's memory: 0 or -errno. */
static inline int link_write(struct rlink *l, uint64_t local, uint32_t lkey, uint32_t length,
			     uint64_t remote, uint32_t rkey)
{
	struct ibv_sge sge = { local, length, lkey };
	struct ibv_send_wr wr = {
		.wr_id = LINK_SEND, .opcode = IBV_WR_RDMA_WRITE, .sg_list = &sge, .num_sge = 1,
		.wr.rdma = { .remote_addr = remote, .rkey = rkey },
	};

	return link_post(l, &wr);
}

/* The next message: 1, 0 if there is none, or -ECONNABORTED when a request has failed (status). */
static inline int link_next(struct rlink *l, struct link_msg *msg)
{
	struct ibv_wc wc;

	while (ibv_poll_cq(l->cq, 1, &wc) > 0) {
		if (wc.status != IBV_WC_SUCCESS) {
			l->status = wc.status;
			return -ECONNABORTED;
		}
		if (wc.wr_id == LINK_SEND) {
			l->busy--;
			continue;
		}
		*msg = l->msgs[wc.wr_id];
		return link_post_recv(l, wc.wr_id) ? -ECONNABORTED : 1;
	}
	return 0;
}

/*
 * Waits until link_next() may have something, or @fd is readable (-1: nothing else). 1 if @fd is, 0,
 * or -ECONNRESET when the peer is gone.
 */
static inline int link_wait(struct rlink *l, int fd)
{
	struct pollfd fds[] = {
		{ .fd = l->channel->fd, .events = POLLIN }, { .fd = l->sock, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	struct ibv_cq *cq;
	void *context;

	if (poll(fds, 3, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents && !ibv_get_cq_event(l->channel, &cq, &context)) {
		ibv_ack_cq_events(cq, 1);
		/* First this, then looking: what comes in between raises another event. */
		if (ibv_req_notify_cq(cq, 0))
			return -errno;
	}
	/* Nothing is ever said over the socket. */
	if (fds[1].revents && !fds[0].revents)
		return -ECONNRESET;
	return !!fds[2].revents;
}

/* A socket that listens on @port of all addresses, or -errno. */
static inline int link_listen(const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_family = AF_INET,
				  .ai_socktype = SOCK_STREAM }, *info;
	int sock, one = 1;

	if (getaddrinfo(NULL, port, &hints, &info))
		return -EINVAL;
	sock = socket(info->ai_family, info->ai_socktype, 0);
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sock < 0 || bind(sock, info->ai_addr, info->ai_addrlen) || listen(sock, 1)) {
		int err = errno;

		if (sock >= 0)
			close(sock);
		sock = -err;
	}
	freeaddrinfo(info);
	return sock;
}

/* A socket to somebody who listens, or -errno. */
static inline int link_dial(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *info;
	int sock;

	if (getaddrinfo(host, port, &hints, &info))
		return -EINVAL;
	sock = socket(info->ai_family, info->ai_socktype, 0);
	if (sock < 0 || connect(sock, info->ai_addr, info->ai_addrlen)) {
		int err = errno;

		if (sock >= 0)
			close(sock);
		sock = -err;
	}
	freeaddrinfo(info);
	return sock;
}

#endif /* RDMA_LINK_H */
