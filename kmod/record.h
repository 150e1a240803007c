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

/* Within a section of user access: load a structure of five or eight words. */
static __always_inline bool load_words(void *to, const void __user *from, unsigned int n)
{
	const u64 __user *src = from;
	u64 *dst = to;

	BUILD_BUG_ON(n != 5 && n != 8);

	unsafe_get_user(dst[0], &src[0], fault);
	unsafe_get_user(dst[1], &src[1], fault);
	unsafe_get_user(dst[2], &src[2], fault);
	unsafe_get_user(dst[3], &src[3], fault);
	unsafe_get_user(dst[4], &src[4], fault);
	if (n == 5)
		return true;
	unsafe_get_user(dst[5], &src[5], fault);
	unsafe_get_user(dst[6], &src[6], fault);
	unsafe_get_user(dst[7], &src[7], fault);
	return true;

fault:
	return false;
}

/* Copy a batch of records in. */
static inline bool load_records(struct kevent_record *kev,
				const struct kevent_record __user *from, int n)
{
	if (!user_read_access_begin(from, n * sizeof(*from)))
		return false;
	for (; n; n--, kev++, from++) {
		if (!load_words(kev, from, sizeof(*kev) / sizeof(u64)))
			break;
	}
	user_read_access_end();
	return !n;
}

/* Copy an ioctl's arguments in, as far as they were known in the beginning. */
static inline bool load_args(struct kevent_args *args,
			     const struct kevent_args __user *from)
{
	bool loaded;

	if (!user_read_access_begin(from, KEVENT_ARGS_SIZE_VER0))
		return false;
	loaded = load_words(args, from, KEVENT_ARGS_SIZE_VER0 / sizeof(u64));
	user_read_access_end();
	return loaded;
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
static __always_inline bool store_parts(const struct knote *kn, u16 flags, u32 fflags,
					s64 data, const u64 *ext,
					struct kevent_record __user *to)
{
	unsafe_put_user(kn->ident, &to->ident, fault);
	unsafe_put_user(kn->filter, &to->filter, fault);
	unsafe_put_user(flags, &to->flags, fault);
	unsafe_put_user(fflags, &to->fflags, fault);
	unsafe_put_user(data, &to->data, fault);
	unsafe_put_user(kn->udata, &to->udata, fault);
	unsafe_put_user(ext[0], &to->ext[0], fault);
	unsafe_put_user(ext[1], &to->ext[1], fault);
	unsafe_put_user(kn->ext[2], &to->ext[2], fault);
	unsafe_put_user(kn->ext[3], &to->ext[3], fault);
	return true;

fault:
	return false;
}

/* The same as a section of its own. */
static __always_inline bool store_one(const struct knote *kn, u16 flags, u32 fflags,
				      s64 data, const u64 *ext,
				      struct kevent_record __user *to)
{
	bool stored;

	if (!user_write_access_begin(to, sizeof(*to)))
		return false;
	stored = store_parts(kn, flags, fflags, data, ext, to);
	user_write_access_end();
	return stored;
}

static inline bool store_event(const struct knote *kn,
			       const struct kevent_record *kev,
			       struct kevent_record __user *to)
{
	return store_one(kn, kev->flags, kev->fflags, kev->data, kev->ext, to);
}

#endif /* _KEVENT_RECORD_H */
