/* SPDX-License-Identifier: GPL-2.0 */
/*
 * EVFILT_READ of what a program may have very many of, as it nearly always is when
 * somebody looks: there are bytes, and that is all. It is read where it is, inline;
 * to ask a filter, and a kind, takes longer than the answer.
 */
#ifndef _KEVENT_FILTERS_USUAL_H
#define _KEVENT_FILTERS_USUAL_H

#include "eventfd.h"
#include "kind.h"
#include "pipe.h"
#include "socket.h"

/*
 * What the event of a knote of EVFILT_READ has as data, if it has nothing else to
 * say; or 0: then kevent_read_unusual() knows. Context: as the event function of a
 * knote that is not SLOW.
 */
static __always_inline s64 kevent_read_usual(const struct knote *kn)
{
	switch (kn->kind) {
	case FD_EVENTFD:
		return eventfd_usual_counter(kn);
	case FD_SOCKET:
		return socket_usual_bytes(kn);
	case FD_PIPE:
		return pipe_usual_bytes(kn);
	default:
		return 0;
	}
}

#endif /* _KEVENT_FILTERS_USUAL_H */
