// SPDX-License-Identifier: GPL-2.0-only
#include <linux/dma-buf.h>
#include <linux/sizes.h>
#include <daxlease_consumer.h>

#include "rxe.h"
#include "dl_mr.h"

#define FLUSH_CHUNK	SZ_64K	/* flushed under the lock in one go */

struct dl_mr {
	struct daxlease_attachment *att; /* whole */
	bool write;			/* constant: registered for writing */
	rwlock_t lock;			/* readers: at work on the pages */
	bool dead;			/* lock */
};

/* Run CALL on a region unless it is dead: its value, or ERR */
#define LIVE(dl, err, call) ({						\
	struct dl_mr *dl_ = (dl);					\
	int ret_ = (err);						\
									\
	read_lock_bh(&dl_->lock);					\
	if (!dl_->dead)							\
		ret_ = (call);						\
	read_unlock_bh(&dl_->lock);					\
	ret_;								\
})

/**
 * rxe_mr_copy() - in front of stock's: copy between a packet and a region
 * @mr: the region
 * @iova: address in it
 * @addr: in the packet
 * @length: bytes, at most a packet's
 * @dir: into the region or out of it
 *
 * Return: as stock's; -EFAULT if the region was revoked, which rxe turns into a local protection
 * error here (rxe_req.c, rxe_comp.c) and a remote access error there (rxe_resp.c).
 */
int rxe_mr_copy(struct rxe_mr *mr, u64 iova, void *addr, unsigned int length,
		enum rxe_mr_copy_dir dir)
{
	if (!mr || !mr->dl)
		return rxe_mr_copy_stock(mr, iova, addr, length, dir);
	if (WARN_ON_ONCE(dir == RXE_TO_MR_OBJ && !mr->dl->write))
		return -EFAULT;
	return LIVE(mr->dl, -EFAULT, rxe_mr_copy_stock(mr, iova, addr, length, dir));
}

/**
 * rxe_flush_pmem_iova() - in front of stock's: write CPU caches back
 * @mr: the region
 * @iova: address in it
 * @length: bytes, up to all of the region
 *
 * Return: as stock's; -EFAULT if the region was revoked.
 */
int rxe_flush_pmem_iova(struct rxe_mr *mr, u64 iova, unsigned int length)
{
	unsigned int n;
	int err;

	if (!mr || !mr->dl)
		return rxe_flush_pmem_iova_stock(mr, iova, length);
	do {
		n = min(length, FLUSH_CHUNK);
		err = LIVE(mr->dl, -EFAULT, rxe_flush_pmem_iova_stock(mr, iova, n));
		iova += n;
		length -= n;
	} while (!err && length);
	return err;
}

/**
 * rxe_mr_do_atomic_op() - in front of stock's: compare and swap, fetch and add
 * @mr: the region
 * @iova: address in it
 * @opcode: which
 * @compare: as the opcode has it
 * @swap_add: as the opcode has it
 * @orig_val: out
 *
 * Return: as stock's: 0 or an error state of the responder.
 */
int rxe_mr_do_atomic_op(struct rxe_mr *mr, u64 iova, int opcode, u64 compare, u64 swap_add,
			u64 *orig_val)
{
	if (!mr->dl)
		return rxe_mr_do_atomic_op_stock(mr, iova, opcode, compare, swap_add, orig_val);
	if (WARN_ON_ONCE(!mr->dl->write))
		return RESPST_ERR_RKEY_VIOLATION;
	return LIVE(mr->dl, RESPST_ERR_RKEY_VIOLATION,
		    rxe_mr_do_atomic_op_stock(mr, iova, opcode, compare, swap_add, orig_val));
}

/**
 * rxe_mr_do_atomic_write() - in front of stock's
 * @mr: the region
 * @iova: address in it
 * @value: what to write
 *
 * Return: as stock's: 0 or an error state of the responder.
 */
