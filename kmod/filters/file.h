/* SPDX-License-Identifier: GPL-2.0 */
/* Files that have a size and an offset. */
#ifndef _KEVENT_FILTERS_FILE_H
#define _KEVENT_FILTERS_FILE_H

#include <linux/types.h>

struct knote;
struct kevent_record;

int file_attach(struct knote *kn);
void file_detach(struct knote *kn);
bool file_readable(struct knote *kn, struct kevent_record *kev);

#endif /* _KEVENT_FILTERS_FILE_H */
