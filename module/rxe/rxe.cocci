// SPDX-License-Identifier: GPL-2.0-only
//
// daxlease's hooks in drivers/infiniband/sw/rxe of Linux 6.12. What they do is in dl_mr.c.
//
// source drivers/infiniband/sw/rxe/
// patch rxe_comp.c
// patch rxe_mr.c
// patch rxe_resp.c
// patch rxe_verbs.c
// patch rxe_verbs.h
//
// "expect N TEXT": the results have TEXT in N lines. ../dropin checks it, so that a rule that does not match
// is an error, not a missing fence.

// expect 4 #include "dl_mr.h"
@include@ @@
 #include "rxe.h"
+#include "dl_mr.h"

// expect 1 struct dl_mr *dl;
@region@ @@
struct rxe_mr {
	...
	struct ib_umem *umem;
+	struct dl_mr *dl;
	...
};

// The four functions through which rxe touches the memory of a region; ours stand in front of them.
// expect 1 int rxe_mr_copy_stock(
@copy@
parameter list P;
@@
-rxe_mr_copy(P)
+rxe_mr_copy_stock(P)
{ ... }

// expect 1 int rxe_flush_pmem_iova_stock(
@flush@
parameter list P;
@@
-rxe_flush_pmem_iova(P)
+rxe_flush_pmem_iova_stock(P)
{ ... }

// expect 1 int rxe_mr_do_atomic_op_stock(
@atomic_op@
parameter list P;
@@
-rxe_mr_do_atomic_op(P)
+rxe_mr_do_atomic_op_stock(P)
{ ... }

// One for 64-bit machines, one for the rest.
// expect 2 int rxe_mr_do_atomic_write_stock(
@atomic_write@
parameter list P;
@@
-rxe_mr_do_atomic_write(P)
+rxe_mr_do_atomic_write_stock(P)
{ ... }

// expect 1 dl_mr_free(mr);
@cleanup@ @@
rxe_mr_cleanup(...) { <...
+	dl_mr_free(mr);
	ib_umem_release(mr->umem);
...> }

// expect 1 dl_mr_check_rereg(mr, flags, access)
@rereg@ @@
rxe_rereg_user_mr(...) { <...
	err = ib_umem_check_rereg(mr->umem, flags, access);
	if (err)
		return ERR_PTR(err);
+	err = dl_mr_check_rereg(mr, flags, access);
+	if (err)
+		return ERR_PTR(err);
...> }

// expect 1 .reg_user_mr_dmabuf = dl_reg_user_mr_dmabuf,
@ops@ @@
const struct ib_device_ops rxe_dev_ops = {
	.reg_user_mr = rxe_reg_user_mr,
+	.reg_user_mr_dmabuf = dl_reg_user_mr_dmabuf,
};

// A receive buffer that was revoked: stock says of any it cannot use that the queue pair is at fault.
// expect 1 dl_recv_status(qp)
@receive@ @@
rxe_receiver(...) { <...
	do_class_ac_error(qp, AETH_NAK_REM_OP_ERR,
-		IB_WC_LOC_QP_OP_ERR
+		dl_recv_status(qp)
	);
...> }

// A send or write out of a region that was revoked: stock notes the error, and then flushes it with the rest.
// expect 2 dl_flush_status(wqe)
@flushed@
expression WC;
@@
flush_send_wqe(...) { <...
-	WC->status = IB_WC_WR_FLUSH_ERR;
+	WC->status = dl_flush_status(wqe);
...> }
