/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two commands of the kernel's verbs interface (<rdma/ib_user_ioctl_cmds.h>), for drivers that have
 * them while their library has not: Debian 12's librxe knows no dma-bufs.
 */
#ifndef DAXLEASE_UVERBS_H
#define DAXLEASE_UVERBS_H

#include <stdint.h>

/**
 * struct uverbs_mr - a memory region as the kernel names it
 * @fd: of the verbs context (ibv_context.cmd_fd)
 * @driver: enum rdma_driver_id, which each command must repeat
 * @handle: of the region in this context
 * @lkey: local key
 * @rkey: remote key
 */
struct uverbs_mr {
	int fd;
	uint32_t driver;
	uint32_t handle;
	uint32_t lkey;
	uint32_t rkey;
};

/**
 * struct uverbs_dmabuf - what to register
 * @pd: handle of the protection domain
 * @fd: the dma-buf
 * @offset: in the dma-buf, bytes
 * @length: bytes
 * @iova: address of the first byte
 * @access: IBV_ACCESS_*
 */
struct uverbs_dmabuf {
	uint32_t pd;
	int fd;
	uint64_t offset;
	uint64_t length;
	uint64_t iova;
	uint32_t access;
};

int daxlease_uverbs_reg_dmabuf(int fd, const struct uverbs_dmabuf *buf, struct uverbs_mr *mr);
int daxlease_uverbs_dereg(const struct uverbs_mr *mr);

#endif /* DAXLEASE_UVERBS_H */
