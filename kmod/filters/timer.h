/* SPDX-License-Identifier: GPL-2.0 */
/* What the KUnit suites see of EVFILT_TIMER. */
#ifndef _KEVENT_FILTERS_TIMER_H
#define _KEVENT_FILTERS_TIMER_H

#include <linux/types.h>

s64 kevent_timer_ns(u32 fflags, s64 data, u16 flags);

#endif /* _KEVENT_FILTERS_TIMER_H */
