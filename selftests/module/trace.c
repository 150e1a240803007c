// SPDX-License-Identifier: BSD-2-Clause
/*
 * The tracepoints kevent:kevent_register, kevent_activate and kevent_deliver.
 *
 * They are recorded in a trace instance of this test's own and only for one
 * ident, so that nothing else on the machine is disturbed or disturbs.
 */
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "expect.h"

#define TRACEFS	"/sys/kernel/tracing"
#define IDENT	20261

struct instance {
	char dir[64];
	char text[65536];	/* what it has recorded */
};

FIXTURE(trace)
{
	int kq;
	struct instance in;
};

/* Write @text to the file @name of the instance. */
static bool put(struct instance *in, const char *name, const char *text)
{
	char path[128];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", in->dir, name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, strlen(text)) == (long)strlen(text);
	close(fd);
	return ok;
}

/* Take over what has been recorded. */
static bool get(struct instance *in)
{
	char path[128];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", in->dir);
	f = fopen(path, "r");
	if (!f)
		return false;
	len = fread(in->text, 1, sizeof(in->text) - 1, f);
	in->text[len] = 0;
	fclose(f);
	return true;
}

/* How many records of @event contain @text. */
static int count(struct instance *in, const char *event, const char *text)
{
	char *line, *next;
	char name[64];
	int n = 0;

	snprintf(name, sizeof(name), " %s: ", event);
	for (line = in->text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next = 0;
		n += strstr(line, name) && strstr(line, text);
		if (next)
			*next++ = '\n';
	}
	return n;
}

static bool have_tracefs(void)
{
	return !access(TRACEFS "/instances", W_OK) ||
	       (!mount("tracefs", TRACEFS, "tracefs", 0, NULL) &&
		!access(TRACEFS "/instances", W_OK));
}

FIXTURE_SETUP(trace)
{
	if (!have_tracefs())
		SKIP(_exit(255), "needs root and tracefs on " TRACEFS);
	snprintf(self->in.dir, sizeof(self->in.dir), TRACEFS "/instances/kevent-%d",
		 getpid());
	ASSERT_EQ(0, mkdir(self->in.dir, 0700));
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(trace)
{
	put(&self->in, "events/kevent/enable", "0");
	rmdir(self->in.dir);
}

/* Record all three for IDENT. That there is such a field to select by is a part of it. */
static bool record(struct instance *in)
{
	return put(in, "events/kevent/kevent_register/filter", "ident == 20261") &&
	       put(in, "events/kevent/kevent_activate/filter", "ident == 20261") &&
	       put(in, "events/kevent/kevent_deliver/filter", "ident == 20261") &&
	       put(in, "events/kevent/kevent_register/enable", "1") &&
	       put(in, "events/kevent/kevent_activate/enable", "1") &&
	       put(in, "events/kevent/kevent_deliver/enable", "1");
}

/* A user event leaves one record of each kind, in order, with its ident and filter. */
TEST_F(trace, user_event)
{
	static const char what[] = "ident=20261 filter=-11 ";
	char *first, *second, *third;

	ASSERT_TRUE(record(&self->in));
	ASSERT_EQ(0, kq_set(self->kq, IDENT, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_TRUE(get(&self->in));
	ASSERT_EQ(1, count(&self->in, "kevent_register", what));
	ASSERT_EQ(0, count(&self->in, "kevent_register", "ident=1 "));
	ASSERT_EQ(0, count(&self->in, "kevent_activate", ""));
	ASSERT_EQ(0, kq_trigger(self->kq, IDENT));
	ASSERT_EQ(1, kq_count(self->kq));
	ASSERT_TRUE(get(&self->in));
	ASSERT_EQ(2, count(&self->in, "kevent_register", what));
	ASSERT_EQ(1, count(&self->in, "kevent_activate", "ident=20261 filter=-11"));
	ASSERT_EQ(1, count(&self->in, "kevent_deliver", what));
	first = strstr(self->in.text, " kevent_register: ");
	second = strstr(self->in.text, " kevent_activate: ");
	third = strstr(self->in.text, " kevent_deliver: ");
	ASSERT_LT(first, second);
	ASSERT_LT(second, third);
}

/*
 * A descriptor's records carry its number, its data and the queue's number, which is the
 * one in fdinfo.
 */
TEST_F(trace, descriptor)
{
	int any = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int fd = dup3(any, IDENT, O_CLOEXEC);
	__u64 val = 42;
	char path[64], queue[64];

	if (fd != IDENT)
		SKIP(return, "the limit of descriptors is below %d", IDENT);
	ASSERT_TRUE(record(&self->in));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(sizeof(val), write(fd, &val, sizeof(val)));
	ASSERT_READY(self->kq, fd, EVFILT_READ, 42);
	ASSERT_TRUE(get(&self->in));
	ASSERT_EQ(1, count(&self->in, "kevent_register", "ident=20261 filter=-1 "));
	ASSERT_EQ(1, count(&self->in, "kevent_activate", "ident=20261 filter=-1"));
	ASSERT_EQ(1, count(&self->in, "kevent_deliver", "data=42"));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->kq);
	snprintf(queue, sizeof(queue), "queue=%ld ", find_number(path, "queue: %ld"));
	ASSERT_EQ(1, count(&self->in, "kevent_register", queue));
	ASSERT_EQ(1, count(&self->in, "kevent_activate", queue));
	ASSERT_EQ(1, count(&self->in, "kevent_deliver", queue));
}

/* A change that fails is recorded with its error. */
TEST_F(trace, failed_change)
{
	ASSERT_TRUE(record(&self->in));
	ASSERT_EQ(ENOENT, kq_set(self->kq, IDENT, EVFILT_USER, EV_DELETE));
	ASSERT_TRUE(get(&self->in));
	ASSERT_EQ(1, count(&self->in, "kevent_register", "ret=-2"));
	ASSERT_EQ(0, count(&self->in, "kevent_activate", ""));
	ASSERT_EQ(0, count(&self->in, "kevent_deliver", ""));
}

/* Nothing is recorded when they are off. */
TEST_F(trace, off)
{
	ASSERT_TRUE(record(&self->in));
	ASSERT_TRUE(put(&self->in, "events/kevent/enable", "0"));
	ASSERT_EQ(0, kq_set(self->kq, IDENT, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq, IDENT));
	ASSERT_EQ(1, kq_count(self->kq));
	ASSERT_TRUE(get(&self->in));
	ASSERT_EQ(NULL, strstr(self->in.text, " kevent_"));
}

TEST_HARNESS_MAIN
