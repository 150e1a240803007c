// SPDX-License-Identifier: BSD-2-Clause
/*
 * The program's struct kevent and the kernel's struct kevent_record must be
 * the same bytes: the lists go to the kernel as they are. Checked here, at
 * compile time, for whatever machine the library is built for.
 */
#include <sys/event.h>

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* What is as large as a pointer is the low half of the record's member. */
#if UINTPTR_MAX > 0xffffffffUL || __BYTE_ORDER__ != __ORDER_BIG_ENDIAN__
#define LOW_HALF	0
#else
#define LOW_HALF	4
#endif

static_assert(sizeof(struct kevent_record) == 64, "size of the ABI");
static_assert(sizeof(struct kevent) == 64, "size");

static_assert(offsetof(struct kevent, ident) ==
	      offsetof(struct kevent_record, ident) + LOW_HALF, "ident");
static_assert(offsetof(struct kevent, filter) ==
	      offsetof(struct kevent_record, filter), "filter");
static_assert(offsetof(struct kevent, flags) ==
	      offsetof(struct kevent_record, flags), "flags");
static_assert(offsetof(struct kevent, fflags) ==
	      offsetof(struct kevent_record, fflags), "fflags");
static_assert(offsetof(struct kevent, data) ==
	      offsetof(struct kevent_record, data), "data");
static_assert(offsetof(struct kevent, udata) ==
	      offsetof(struct kevent_record, udata) + LOW_HALF, "udata");
static_assert(offsetof(struct kevent, ext) ==
	      offsetof(struct kevent_record, ext), "ext");

static_assert(sizeof(struct kevent_args) == KEVENT_ARGS_SIZE_VER0,
	      "size of the ABI's arguments");
static_assert(sizeof(struct kevent_info) == KEVENT_INFO_SIZE_VER0,
	      "size of the ABI's answer");
