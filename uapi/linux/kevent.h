/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The user interface of /dev/kevent: FreeBSD's kqueue for Linux.
 *
 * Every open of the device is a new queue. One ioctl registers interest and
 * collects events. Numbers, structure and units are those of FreeBSD 12 and
 * later; what FreeBSD lacks is numbered from -64 down.
 *
 * C programs normally include <sys/event.h> from libkevent instead.
 */
#ifndef _UAPI_LINUX_KEVENT_H
#define _UAPI_LINUX_KEVENT_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct kevent_record - one registration (in) or one event (out)
 * @ident: what is watched: a descriptor, a timer's or trigger's name, ...
 * @filter: the kind of source, one of EVFILT_*
 * @flags: EV_* actions (in), EV_EOF and EV_ERROR (out)
 * @fflags: flags of the filter, NOTE_*
 * @data: a value of the filter: bytes, connections, expirations, an errno
 * @udata: the user's, returned with each event
 * @ext: ext[0] and ext[1] are the filter's where it has a use for them, else
 *	the user's; ext[2] and ext[3] are always the user's
 *
 * 64 bytes, with the same layout for 32-bit and 64-bit programs. A 32-bit
 * program's @ident is its low half only; the kernel ignores the rest.
 */
struct kevent_record {
	__u64 ident;
	__s16 filter;
	__u16 flags;
	__u32 fflags;
	__s64 data;
	__u64 udata;
	__u64 ext[4];
};

/* Filters. */
#define EVFILT_READ		(-1)	/* bytes, connections or events to take */
#define EVFILT_WRITE		(-2)	/* room to write */
#define EVFILT_AIO		(-3)	/* not supported */
#define EVFILT_VNODE		(-4)	/* changes to a file */
#define EVFILT_PROC		(-5)	/* fork, exec and exit of a process */
#define EVFILT_SIGNAL		(-6)	/* signals sent to this process */
#define EVFILT_TIMER		(-7)	/* timers */
#define EVFILT_PROCDESC		(-8)	/* process descriptors (pidfd) */
#define EVFILT_FS		(-9)	/* mounts that come and go */
#define EVFILT_LIO		(-10)	/* not supported */
#define EVFILT_USER		(-11)	/* triggered by the program itself */
#define EVFILT_SENDFILE		(-12)	/* not supported */
#define EVFILT_EMPTY		(-13)	/* a socket has nothing left to send */
#define EVFILT_EXCEPT		(-64)	/* out-of-band or priority data */
#define KEVENT_FILTER_MIN	(-127)	/* the lowest number a filter can have */

/* Actions (in). */
#define EV_ADD			0x0001	/* create, or modify what exists */
#define EV_DELETE		0x0002	/* remove */
#define EV_ENABLE		0x0004	/* deliver again */
#define EV_DISABLE		0x0008	/* keep watching, do not deliver */

/* Properties (in), kept from the change that created the registration. */
#define EV_ONESHOT		0x0010	/* delivered once, then removed */
#define EV_CLEAR		0x0020	/* edge: the state is reset by delivery */
#define EV_RECEIPT		0x0040	/* answer each change with a record */
#define EV_DISPATCH		0x0080	/* disabled by delivery */
#define EV_FORCEONESHOT		0x0100	/* deliver now, once, whatever the state */
#define EV_KEEPUDATA		0x0200	/* modify, but leave udata as it is */

/* Bits that a change may carry over from an event; the kernel drops them. */
#define EV_SYSFLAGS		0xf000
#define EV_DROP			0x1000
#define EV_FLAG1		0x2000
#define EV_FLAG2		0x4000

/* States (out). */
#define EV_EOF			0x8000	/* the other side is gone */
#define EV_ERROR		0x4000	/* the change failed: data is the errno */

/* EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT. What FreeBSD lacks comes from the top. */
#define NOTE_LOWAT		0x00000001	/* data is the low-water mark */
#define NOTE_FILE_POLL		0x00000002	/* files: always ready, as poll(2) */
#define NOTE_OOB		0x00000002	/* EXCEPT: out-of-band data */
#define NOTE_EXCLUSIVE		0x80000000	/* READ: wake one queue, not all */

/* EVFILT_USER: the two top bits say how fflags are combined. */
#define NOTE_FFNOP		0x00000000	/* leave the stored flags */
#define NOTE_FFAND		0x40000000	/* and */
#define NOTE_FFOR		0x80000000	/* or */
#define NOTE_FFCOPY		0xc0000000	/* replace */
#define NOTE_FFCTRLMASK		0xc0000000
#define NOTE_FFLAGSMASK		0x00ffffff	/* the user's flags */
#define NOTE_TRIGGER		0x01000000	/* fire */

/* EVFILT_TIMER: the unit of data, milliseconds unless told. */
#define NOTE_SECONDS		0x00000001
#define NOTE_MSECONDS		0x00000002
#define NOTE_USECONDS		0x00000004
#define NOTE_NSECONDS		0x00000008
#define NOTE_ABSTIME		0x00000010	/* a time of CLOCK_REALTIME */

