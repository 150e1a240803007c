/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints. A queue is named by a number, the count of queues so far. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kevent

#if !defined(_KEVENT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _KEVENT_TRACE_H

#include <linux/tracepoint.h>
#include <uapi/linux/kevent.h>

/* A change was applied, with this result. */
TRACE_EVENT(kevent_register,
	TP_PROTO(u64 queue, const struct kevent_record *kev, int ret),
	TP_ARGS(queue, kev, ret),
	TP_STRUCT__entry(
		__field(u64, queue)
		__field(u64, ident)
		__field(s64, data)
		__field(u32, fflags)
		__field(s16, filter)
		__field(u16, flags)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->queue = queue;
		__entry->ident = kev->ident;
		__entry->data = kev->data;
		__entry->fflags = kev->fflags;
		__entry->filter = kev->filter;
		__entry->flags = kev->flags;
		__entry->ret = ret;
	),
	TP_printk("queue=%llu ident=%llu filter=%d flags=%#x fflags=%#x data=%lld ret=%d",
		  __entry->queue, __entry->ident, __entry->filter,
		  __entry->flags, __entry->fflags, __entry->data, __entry->ret)
);

/* A source fired and its knote was put on the queue. */
TRACE_EVENT(kevent_activate,
	TP_PROTO(u64 queue, u64 ident, s16 filter),
	TP_ARGS(queue, ident, filter),
	TP_STRUCT__entry(
		__field(u64, queue)
		__field(u64, ident)
		__field(s16, filter)
	),
	TP_fast_assign(
		__entry->queue = queue;
		__entry->ident = ident;
		__entry->filter = filter;
	),
	TP_printk("queue=%llu ident=%llu filter=%d",
		  __entry->queue, __entry->ident, __entry->filter)
);

/* An event reached the user. */
TRACE_EVENT(kevent_deliver,
	TP_PROTO(u64 queue, const struct kevent_record *kev),
	TP_ARGS(queue, kev),
	TP_STRUCT__entry(
		__field(u64, queue)
		__field(u64, ident)
		__field(s64, data)
		__field(u32, fflags)
		__field(s16, filter)
		__field(u16, flags)
	),
	TP_fast_assign(
		__entry->queue = queue;
		__entry->ident = kev->ident;
		__entry->data = kev->data;
		__entry->fflags = kev->fflags;
		__entry->filter = kev->filter;
		__entry->flags = kev->flags;
	),
	TP_printk("queue=%llu ident=%llu filter=%d flags=%#x fflags=%#x data=%lld",
		  __entry->queue, __entry->ident, __entry->filter,
		  __entry->flags, __entry->fflags, __entry->data)
);

#endif /* _KEVENT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
