// SPDX-License-Identifier: BSD-2-Clause
/* A timer and a trigger, against timerfd and eventfd with epoll. */
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench.h"

static const char *const columns[] = { "kevent", "epoll", NULL };

/* An epoll that watches @fd. */
static int epoll_on(int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
	int ep = epoll_open();

	check(fd >= 0, "descriptor");
	check(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), "epoll_ctl");
	return ep;
}

/* The timer is due at once: what counts is the work, not the time. */
static void kevent_timer(struct series *s)
{
	struct kevent change, ev;
	int i, got, kq = queue_open();
	long long start, end;

	EV_SET(&change, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_NSECONDS, 1, NULL);
	for (i = 0; i < opt.ops; i++) {
		start = now();
		got = kevent(kq, &change, 1, &ev, 1, NULL);
		end = now();
		check(got == 1 && ev.data == 1, "the timer did not expire once");
		series_add(s, end - start);
	}
	close(kq);
}

static void timerfd_timer(struct series *s)
{
	struct itimerspec due = { .it_value.tv_nsec = 1 };
	int i, fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), ep = epoll_on(fd);
	struct epoll_event ev;
	long long start, end, count;
	bool good;

	for (i = 0; i < opt.ops; i++) {
		start = now();
		good = !timerfd_settime(fd, 0, &due, NULL) &&
		       epoll_wait(ep, &ev, 1, -1) == 1 &&
		       read(fd, &count, sizeof(count)) == sizeof(count);
		end = now();
		check(good && count == 1, "the timerfd did not expire once");
		series_add(s, end - start);
	}
	close(ep);
	close(fd);
}

/*
 * A time limit that is put off, again and again, as servers do for each request. The
 * last one is put off to now, and must then come, once.
 */
#define PUT_OFF_SECONDS 10

static void kevent_put_off(struct series *s)
{
	static const struct timespec no_wait;
	struct kevent change, ev[2];
	int i, bad, kq = queue_open();
	long long start, end;

	EV_SET(&change, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_SECONDS,
	       PUT_OFF_SECONDS, NULL);
	check(!kevent(kq, &change, 1, NULL, 0, NULL), "kevent");
	for (i = 0; i < opt.ops; i++) {
		start = now();
		bad = kevent(kq, &change, 1, NULL, 0, NULL);
		end = now();
		check(!bad, "a timer cannot be put off");
		series_add(s, end - start);
	}
	check(!kevent(kq, NULL, 0, ev, 2, &no_wait), "a timer was not put off");
	EV_SET(&change, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_NSECONDS, 1, NULL);
	check(kevent(kq, &change, 1, ev, 2, NULL) == 1 && ev[0].data == 1,
	      "the timer did not expire once");
	close(kq);
}

static void timerfd_put_off(struct series *s)
{
	struct itimerspec later = { .it_value.tv_sec = PUT_OFF_SECONDS };
	struct itimerspec due = { .it_value.tv_nsec = 1 };
	int i, bad, fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), ep = epoll_on(fd);
	long long start, end, count;
	struct epoll_event ev;

	check(!timerfd_settime(fd, 0, &later, NULL), "timerfd_settime");
	for (i = 0; i < opt.ops; i++) {
		start = now();
		bad = timerfd_settime(fd, 0, &later, NULL);
		end = now();
		check(!bad, "a timerfd cannot be put off");
		series_add(s, end - start);
	}
	check(!epoll_wait(ep, &ev, 1, 0), "a timerfd was not put off");
	check(!timerfd_settime(fd, 0, &due, NULL) && epoll_wait(ep, &ev, 1, -1) == 1 &&
	      read(fd, &count, sizeof(count)) == sizeof(count) && count == 1,
	      "the timerfd did not expire once");
	close(ep);
	close(fd);
}

