/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pairs of programs: what both print, and how many descriptors and system calls
 * that takes with epoll and with kqueue. The man page shows these numbers, and a
 * selftest counts.
 */
PAIR(edge, "level: 3 events, edge: 1", 5, 15, 5, 13);
PAIR(rearm, "armed: 1, silent: 0, again: 1", 3, 9, 3, 7);
PAIR(duplex, "sent 2 bytes, got 5 and the end", 3, 11, 3, 9);
PAIR(timer, "expired, 3 times", 2, 10, 1, 4);
PAIR(signal, "signal 15, from myself", 2, 8, 1, 6);
PAIR(process, "exited with 7", 2, 5, 1, 3);
PAIR(file, "written changed", 3, 13, 3, 9);
PAIR(wake, "woken with 42", 2, 6, 1, 4);