int rxe_mr_do_atomic_write(struct rxe_mr *mr, u64 iova, u64 value)
{
	if (!mr->dl)
		return rxe_mr_do_atomic_write_stock(mr, iova, value);
	if (WARN_ON_ONCE(!mr->dl->write))
		return RESPST_ERR_RKEY_VIOLATION;
	return LIVE(mr->dl, RESPST_ERR_RKEY_VIOLATION,
		    rxe_mr_do_atomic_write_stock(mr, iova, value));
}

static bool fence(void *priv, u64 first, u64 count)
{
	struct dl_mr *dl = priv;

	write_lock_bh(&dl->lock);
	dl->dead = true;
	write_unlock_bh(&dl->lock);
	return true;
}

static const struct daxlease_consumer_ops consumer_ops = {
	.name = "rxe",
	.whole = true,
	.fence = fence,
};

/* What rxe's own functions go by. Not by kcalloc() as stock does: that ends at 1 GiB of memory. */
static int fill_pages(struct rxe_mr *mr, u64 count)
{
	struct daxlease_run run;
	u64 page, i;

	mr->page_info = kvcalloc(count, sizeof(*mr->page_info),
				 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!mr->page_info)
		return -ENOMEM;
	for (page = 0; page < count; page += run.count) {
		if (!daxlease_attached_run(mr->dl->att, page, &run))
			return -EFAULT;
		for (i = 0; i < run.count; i++)
			mr->page_info[page + i].page = pfn_to_page(run.pfn + i);
		cond_resched();
	}
	mr->nbuf = count;
	mr->num_buf = count;
	mr->max_allowed_buf = count;
	return 0;
}

/* On failure dl_mr_free() cleans up. */
static int init_region(struct rxe_mr *mr, struct dma_buf *buf, u64 offset, u64 length, u64 iova,
		       int access)
{
	u64 first = offset >> PAGE_SHIFT, last = (offset + length - 1) >> PAGE_SHIFT;
	struct dl_mr *dl;

	rxe_mr_init(access, mr);
	dl = kzalloc(sizeof(*dl), GFP_KERNEL_ACCOUNT);
	if (!dl)
		return -ENOMEM;
	rwlock_init(&dl->lock);
	dl->write = ib_access_writable(access);
	mr->dl = dl;
	dl->att = daxlease_attach_dmabuf(buf, first, last - first + 1, dl->write, &consumer_ops,
					 dl);
	if (IS_ERR(dl->att))
		return PTR_ERR(dl->att);
	mr->ibmr.type = IB_MR_TYPE_USER;
	mr->ibmr.iova = iova;
	mr->ibmr.length = length;
	mr->state = RXE_MR_STATE_VALID;
	return fill_pages(mr, last - first + 1);
}

static struct rxe_mr *new_region(struct ib_pd *ibpd)
{
	struct rxe_dev *rxe = to_rdev(ibpd->device);
	struct rxe_mr *mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	int err;

	if (!mr)
		return ERR_PTR(-ENOMEM);
	err = rxe_add_to_pool(&rxe->mr_pool, mr);
	if (err) {
		kfree(mr);
		return ERR_PTR(err);
	}
	rxe_get(to_rpd(ibpd));
	mr->ibmr.pd = ibpd;
	mr->ibmr.device = ibpd->device;
	return mr;
}

/**
 * dl_reg_user_mr_dmabuf() - register a dma-buf of a lease; for ib_device_ops
 * @ibpd: protection domain
 * @offset: first byte, counted from the start of the dma-buf
 * @length: bytes
 * @iova: address of @offset in the region; the caller has seen that both are at the same place in
 *	a page
 * @fd: the dma-buf
 * @access: enum ib_access_flags
 * @attrs: of the system call
 *
 * Return: the region, or ERR_PTR: -EBADF, -EINVAL: not a dma-buf, or not one of a lease, or not
 * within it; -EACCES: writing was asked for and the dma-buf is for reading; -EKEYREVOKED: revoked;
 * -EOPNOTSUPP: access that rxe does not know; -ENOMEM.
 */
