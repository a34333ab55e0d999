// SPDX-License-Identifier: GPL-2.0
#include "verbs.h"
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ADDRESS		"::ffff:10.9.8.1"	/* of the network device: lib/modules.c */
#define SOON_MS		10000
#define BUF_LEN		(1U << 20)
#define DEPTH		16

static struct ibv_context *open_device(const char *device)
{
	struct ibv_device **list;
	struct ibv_context *ctx = NULL;

	list = ibv_get_device_list(NULL);
	CHECK(list, "no list of RDMA devices");
	for (struct ibv_device **d = list; *d && !ctx; d++)
		if (!strcmp(ibv_get_device_name(*d), device))
			ctx = ibv_open_device(*d);
	CHECK(ctx, "cannot open %s", device);
	ibv_free_device_list(list);
	return ctx;
}

/* The kernel fills the table of addresses in its own time, and announces it to nobody who comes late */
static int find_gid(struct ibv_context *ctx, union ibv_gid *gid)
{
	int64_t end = now_ns() + SOON_MS * 1000000LL;
	struct ibv_gid_entry e;
	struct in6_addr want;

	inet_pton(AF_INET6, ADDRESS, &want);
	do {
		for (unsigned int i = 0; i < 16; i++) {
			if (!ibv_query_gid_ex(ctx, 1, i, &e, 0) && e.gid_type == IBV_GID_TYPE_ROCE_V2 &&
			    !memcmp(&e.gid, &want, sizeof(want))) {
				*gid = e.gid;
				return (int)i;
			}
		}
		usleep(10000);
	} while (now_ns() < end);
	CHECK(false, "rxe0 has no address " ADDRESS);
	return -1;
}

static struct ibv_qp *create_qp(struct verbs *v, int side)
{
	struct ibv_qp_init_attr init = {
		.send_cq = v->cq[side], .recv_cq = v->cq[side], .qp_type = IBV_QPT_RC, .sq_sig_all = 1,
		.cap = { .max_send_wr = DEPTH, .max_recv_wr = DEPTH, .max_send_sge = 2, .max_recv_sge = 2 },
	};
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT, .port_num = 1, .qp_access_flags = VERBS_ALL | VERBS_FLUSH };
	struct ibv_qp *qp = ibv_create_qp(v->pd, &init);

	CHECK(qp, "ibv_create_qp: %s", strerror(errno));
	CHECK_EQ(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			       IBV_QP_ACCESS_FLAGS), 0, "INIT");
	return qp;
}

/* @source: index of the device's own address */
static void connect_qp(struct ibv_qp *qp, int source, const struct ibv_qp *peer, const union ibv_gid *to)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024, .dest_qp_num = peer->qp_num,
		.max_dest_rd_atomic = 4, .min_rnr_timer = 12,
		.ah_attr = { .is_global = 1, .port_num = 1 },
	};

	attr.ah_attr.grh.dgid = *to;
	attr.ah_attr.grh.sgid_index = source;
	attr.ah_attr.grh.hop_limit = 1;
	CHECK_EQ(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
			       IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
			       IBV_QP_MIN_RNR_TIMER), 0, "RTR");
	memset(&attr, 0, sizeof(attr));
	attr.qp_state = IBV_QPS_RTS;
	attr.timeout = 18;	/* a second */
	attr.retry_cnt = 7;
	attr.rnr_retry = 7;
	attr.max_rd_atomic = 4;
	CHECK_EQ(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
			       IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC), 0, "RTS");
}

static void new_qp(struct verbs *v, int side)
{
	if (v->qp[side])
		CHECK_EQ(ibv_destroy_qp(v->qp[side]), 0);
	v->qp[side] = create_qp(v, side);
}

void verbs_connect(struct verbs *v)
{
	union ibv_gid gid;
	int source = find_gid(v->ctx, &gid);

	new_qp(v, 0);
	new_qp(v, 1);
	connect_qp(v->qp[0], source, v->qp[1], &gid);
	connect_qp(v->qp[1], source, v->qp[0], &gid);
}

/* The first address of a device is the link-local one */
static void link_local(struct verbs *v, union ibv_gid *gid)
{
	CHECK_EQ(ibv_query_gid(v->ctx, 1, 0, gid), 0);
	CHECK(gid->raw[0] == 0xfe && gid->raw[1] == 0x80, "the first address is not link-local");
}

