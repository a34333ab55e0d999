/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dl_mr: memory regions of rxe on a lease.
 *
 * rxe reaches memory with the CPU, packet by packet, through four functions; for such a region ours
 * stand in front of them. A read-write lock says that a function is at work (readers) or that the
 * region is dead for ever (the fence, which so waits for work under way). After that an access
 * fails as one to a region without the right to it does: no page is touched, the region and its
 * keys remain until they are deregistered.
 *
 * The lock is taken with bottom halves off: rxe does its work in workqueues (rxe_task.c), where it
 * would not need to be, but stock takes atomic_ops_lock that way inside, and softirqs would make a
 * fence wait. At most 64 KiB are moved in one go.
 */
#ifndef _DAXLEASE_RXE_DL_MR_H
#define _DAXLEASE_RXE_DL_MR_H

#include "rxe_loc.h"

struct uverbs_attr_bundle;

/* Stock, renamed by rxe.cocci */
int rxe_mr_copy_stock(struct rxe_mr *mr, u64 iova, void *addr, unsigned int length,
		      enum rxe_mr_copy_dir dir);
int rxe_flush_pmem_iova_stock(struct rxe_mr *mr, u64 iova, unsigned int length);
int rxe_mr_do_atomic_op_stock(struct rxe_mr *mr, u64 iova, int opcode, u64 compare, u64 swap_add,
			      u64 *orig_val);
int rxe_mr_do_atomic_write_stock(struct rxe_mr *mr, u64 iova, u64 value);

/* Hooks */
struct ib_mr *dl_reg_user_mr_dmabuf(struct ib_pd *ibpd, u64 offset, u64 length, u64 iova, int fd,
				    int access, struct uverbs_attr_bundle *attrs);
int dl_mr_check_rereg(const struct rxe_mr *mr, int flags, int access);
void dl_mr_free(struct rxe_mr *mr);
enum ib_wc_status dl_recv_status(struct rxe_qp *qp);
enum ib_wc_status dl_flush_status(const struct rxe_send_wqe *wqe);

#endif /* _DAXLEASE_RXE_DL_MR_H */
