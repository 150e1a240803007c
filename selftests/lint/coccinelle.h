/* SPDX-License-Identifier: BSD-2-Clause */
/* Macros without which coccinelle does not understand the functions around. */
#define kevent_uninitialized
