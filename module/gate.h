/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gate: what an operation on a file meets: break every lease in a range, wait until the range is
 * clear.
 */
#ifndef _DAXLEASE_GATE_H
#define _DAXLEASE_GATE_H

#include "break.h"

unsigned int dl_gate_break(struct dl_gate *gate, const struct dl_breaker *by);
bool dl_gate_trespass(struct dl_gate *gate, const struct dl_breaker *by);
bool dl_gate_clear(struct dl_gate *gate, struct dl_range r);
bool dl_gate_breaking(struct dl_gate *gate);
int dl_gate_wait(struct dl_gate *gate, struct dl_range r, enum daxlease_reason reason);
struct page *dl_gate_busy_page(struct dl_gate *gate, struct dl_range r);
void dl_gate_unbusy(struct dl_gate *gate);
void dl_gate_failure(u64 pfn, u64 count);
void dl_gate_revoke(const struct device *dev, enum daxlease_reason reason);
unsigned int dl_gate_emergency(struct dl_gate *gate, struct dl_range r,
			       const struct dl_range *explained);

#endif /* _DAXLEASE_GATE_H */
