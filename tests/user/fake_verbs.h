/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An RDMA device without a driver: takes the place of the system calls of libdaxlease-verbs, of
 * libibverbs' registration of dma-bufs, and of what the preload library finds behind itself. Faults
 * are counted with those of fake.h.
 */
#ifndef FAKE_VERBS_H
#define FAKE_VERBS_H

#include <stdbool.h>
#include <stdint.h>

#include <infiniband/verbs.h>

#define FAKE_DRIVER	14
#define FAKE_HANDLE	77
#define FAKE_LKEY	0x100
#define FAKE_RKEY	0x200
#define FAKE_PD		5
#define FAKE_CMD_FD	60

struct fake_verbs {
	bool no_driver;		/* no driver id is the right one */
	int query_err;		/* of a query of the context by the right one; -1: none */
	bool provider;		/* the provider's library knows dma-bufs */
	int provider_err;	/* why it does not; 0: EOPNOTSUPP */
	int reg_err;		/* positive: what the kernel's command answers */
	int dereg_err;

	int regions;		/* registered less deregistered, of dma-bufs */
	int dmabufs_closed;
	unsigned int commands;	/* that registered, or tried */
	uint32_t pd;		/* of the last registration, as it arrived */
	uint32_t fd;
	uint64_t offset;
	uint64_t length;
	uint64_t iova;
	uint32_t access;

	int real_err;		/* positive: what libibverbs' ibv_reg_mr() fails with */
	unsigned int real_regs;
	unsigned int real_deregs;
	const char *real_name;	/* the last function that was looked up */
};

extern struct fake_verbs fake_verbs;
extern struct ibv_pd fake_pd;
extern struct ibv_mr fake_real_mr;	/* what libibverbs returns, other than for dma-bufs */

void fake_verbs_reset(void);

#endif /* FAKE_VERBS_H */
