/* SPDX-License-Identifier: BSD-2-Clause */
/* kqueue.c includes it, and uses nothing of it. */
