/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * <kevent.h> - what libkevent offers beyond the BSDs' <sys/event.h>
 *
 * A portable program does not need it. See kqueue_strerror(3).
 */
#ifndef _KEVENT_H
#define _KEVENT_H

#include <linux/kevent.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * kqueue_strerror() - say why kqueue() failed, and what to do about it
 * @errnum: the errno that kqueue(), kqueue1() or kqueuex() left
 *
 * The text is one line without a newline, meant for the person who runs the
 * program. For an error that those functions do not have it is what
 * strerror(3) says. errno is left as it is.
 *
 * Return: a string that must not be changed or freed
 */
const char *kqueue_strerror(int errnum);

/**
 * kqueue_info() - ask which interface and which filters the module has
 * @kq: any queue
 * @info: filled in; members that this kernel does not know become 0
 *
 * Return: 0, or -1 and errno: EBADF, @kq is not a queue
 */
int kqueue_info(int kq, struct kevent_info *info);

/**
 * kqueue_has_filter() - does the module have a filter?
 * @info: from kqueue_info()
 * @filter: an EVFILT_* number
 *
 * Return: 1 if it can be used in an EV_ADD, otherwise 0
 */
int kqueue_has_filter(const struct kevent_info *info, int filter);

#ifdef __cplusplus
}
#endif

#endif /* _KEVENT_H */
