/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copying records from and to the user, without the checks that copy_from_user()
 * and copy_to_user() have for sizes not known in advance. False if that faults.
 * Context: may sleep to serve a fault, unless page faults are disabled: then it
 * is false as well.
 */
#ifndef _KEVENT_RECORD_H
#define _KEVENT_RECORD_H

#include <linux/uaccess.h>

#include "compat.h"
#include "knote.h"

/* Copy a batch of records in. */
static inline bool load_records(struct kevent_record *kev,
				const struct kevent_record __user *from, int n)
{
	if (!user_read_access_begin(from, n * sizeof(*from)))
		return false;
	for (; n; n--, kev++, from++) {
		unsafe_get_user(kev->ident, &from->ident, fault);
		unsafe_get_user(kev->filter, &from->filter, fault);
		unsafe_get_user(kev->flags, &from->flags, fault);
		unsafe_get_user(kev->fflags, &from->fflags, fault);
		unsafe_get_user(kev->data, &from->data, fault);
		unsafe_get_user(kev->udata, &from->udata, fault);
		unsafe_get_user(kev->ext[0], &from->ext[0], fault);
		unsafe_get_user(kev->ext[1], &from->ext[1], fault);
		unsafe_get_user(kev->ext[2], &from->ext[2], fault);
		unsafe_get_user(kev->ext[3], &from->ext[3], fault);
	}
	user_read_access_end();
	return true;

fault:
	user_read_access_end();
	return false;
}

/* Store a record, or a part of it if that faults. */
static inline bool store_record(const struct kevent_record *kev,
				struct kevent_record __user *to)
{
	if (!user_write_access_begin(to, sizeof(*to)))
		return false;
	unsafe_put_user(kev->ident, &to->ident, fault);
	unsafe_put_user(kev->filter, &to->filter, fault);
	unsafe_put_user(kev->flags, &to->flags, fault);
	unsafe_put_user(kev->fflags, &to->fflags, fault);
	unsafe_put_user(kev->data, &to->data, fault);
	unsafe_put_user(kev->udata, &to->udata, fault);
	unsafe_put_user(kev->ext[0], &to->ext[0], fault);
	unsafe_put_user(kev->ext[1], &to->ext[1], fault);
	unsafe_put_user(kev->ext[2], &to->ext[2], fault);
	unsafe_put_user(kev->ext[3], &to->ext[3], fault);
	user_write_access_end();
	return true;

fault:
	user_write_access_end();
	return false;
}

/* The same of what a filter has reported, with what the knote has to add. */
static inline bool store_event(const struct knote *kn,
			       const struct kevent_record *kev,
			       struct kevent_record __user *to)
{
	if (!user_write_access_begin(to, sizeof(*to)))
		return false;
	unsafe_put_user(kn->ident, &to->ident, fault);
	unsafe_put_user(kn->filter, &to->filter, fault);
	unsafe_put_user(kev->flags, &to->flags, fault);
	unsafe_put_user(kev->fflags, &to->fflags, fault);
	unsafe_put_user(kev->data, &to->data, fault);
	unsafe_put_user(kn->udata, &to->udata, fault);
	unsafe_put_user(kev->ext[0], &to->ext[0], fault);
	unsafe_put_user(kev->ext[1], &to->ext[1], fault);
	unsafe_put_user(kn->ext[2], &to->ext[2], fault);
	unsafe_put_user(kn->ext[3], &to->ext[3], fault);
	user_write_access_end();
	return true;

fault:
	user_write_access_end();
	return false;
}

#endif /* _KEVENT_RECORD_H */