void verbs_cross(struct verbs *asker, struct verbs *asked)
{
	union ibv_gid from, to;

	link_local(asker, &from);
	link_local(asked, &to);
	new_qp(asker, 0);
	new_qp(asked, 1);
	connect_qp(asker->qp[0], 0, asked->qp[1], &to);
	connect_qp(asked->qp[1], 0, asker->qp[0], &from);
}

static void open_on(struct verbs *v, const char *device)
{
	memset(v, 0, sizeof(*v));
	v->ctx = open_device(device);
	v->pd = ibv_alloc_pd(v->ctx);
	CHECK(v->pd);
	for (int i = 0; i < 2; i++) {
		v->channel[i] = ibv_create_comp_channel(v->ctx);
		CHECK(v->channel[i]);
		v->cq[i] = ibv_create_cq(v->ctx, 2 * DEPTH, NULL, v->channel[i], 0);
		CHECK(v->cq[i]);
	}
	v->buf_len = BUF_LEN;
	v->buf = mmap(NULL, BUF_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(v->buf != MAP_FAILED);
	v->mr = ibv_reg_mr(v->pd, v->buf, BUF_LEN, VERBS_ALL);
	CHECK(v->mr, "ibv_reg_mr of ordinary memory: %s", strerror(errno));
}

void verbs_open(struct verbs *v)
{
	open_on(v, "rxe0");
	verbs_connect(v);
}

void verbs_second_device(void)
{
	/* A case that has failed may have left wrong neighbours */
	CHECK_EQ(shell("ip -6 neigh flush dev rxe-a nud permanent; ip -6 neigh flush dev rxe-b nud permanent;"
		       "rdma link show rxe1/1 2>/dev/null || rdma link add rxe1 type rxe netdev rxe-b"), 0);
	/* Duplicate address detection: a second or two */
	while (!shell("ip -6 addr show tentative | grep -q inet6"))
		usleep(50000);
}

void verbs_open_second(struct verbs *v)
{
	open_on(v, "rxe1");
}

/* One attribute of a uverbs ioctl; what fits into 8 bytes goes by value */
static struct ib_uverbs_attr attr_in(uint16_t id, uint16_t len, uint64_t value)
{
	return (struct ib_uverbs_attr){ .attr_id = id, .len = len, .flags = UVERBS_ATTR_F_MANDATORY, .data = value };
}

static struct ib_uverbs_attr attr_out(uint16_t id, void *to)
{
	return attr_in(id, sizeof(uint32_t), (uintptr_t)to);
}

int verbs_reg(struct verbs *v, int fd, uint64_t offset, uint64_t length, uint64_t iova, int access,
	      struct region *r)
{
	struct {
		struct ib_uverbs_ioctl_hdr hdr;
		struct ib_uverbs_attr attrs[9];
	} cmd = {
		.hdr = {
			.length = sizeof(cmd), .object_id = UVERBS_OBJECT_MR,
			.method_id = UVERBS_METHOD_REG_DMABUF_MR, .num_attrs = 9,
			.driver_id = RDMA_DRIVER_RXE,
		},
		.attrs = {
			attr_in(UVERBS_ATTR_REG_DMABUF_MR_HANDLE, 0, 0),
			attr_in(UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, 0, v->pd->handle),
			attr_in(UVERBS_ATTR_REG_DMABUF_MR_OFFSET, 8, offset),
			attr_in(UVERBS_ATTR_REG_DMABUF_MR_LENGTH, 8, length),
			attr_in(UVERBS_ATTR_REG_DMABUF_MR_IOVA, 8, iova),
			attr_in(UVERBS_ATTR_REG_DMABUF_MR_FD, 4, (uint32_t)fd),
			attr_in(UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, 4, (uint32_t)access),
			attr_out(UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, &r->lkey),
			attr_out(UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, &r->rkey),
		},
	};

	if (ioctl(v->ctx->cmd_fd, RDMA_VERBS_IOCTL, &cmd))
		return -errno;
	r->handle = (uint32_t)cmd.attrs[0].data;
	r->iova = iova;
	r->length = length;
	return 0;
}

int verbs_dereg(struct verbs *v, const struct region *r)
{
	struct {
		struct ib_uverbs_ioctl_hdr hdr;
		struct ib_uverbs_attr attrs[1];
	} cmd = {
		.hdr = {
			.length = sizeof(cmd), .object_id = UVERBS_OBJECT_MR,
			.method_id = UVERBS_METHOD_MR_DESTROY, .num_attrs = 1, .driver_id = RDMA_DRIVER_RXE,
		},
		.attrs = { attr_in(UVERBS_ATTR_DESTROY_MR_HANDLE, 0, r->handle) },
	};

	return ioctl(v->ctx->cmd_fd, RDMA_VERBS_IOCTL, &cmd) ? -errno : 0;
}

int verbs_rereg(struct verbs *v, const struct region *r, int access)
{
	struct ib_uverbs_rereg_mr_resp resp;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_rereg_mr body;
	} cmd = {
		.hdr = {
			.command = IB_USER_VERBS_CMD_REREG_MR, .in_words = sizeof(cmd) / 4,
			.out_words = sizeof(resp) / 4,
		},
		.body = {
			.response = (uintptr_t)&resp, .mr_handle = r->handle, .flags = IBV_REREG_MR_CHANGE_ACCESS,
			.pd_handle = v->pd->handle, .access_flags = (uint32_t)access,
		},
	};

	return write(v->ctx->cmd_fd, &cmd, sizeof(cmd)) == sizeof(cmd) ? 0 : -errno;
}