static void row_of(void (*kevents)(struct series *s), void (*epolls)(struct series *s),
		   const char *what)
{
	struct series s[2] = {};
	double value[2];
	int round;

	for (round = 0; round < opt.rounds; round++) {
		kevents(&s[KEVENT]);
		epolls(&s[EPOLL]);
	}
	value[KEVENT] = series_median(&s[KEVENT]);
	value[EPOLL] = series_median(&s[EPOLL]);
	table_row(value, "%s", what);
}

void bench_timer(void)
{
	table_begin("Timer", columns, "kevent/epoll");
	row_of(kevent_timer, timerfd_timer, "arm, wait, collect (epoll: timerfd)");
	row_of(kevent_put_off, timerfd_put_off,
	       "put off one of 10 s (epoll: timerfd_settime)");
}

/* A queue, and what triggers its event. */
static int queue_for(struct kevent *trigger)
{
	EV_SET(trigger, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	return trigger_queue();
}

enum calls { TWO_CALLS, ONE_CALL };

static void kevent_trigger(struct series *s, enum calls calls)
{
	struct kevent change, ev;
	int i, got, kq = queue_for(&change);
	long long start, end;

	for (i = 0; i < opt.ops; i++) {
		start = now();
		if (calls == TWO_CALLS) {
			got = kevent(kq, &change, 1, NULL, 0, NULL);
			got += kevent(kq, NULL, 0, &ev, 1, NULL);
		} else {
			got = kevent(kq, &change, 1, &ev, 1, NULL);
		}
		end = now();
		check(got == 1, "the trigger was not delivered");
		series_add(s, end - start);
	}
	close(kq);
}

static void eventfd_trigger(struct series *s)
{
	int i, fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ep = epoll_on(fd);
	struct epoll_event ev;
	long long start, end, count = 1;
	bool good;

	for (i = 0; i < opt.ops; i++) {
		start = now();
		good = write(fd, &count, sizeof(count)) == sizeof(count) &&
		       epoll_wait(ep, &ev, 1, -1) == 1 &&
		       read(fd, &count, sizeof(count)) == sizeof(count);
		end = now();
		check(good && count == 1, "the eventfd was not delivered");
		series_add(s, end - start);
	}
	close(ep);
	close(fd);
}

/* Only the triggers: each is collected before the next, but that is not counted. */
static void kevent_raise(struct series *s)
{
	struct kevent change, ev;
	int i, bad, kq = queue_for(&change);
	long long start, end;

	for (i = 0; i < opt.ops; i++) {
		start = now();
		bad = kevent(kq, &change, 1, NULL, 0, NULL);
		end = now();
		check(!bad && kevent(kq, NULL, 0, &ev, 1, NULL) == 1,
		      "the trigger was not delivered");
		series_add(s, end - start);
	}
	close(kq);
}

static void eventfd_raise(struct series *s)
{
	int i, fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ep = epoll_on(fd);
	long long start, end, count = 1;
	struct epoll_event ev;
	ssize_t len;

	for (i = 0; i < opt.ops; i++) {
		start = now();
		len = write(fd, &count, sizeof(count));
		end = now();
		check(len == sizeof(count) && epoll_wait(ep, &ev, 1, -1) == 1 &&
		      read(fd, &count, sizeof(count)) == sizeof(count) && count == 1,
		      "the eventfd was not delivered");
		series_add(s, end - start);
	}
	close(ep);
	close(fd);
}

void bench_user(void)
{
	struct series s[2] = {}, one = {};
	double value[2];
	int round;

	table_begin("User event", columns, "kevent/epoll");
	for (round = 0; round < opt.rounds; round++) {
		kevent_trigger(&s[KEVENT], TWO_CALLS);
		eventfd_trigger(&s[EPOLL]);
		kevent_trigger(&one, ONE_CALL);
	}
	value[KEVENT] = series_median(&s[KEVENT]);
	value[EPOLL] = series_median(&s[EPOLL]);
	table_row(value, "trigger, wait (epoll: eventfd, read it)");
	value[KEVENT] = series_median(&one);
	table_row(value, "the same, kevent in one call");
	row_of(kevent_raise, eventfd_raise, "trigger alone (epoll: write to an eventfd)");
}
