// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_PROCDESC: the end of a process, by a pidfd. Who has one may know the
 * status. It is not known of a process that had been waited for before anybody
 * watched it, by number or by pidfd.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pid.h>

#include "../compat.h"
#include "../kqueue.h"
#include "process.h"

static int procdesc_attach(struct knote *kn)
{
	struct pid *pid = kevent_pidfd_pid(kn->poll.file);
	struct process *process;

	if (!pid || (kn->sfflags & ~NOTE_EXIT))
		return -EINVAL;
	/* That it is a thread's does not show if it was opened by file handle. */
	if (pid_has_task(pid, PIDTYPE_PID) && !pid_has_task(pid, PIDTYPE_TGID))
		return -EINVAL;
	process = process_get(pid);
	if (IS_ERR(process))
		return PTR_ERR(process);
	kn->events = process_kin(pid);
	kn->flags |= EV_CLEAR;
	teller_attach(&process->node.teller, kn);
	get_file(kn->poll.file);
	return 1;
}

static void procdesc_detach(struct knote *kn)
{
	teller_detach(kn);
	fput(kn->poll.file);
}

static int procdesc_touch(struct knote *kn, const struct kevent_record *kev)
{
	if (kev->fflags & ~NOTE_EXIT)
		return -EINVAL;
	kn->sfflags = kev->fflags;
	return 0;
}

static bool procdesc_event(struct knote *kn, struct kevent_record *kev)
{
	struct process *process = knote_process(kn);
	bool ended;

	process_lock(process);
	list_move_tail(&kn->told.node, &process->patient);
	ended = process_has_ended(process, kn->events);
	kev->data = process->status;
	process_unlock(process);
	if (!ended)
		return false;
	atomic_or(KNOTE_GONE, &kn->state);
	if (!(kn->sfflags & NOTE_EXIT))
		return false;
	kev->flags |= EV_ONESHOT | EV_EOF;
	kev->fflags = NOTE_EXIT;
	return true;
}

const struct kevent_filter kevent_procdesc_filter = {
	.owner = THIS_MODULE,
	.name = "procdesc",
	.flags = KEVENT_FILTER_FD,
	.attach = procdesc_attach,
	.detach = procdesc_detach,
	.touch = procdesc_touch,
	.event = procdesc_event,
};
