/* SPDX-License-Identifier: GPL-2.0 */
/* trace: tracepoints, one at each step a timeline of a break needs. Pages are pages of the file. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM daxlease

#if !defined(_DAXLEASE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _DAXLEASE_TRACE_H

#include <linux/fs.h>
#include <linux/tracepoint.h>

#define show_state(s)								\
	__print_symbolic(s, { 0, "acquiring" }, { 1, "active" }, { 2, "breaking" },	\
			 { 3, "revoked" }, { 4, "released" })
#define show_reason(r)								\
	__print_symbolic(r, { 0, "none" }, { 1, "truncate" }, { 2, "fallocate" },	\
			 { 3, "remap" }, { 4, "layout" }, { 5, "invalidate" },		\
			 { 6, "remove" }, { 7, "manual" }, { 8, "hook" })
#define show_bits(b)								\
	__print_flags(b, "|", { 1, "BREAK" }, { 2, "FENCED" }, { 4, "CLEARED" }, { 8, "REVOKED" })
#define show_flags(f)								\
	__print_flags(f, "|", { 1, "EMERGENCY" }, { 2, "NO_GRACE" }, { 4, "JOINED" })

TRACE_EVENT(daxlease_recorded,
	TP_PROTO(u64 id, const struct inode *inode, u64 first, u64 last, u64 runs, bool implicit),
	TP_ARGS(id, inode, first, last, runs, implicit),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(dev_t, dev)
		__field(unsigned long, ino)
		__field(u64, first)
		__field(u64, last)
		__field(u64, runs)
		__field(bool, implicit)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->first = first;
		__entry->last = last;
		__entry->runs = runs;
		__entry->implicit = implicit;
	),
	TP_printk("lease=%llu dev=%d:%d ino=%lu pages=%llu-%llu runs=%llu %s", __entry->id,
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino, __entry->first,
		  __entry->last, __entry->runs, __entry->implicit ? "implicit" : "explicit")
);

TRACE_EVENT(daxlease_state,
	TP_PROTO(u64 id, int from, int to),
	TP_ARGS(id, from, to),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(int, from)
		__field(int, to)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("lease=%llu %s -> %s", __entry->id, show_state(__entry->from),
		  show_state(__entry->to))
);

TRACE_EVENT(daxlease_break,
	TP_PROTO(u64 id, u64 brk, u32 reason, u32 flags, u64 first, u64 last, u64 grace),
	TP_ARGS(id, brk, reason, flags, first, last, grace),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, brk)
		__field(u32, reason)
		__field(u32, flags)
		__field(u64, first)
		__field(u64, last)
		__field(u64, grace)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->brk = brk;
		__entry->reason = reason;
		__entry->flags = flags;
		__entry->first = first;
		__entry->last = last;
		__entry->grace = grace;
	),
	TP_printk("lease=%llu break=%llu reason=%s flags=%s pages=%llu-%llu grace_us=%llu",
		  __entry->id, __entry->brk, show_reason(__entry->reason),
		  show_flags(__entry->flags), __entry->first, __entry->last,
		  __entry->grace / 1000)
);

TRACE_EVENT(daxlease_event,
	TP_PROTO(u64 id, u32 bits, u32 flags, u64 brk),
	TP_ARGS(id, bits, flags, brk),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u32, bits)
		__field(u32, flags)
		__field(u64, brk)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->bits = bits;
		__entry->flags = flags;
		__entry->brk = brk;
	),
	TP_printk("lease=%llu break=%llu bits=%s flags=%s", __entry->id, __entry->brk,
		  show_bits(__entry->bits), show_flags(__entry->flags))
);

TRACE_EVENT(daxlease_ack,
	TP_PROTO(u64 id, u64 brk),
	TP_ARGS(id, brk),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, brk)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->brk = brk;
	),
	TP_printk("lease=%llu break=%llu", __entry->id, __entry->brk)
);

TRACE_EVENT(daxlease_fence,
	TP_PROTO(u64 id, const char *consumer, u64 first, u64 last, bool ok),
	TP_ARGS(id, consumer, first, last, ok),
	TP_STRUCT__entry(
		__field(u64, id)
		__string(consumer, consumer)
		__field(u64, first)
		__field(u64, last)
		__field(bool, ok)
	),
	TP_fast_assign(
		__entry->id = id;
		__assign_str(consumer);
		__entry->first = first;
		__entry->last = last;
		__entry->ok = ok;
	),
	TP_printk("lease=%llu consumer=%s pages=%llu-%llu %s", __entry->id, __get_str(consumer),
		  __entry->first, __entry->last, __entry->ok ? "confirmed" : "NOT CONFIRMED")
);

TRACE_EVENT(daxlease_rearm,
	TP_PROTO(u64 id, u64 generation, u64 first, u64 last, int ret),
	TP_ARGS(id, generation, first, last, ret),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, generation)
		__field(u64, first)
		__field(u64, last)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->generation = generation;
		__entry->first = first;
		__entry->last = last;
		__entry->ret = ret;
	),
	TP_printk("lease=%llu generation=%llu pages=%llu-%llu ret=%d", __entry->id,
		  __entry->generation, __entry->first, __entry->last, __entry->ret)
);

TRACE_EVENT(daxlease_fenced,
	TP_PROTO(u64 id, u64 brk, u64 lost, u64 took),
	TP_ARGS(id, brk, lost, took),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, brk)
		__field(u64, lost)
		__field(u64, took)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->brk = brk;
		__entry->lost = lost;
		__entry->took = took;
	),
	TP_printk("lease=%llu break=%llu granules_lost=%llu since_break_us=%llu", __entry->id,
		  __entry->brk, __entry->lost, __entry->took / 1000)
);

DECLARE_EVENT_CLASS(daxlease_range,
	TP_PROTO(const struct inode *inode, u32 reason, u64 first, u64 last, bool begin, int ret),
	TP_ARGS(inode, reason, first, last, begin, ret),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(unsigned long, ino)
		__field(u32, reason)
		__field(u64, first)
		__field(u64, last)
		__field(bool, begin)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->reason = reason;
		__entry->first = first;
		__entry->last = last;
		__entry->begin = begin;
		__entry->ret = ret;
	),
	TP_printk("%s %s dev=%d:%d ino=%lu pages=%llu-%llu ret=%d",
		  show_reason(__entry->reason), __entry->begin ? "begin" : "end",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino, __entry->first,
		  __entry->last, __entry->ret)
);

/* An operation that the early hooks have seen, until it returns */
DEFINE_EVENT(daxlease_range, daxlease_op,
	TP_PROTO(const struct inode *inode, u32 reason, u64 first, u64 last, bool begin, int ret),
	TP_ARGS(inode, reason, first, last, begin, ret)
);

/* Its wait, without the inode lock */
DEFINE_EVENT(daxlease_range, daxlease_wait,
	TP_PROTO(const struct inode *inode, u32 reason, u64 first, u64 last, bool begin, int ret),
	TP_ARGS(inode, reason, first, last, begin, ret)
);

#endif /* _DAXLEASE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
