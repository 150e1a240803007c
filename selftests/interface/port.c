// SPDX-License-Identifier: BSD-2-Clause
/*
 * What programs get that were not written for this: <kevent-port.h>, here in the place
 * where the compiler would include it, and names which FreeBSD does not have.
 */
#include <kevent-port.h>

#include <kevent.h>
#include <sys/wait.h>

#include "expect.h"

FIXTURE(port)
{
	int kq;
	struct kevent ev[4];
};

FIXTURE_SETUP(port)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(port)
{
	close(self->kq);
}

/* With that header a number is a udata, whatever the compiler thinks, and comes back. */
TEST_F(port, number_in_udata)
{
	struct kevent kev;

	EV_SET(&kev, 1, EVFILT_USER, EV_ADD, 0, 0, 5);
	ASSERT_EQ(0, kevent(self->kq, &kev, 1, NULL, 0, NULL));
	kev.fflags = NOTE_TRIGGER;
	kev.udata = -7;
	ASSERT_EQ(0, kevent(self->kq, &kev, 1, NULL, 0, NULL));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ((uintptr_t)-7, UD_NUM(&self->ev[0]));
}

/* NOTE_EXITSTATUS, with NOTE_EXIT or alone: the end of a child says how it ended. */
TEST_F(port, exit_status)
{
	static const unsigned int notes[] = { NOTE_EXIT | NOTE_EXITSTATUS, NOTE_EXITSTATUS };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(notes); i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(3);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, kq_change(self->kq, pid, EVFILT_PROC, EV_ADD, notes[i], 0,
				       NULL));
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
		EXPECT_TRUE(self->ev[0].fflags & NOTE_EXITSTATUS);
		ASSERT_TRUE(WIFEXITED(self->ev[0].data));
		EXPECT_EQ(3, WEXITSTATUS(self->ev[0].data));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	}
}

/* An array of EVFILT_SYSCOUNT has a place for all filters there are, and can be. */
TEST_F(port, places_of_filters)
{
	struct kevent_info info;
	int filter, filters = 0;

	ASSERT_EQ(0, kqueue_info(self->kq, &info));
	for (filter = -1; filter >= -EVFILT_SYSCOUNT; filter--)
		filters += kqueue_has_filter(&info, filter);
	EXPECT_EQ(__builtin_popcountll(info.filters[0]) +
		  __builtin_popcountll(info.filters[1]), filters);
	EXPECT_TRUE(kqueue_has_filter(&info, EVFILT_EXCEPT));
	EXPECT_EQ(EINVAL, kq_set(self->kq, 0, -EVFILT_SYSCOUNT - 1, EV_ADD));
}

TEST_HARNESS_MAIN