struct ib_mr *dl_reg_user_mr_dmabuf(struct ib_pd *ibpd, u64 offset, u64 length, u64 iova, int fd,
				    int access, struct uverbs_attr_bundle *attrs)
{
	struct dma_buf *buf;
	struct rxe_mr *mr;
	u64 end;
	int err;

	if (access & ~RXE_ACCESS_SUPPORTED_MR)
		return ERR_PTR(-EOPNOTSUPP);
	if (!length || check_add_overflow(offset, length, &end) ||
	    check_add_overflow(iova, length, &end))
		return ERR_PTR(-EINVAL);
	buf = dma_buf_get(fd);
	if (IS_ERR(buf))
		return ERR_CAST(buf);
	mr = new_region(ibpd);
	err = PTR_ERR_OR_ZERO(mr);
	if (err)
		goto out;
	err = init_region(mr, buf, offset, length, iova, access);
	if (err) {
		rxe_cleanup(mr);
		kfree(mr);
		goto out;
	}
	rxe_finalize(mr);
out:
	dma_buf_put(buf);
	return err ? ERR_PTR(err) : &mr->ibmr;
}

/**
 * dl_mr_check_rereg() - a region is not made writable by registering it again
 * @mr: any region
 * @flags: what changes
 * @access: to what
 *
 * Return: 0 or -EACCES.
 */
int dl_mr_check_rereg(const struct rxe_mr *mr, int flags, int access)
{
	return mr->dl && (flags & IB_MR_REREG_ACCESS) && ib_access_writable(access) &&
	       !mr->dl->write ? -EACCES : 0;
}

/**
 * dl_mr_free() - undo dl_reg_user_mr_dmabuf()
 * @mr: any region; nobody is at work on it any more
 *
 * Context: process context, may sleep: waits for a running fence.
 */
void dl_mr_free(struct rxe_mr *mr)
{
	if (!mr->dl)
		return;
	if (!IS_ERR_OR_NULL(mr->dl->att))
		daxlease_detach(mr->dl->att);
	kvfree(mr->page_info);
	mr->page_info = NULL;
	kfree(mr->dl);
	mr->dl = NULL;
}

static bool revoked(struct dl_mr *dl)
{
	bool dead;

	read_lock_bh(&dl->lock);
	dead = dl->dead;
	read_unlock_bh(&dl->lock);
	return dead;
}

/**
 * dl_recv_status() - how a receive ends whose buffer cannot be used
 * @qp: the receiver; its work request is that of the message
 *
 * Return: IB_WC_LOC_PROT_ERR if the buffer was revoked, which is what the InfiniBand specification
 * has for a protection violation of a local buffer; else what stock says.
 */
enum ib_wc_status dl_recv_status(struct rxe_qp *qp)
{
	struct rxe_dev *rxe = to_rdev(qp->ibqp.device);
	struct rxe_recv_wqe *wqe = qp->resp.wqe;
	enum ib_wc_status status = IB_WC_LOC_QP_OP_ERR;
	struct rxe_mr *mr;
	u32 lkey;

	if (!wqe || wqe->dma.cur_sge >= wqe->dma.num_sge)
		return status;
	lkey = wqe->dma.sge[wqe->dma.cur_sge].lkey;
	mr = rxe_pool_get_index(&rxe->mr_pool, lkey >> 8);
	if (!mr)
		return status;
	if (mr->lkey == lkey && mr->dl && revoked(mr->dl))
		status = IB_WC_LOC_PROT_ERR;
	rxe_put(mr);
	return status;
}

/**
 * dl_flush_status() - how a work request ends that is in the send queue when an error empties it
 * @wqe: the request
 *
 * Return: IB_WC_LOC_PROT_ERR for the one that met a revoked region (-EFAULT, which user memory of
 * stock does not give), as the InfiniBand specification has it; IB_WC_WR_FLUSH_ERR as stock says.
 */
enum ib_wc_status dl_flush_status(const struct rxe_send_wqe *wqe)
{
	return wqe->state == wqe_state_error && wqe->status == IB_WC_LOC_PROT_ERR ?
	       IB_WC_LOC_PROT_ERR : IB_WC_WR_FLUSH_ERR;
}

MODULE_IMPORT_NS(DMA_BUF);