void verbs_post_wr(struct verbs *v, int side, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;

	CHECK_EQ(ibv_post_send(v->qp[side], wr, &bad), 0, "ibv_post_send");
}

void verbs_post(struct verbs *v, enum ibv_wr_opcode opcode, uint32_t length, uint64_t remote, uint32_t rkey)
{
	struct ibv_sge sge = { .addr = (uintptr_t)v->buf, .length = length, .lkey = v->mr->lkey };
	struct ibv_send_wr wr = { .sg_list = &sge, .num_sge = 1, .opcode = opcode };

	if (opcode == IBV_WR_ATOMIC_CMP_AND_SWP || opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr.wr.atomic.remote_addr = remote;
		wr.wr.atomic.rkey = rkey;
		wr.wr.atomic.swap = 1;
		wr.wr.atomic.compare_add = opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
	} else {
		wr.wr.rdma.remote_addr = remote;
		wr.wr.rdma.rkey = rkey;
	}
	verbs_post_wr(v, 0, &wr);
}

void verbs_recv(struct verbs *v, uint64_t addr, uint32_t length, uint32_t lkey)
{
	struct ibv_sge sge = { .addr = addr, .length = length, .lkey = lkey };
	struct ibv_recv_wr wr = { .sg_list = &sge, .num_sge = 1 }, *bad;

	CHECK_EQ(ibv_post_recv(v->qp[1], &wr, &bad), 0, "ibv_post_recv");
}

struct ibv_mw *verbs_window(struct verbs *v, const struct region *r)
{
	struct ibv_mr mr = { .context = v->ctx, .pd = v->pd, .handle = r->handle, .lkey = r->lkey, .rkey = r->rkey };
	struct ibv_mw_bind bind = {
		.bind_info = { .mr = &mr, .addr = r->iova, .length = r->length, .mw_access_flags = VERBS_ALL &
			       ~IBV_ACCESS_LOCAL_WRITE },
	};
	struct ibv_mw *mw = ibv_alloc_mw(v->pd, IBV_MW_TYPE_1);

	CHECK(mw, "ibv_alloc_mw: %s", strerror(errno));
	CHECK_EQ(ibv_bind_mw(v->qp[1], mw, &bind), 0, "ibv_bind_mw");
	CHECK_WC(verbs_wait(v, 1), IBV_WC_SUCCESS, "bind");
	return mw;
}

enum ibv_wc_status verbs_wait(struct verbs *v, int side)
{
	struct ibv_cq *cq;
	struct ibv_wc wc;
	void *cookie;
	int n;

	for (;;) {
		CHECK_EQ(ibv_req_notify_cq(v->cq[side], 0), 0);
		n = ibv_poll_cq(v->cq[side], 1, &wc);
		CHECK(n >= 0, "ibv_poll_cq: %d", n);
		if (n)
			return wc.status;
		CHECK(wait_readable(v->channel[side]->fd, SOON_MS), "no completion");
		CHECK_EQ(ibv_get_cq_event(v->channel[side], &cq, &cookie), 0);
		ibv_ack_cq_events(cq, 1);
	}
}

enum ibv_wc_status verbs_do(struct verbs *v, enum ibv_wr_opcode opcode, uint32_t length, uint64_t remote,
			    uint32_t rkey)
{
	verbs_post(v, opcode, length, remote, rkey);
	return verbs_wait(v, 0);
}
