// SPDX-License-Identifier: BSD-2-Clause
/* Words for numbers: filters, and bits. What has no word is a number. */
#include <signal.h>
#include <string.h>

#include "kevstat.h"

/* --- Filters --------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool is_fd;
} filters[FILTERS] = {
	[-EVFILT_READ] = { "read", true },
	[-EVFILT_WRITE] = { "write", true },
	[-EVFILT_VNODE] = { "vnode", true },
	[-EVFILT_PROC] = { "proc", false },
	[-EVFILT_SIGNAL] = { "signal", false },
	[-EVFILT_TIMER] = { "timer", false },
	[-EVFILT_PROCDESC] = { "procdesc", true },
	[-EVFILT_FS] = { "fs", false },
	[-EVFILT_USER] = { "user", false },
	[-EVFILT_EMPTY] = { "empty", true },
	[-EVFILT_EXCEPT] = { "except", true },
};

static bool is_filter(int filter)
{
	return filter < 0 && filter > -FILTERS;
}

/* Valid until it is called again. */
const char *filter_name(int filter)
{
	static char number[16];

	if (is_filter(filter) && filters[-filter].name)
		return filters[-filter].name;
	snprintf(number, sizeof(number), "%d", filter);
	return number;
}

/* Is its ident a descriptor? */
bool filter_is_fd(int filter)
{
	return is_filter(filter) && filters[-filter].is_fd;
}

/* --- Bits ------------------------------------------------------------------------ */

struct bit {
	unsigned int bit;
	const char *name;
};

static const struct bit flag_bits[] = {
	{ EV_ONESHOT, "oneshot" }, { EV_CLEAR, "clear" }, { EV_DISPATCH, "dispatch" },
	{ EV_RECEIPT, "receipt" }, { 0 }
};

static const struct bit read_bits[] = {
	{ NOTE_LOWAT, "lowat" }, { NOTE_FILE_POLL, "file-poll" },
	{ NOTE_EXCLUSIVE, "exclusive" }, { 0 }
};

static const struct bit except_bits[] = {
	{ NOTE_OOB, "oob" }, { 0 }
};

static const struct bit timer_bits[] = {
	{ NOTE_SECONDS, "seconds" }, { NOTE_MSECONDS, "mseconds" },
	{ NOTE_USECONDS, "useconds" }, { NOTE_NSECONDS, "nseconds" },
	{ NOTE_ABSTIME, "abstime" }, { 0 }
};

static const struct bit vnode_bits[] = {
	{ NOTE_DELETE, "delete" }, { NOTE_WRITE, "write" }, { NOTE_EXTEND, "extend" },
	{ NOTE_ATTRIB, "attrib" }, { NOTE_LINK, "link" }, { NOTE_RENAME, "rename" },
	{ NOTE_REVOKE, "revoke" }, { NOTE_OPEN, "open" }, { NOTE_CLOSE, "close" },
	{ NOTE_CLOSE_WRITE, "close-write" }, { NOTE_READ, "read" }, { 0 }
};

static const struct bit fs_bits[] = {
	{ VQ_NOTRESP, "notresp" }, { VQ_NEEDAUTH, "needauth" },
	{ VQ_LOWDISK, "lowdisk" }, { VQ_MOUNT, "mount" }, { VQ_UNMOUNT, "unmount" },
	{ VQ_DEAD, "dead" }, { VQ_ASSIST, "assist" },
	{ VQ_NOTRESPLOCK, "notresplock" }, { VQ_UPDATE, "update" }, { 0 }
};

static const struct bit proc_bits[] = {
	{ NOTE_EXIT, "exit" }, { NOTE_FORK, "fork" }, { NOTE_EXEC, "exec" },
	{ NOTE_TRACK, "track" }, { 0 }
};

static const struct bit no_bits[] = { { 0 } };

static const struct bit *const note_bits[FILTERS] = {
	[-EVFILT_READ] = read_bits,
	[-EVFILT_WRITE] = read_bits,
	[-EVFILT_EXCEPT] = except_bits,
	[-EVFILT_VNODE] = vnode_bits,
	[-EVFILT_PROC] = proc_bits,
	[-EVFILT_PROCDESC] = proc_bits,
	[-EVFILT_TIMER] = timer_bits,
	[-EVFILT_FS] = fs_bits,
};

/* NAMES_SIZE is enough for all of them. */
static void put_names(char *to, const struct bit *bit, unsigned int bits)
{
	const char *comma = "";

	*to = '\0';
	for (; bit->bit; bit++) {
		if (!(bits & bit->bit))
			continue;
		to += sprintf(to, "%s%s", comma, bit->name);
		bits &= ~bit->bit;
		comma = ",";
	}
	if (bits)
		sprintf(to, "%s%#x", comma, bits);
}

void names_of_flags(char *to, unsigned int flags)
{
	put_names(to, flag_bits, flags);
}

void names_of_notes(char *to, int filter, unsigned int fflags)
{
	const struct bit *bits = is_filter(filter) ? note_bits[-filter] : NULL;

	put_names(to, bits ? bits : no_bits, fflags);
}

const char *const state_names[STATES] = { "queued", "disabled", "closed" };

void names_of_state(char *to, unsigned int state)
{
	static const struct bit bits[] = {
		{ QUEUED, "queued" }, { DISABLED, "disabled" }, { CLOSED, "closed" },
		{ 0 }
	};

	put_names(to, bits, state);
}

/* --- Signals --------------------------------------------------------------------- */

void name_of_signal(char *to, size_t size, int sig)
{
	const char *name = sigabbrev_np(sig);

	if (name)
		snprintf(to, size, "SIG%s", name);
	else if (sig >= SIGRTMIN && sig <= SIGRTMAX)
		snprintf(to, size, "SIGRTMIN+%d", sig - SIGRTMIN);
	else
		snprintf(to, size, "%d", sig);
}
