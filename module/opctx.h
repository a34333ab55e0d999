/* SPDX-License-Identifier: GPL-2.0 */
/*
 * opctx: records of operations that came in by the early hooks.
 *
 * A record says: this task is inside an operation that changes this range of this inode. It bars
 * the range from being leased until it ends, and explains to the inner hooks what the operation is
 * about. Records come from a pool, not from the caller's stack, pin their task and are void once it
 * exits: a task that oopses inside the operation never ends its record. All fields are constant
 * while on dl_gate.ops; the list is under dl_gate.lock.
 */
#ifndef _DAXLEASE_OPCTX_H
#define _DAXLEASE_OPCTX_H

#include "gate.h"

struct dl_op {
	struct list_head on_gate;
	struct dl_gate *gate;		/* referenced */
	struct task_struct *task;	/* referenced */
	struct dl_range range;		/* changed by the operation, and barred */
};

int dl_op_pool_init(void);
void dl_op_pool_exit(void);
struct dl_op *dl_op_begin(struct inode *inode, struct dl_range range);
void dl_op_end(struct dl_op *op);
bool dl_op_range(struct dl_gate *gate, struct dl_range *range);
bool dl_op_barred(struct dl_gate *gate, struct dl_range r);

#endif /* _DAXLEASE_OPCTX_H */