/* EVFILT_VNODE: what happened to the file. */
#define NOTE_DELETE		0x00000001	/* a name of it was removed */
#define NOTE_WRITE		0x00000002	/* its contents changed */
#define NOTE_EXTEND		0x00000004	/* it grew */
#define NOTE_ATTRIB		0x00000008	/* its attributes changed */
#define NOTE_LINK		0x00000010	/* its link count changed */
#define NOTE_RENAME		0x00000020	/* it was renamed */
#define NOTE_REVOKE		0x00000040	/* access was taken away */
#define NOTE_OPEN		0x00000080	/* it was opened */
#define NOTE_CLOSE		0x00000100	/* closed, was not open for writing */
#define NOTE_CLOSE_WRITE	0x00000200	/* closed, was open for writing */
#define NOTE_READ		0x00000400	/* it was read */

/* EVFILT_FS: what happened to mounts. Linux tells of three of them. */
#define VQ_NOTRESP		0x0001	/* a server does not answer */
#define VQ_NEEDAUTH		0x0002	/* a server asks for a password */
#define VQ_LOWDISK		0x0004	/* little room is left */
#define VQ_MOUNT		0x0008	/* mounted; ext[0] is how many */
#define VQ_UNMOUNT		0x0010	/* unmounted; ext[1] is how many */
#define VQ_DEAD			0x0020	/* a server is dead */
#define VQ_ASSIST		0x0040	/* somebody has to help */
#define VQ_NOTRESPLOCK		0x0080	/* a server does not answer about locks */
#define VQ_UPDATE		0x0100	/* options of a mount changed */

/* EVFILT_PROC and EVFILT_PROCDESC: what the process did. */
#define NOTE_EXIT		0x80000000	/* exited; data is the status */
#define NOTE_FORK		0x40000000	/* forked; ext[0] is how often */
#define NOTE_EXEC		0x20000000	/* ran a program; ext[1] is how often */
#define NOTE_PCTRLMASK		0xf0000000
#define NOTE_PDATAMASK		0x000fffff
#define NOTE_TRACK		0x00000001	/* watch its children too */
#define NOTE_TRACKERR		0x00000002	/* out: data children were missed */
#define NOTE_CHILD		0x00000004	/* out: a child; data is the parent */

/**
 * struct kevent_args - argument of KEVENT_IOC_KEVENT
 * @size: sizeof(struct kevent_args) as the program knows it
 * @flags: none are defined: 0
 * @changes: address of @nchanges records to apply
 * @events: address of room for @nevents records; may be the same as @changes
 * @nchanges: how many changes
 * @nevents: how many events at most; 0 returns at once
 * @timeout: address of a struct __kernel_timespec, relative, for how long to
 *	wait at most for a first event; 0 to wait for ever
 */
struct kevent_args {
	__u32 size;
	__u32 flags;
	__u64 changes;
	__u64 events;
	__s32 nchanges;
	__s32 nevents;
	__u64 timeout;
};

#define KEVENT_ARGS_SIZE_VER0	40	/* sizeof the first published struct */

/**
 * struct kevent_info - answer of KEVENT_IOC_INFO
 * @size: in: sizeof(struct kevent_info) as the program knows it;
 *	out: how much of it the kernel filled
 * @abi: KEVENT_ABI_VERSION of the module
 * @filters: bit -f of this map is set if filter f is present, that is bit
 *	(-f % 64) of filters[-f / 64]
 */
struct kevent_info {
	__u32 size;
	__u32 abi;
	__u64 filters[2];
};

#define KEVENT_INFO_SIZE_VER0	24
#define KEVENT_ABI_VERSION	1

#define KEVENT_IOC_MAGIC	0xe7

/*
 * KEVENT_IOC_KEVENT - apply changes, then collect events.
 *
 * Returns the number of records stored at events. All changes are applied in
 * order before any event is read. A change that fails is answered with a
 * record that has EV_ERROR in flags and the errno in data if there is room,
 * otherwise the call ends with that errno and the remaining changes are not
 * applied. If there was any such record (or a receipt), the call returns them
 * and collects no events.
 *
 * The structures carry their size: a program built for a newer interface gets
 * EINVAL if it uses what this kernel does not know, so the command number
 * leaves the size out.
 *
 * Errors: EBADF the queue is closed, or belongs to another descriptor table;
 * EFAULT a bad address (what was not delivered stays queued); EINTR a signal
 * came before an event (all changes have been applied); EINVAL a size, count,
 * flag or timeout that makes no sense; and those of single changes: EACCES,
 * EBADF, EBUSY, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC (the user's limit),
 * EOPNOTSUPP, EPIPE, ESRCH.
 */
#define KEVENT_IOC_KEVENT	_IO(KEVENT_IOC_MAGIC, 1)

/* KEVENT_IOC_INFO - fill a struct kevent_info. Errors: EFAULT, EINVAL. */
#define KEVENT_IOC_INFO		_IO(KEVENT_IOC_MAGIC, 2)

#endif /* _UAPI_LINUX_KEVENT_H */
