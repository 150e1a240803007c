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

/* Within a section of user access: load the n-th eight bytes of a structure. */
#define unsafe_get_word(to, from, n, label)				\
	unsafe_get_user(((u64 *)(to))[n], (const u64 __user *)(from) + (n), label)

/* Copy a batch of records in. */
static inline bool load_records(struct kevent_record *kev,
				const struct kevent_record __user *from, int n)
{
	BUILD_BUG_ON(sizeof(*kev) != 8 * sizeof(u64));

	if (!user_read_access_begin(from, n * sizeof(*from)))
		return false;
	for (; n; n--, kev++, from++) {
		unsafe_get_word(kev, from, 0, fault);
		unsafe_get_word(kev, from, 1, fault);
		unsafe_get_word(kev, from, 2, fault);
		unsafe_get_word(kev, from, 3, fault);
		unsafe_get_word(kev, from, 4, fault);
		unsafe_get_word(kev, from, 5, fault);
		unsafe_get_word(kev, from, 6, fault);
		unsafe_get_word(kev, from, 7, fault);
	}
	user_read_access_end();
	return true;

fault:
	user_read_access_end();
	return false;
}

/* Copy an ioctl's arguments in, as far as they were known in the beginning. */
static inline bool load_args(struct kevent_args *args,
			     const struct kevent_args __user *from)
{
	BUILD_BUG_ON(KEVENT_ARGS_SIZE_VER0 != 5 * sizeof(u64));

	if (!user_read_access_begin(from, KEVENT_ARGS_SIZE_VER0))
		return false;
	unsafe_get_word(args, from, 0, fault);
	unsafe_get_word(args, from, 1, fault);
	unsafe_get_word(args, from, 2, fault);
	unsafe_get_word(args, from, 3, fault);
	unsafe_get_word(args, from, 4, fault);
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

/*
 * Within a section of user access: store the event of a knote, with what its filter
 * has reported.
 */
#define unsafe_put_knote(kn, _flags, _fflags, _data, _ext, to, label)	\
do {									\
	unsafe_put_user((kn)->ident, &(to)->ident, label);		\
	unsafe_put_user((kn)->filter, &(to)->filter, label);		\
	unsafe_put_user((_flags), &(to)->flags, label);			\
	unsafe_put_user((_fflags), &(to)->fflags, label);		\
	unsafe_put_user((_data), &(to)->data, label);			\
	unsafe_put_user((kn)->udata, &(to)->udata, label);		\
	unsafe_put_user((_ext)[0], &(to)->ext[0], label);		\
	unsafe_put_user((_ext)[1], &(to)->ext[1], label);		\
	unsafe_put_user((kn)->ext[2], &(to)->ext[2], label);		\
	unsafe_put_user((kn)->ext[3], &(to)->ext[3], label);		\
} while (0)

/* The same as a section of its own. */
static inline bool store_event(const struct knote *kn,
			       const struct kevent_record *kev,
			       struct kevent_record __user *to)
{
	if (!user_write_access_begin(to, sizeof(*to)))
		return false;
	unsafe_put_knote(kn, kev->flags, kev->fflags, kev->data, kev->ext, to,
			 fault);
	user_write_access_end();
	return true;

fault:
	user_write_access_end();
	return false;
}

#endif /* _KEVENT_RECORD_H */
