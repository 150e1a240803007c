// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many changes in one call, when memory runs out in the middle: with room for
 * records each failure is told by one, and all others are made; without room
 * the call ends at the first, those before it are made, those after it not.
 */
#include "fault.h"
#include "sources.h"

#define CHANGES	40	/* more than two batches of 16 */

FIXTURE(batch)
{
	struct fault f;
	int kq;
	int fd;
	struct kevent kev[OUT_MOST];
};

FIXTURE_SETUP(batch)
{
	const char *why = fault_setup(&self->f);

	if (why)
		SKIP(_exit(255), "%s", why);
	self->kq = kq_open();
	self->fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->kq);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(batch)
{
	EXPECT_TRUE(fault_done(&self->f));
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* Registrations of all kinds, none of which is ready. Numbers from 100 on. */
static bool fill_in(struct kevent *kev, int n, int fd, int flags)
{
	int i;

	for (i = 0; i < n; i++) {
		switch (i % 4) {
		case 0:
			EV_SET(&kev[i], i, EVFILT_USER, flags, 0, 0, UD(i));
			break;
		case 1:
			EV_SET(&kev[i], i, EVFILT_TIMER, flags, NOTE_SECONDS, 1000, UD(i));
			break;
		default:
			EV_SET(&kev[i], 100 + i, EVFILT_READ, flags, 0, 0, UD(i));
			if (dup2(fd, 100 + i) != 100 + i)
				return false;
		}
	}
	return true;
}

/* Delete them all; @was[i] tells whether the i-th was there. */
static bool take_all(int kq, const struct kevent *made, int n, bool *was)
{
	static struct kevent kev[OUT_MOST];
	int i;

	for (i = 0; i < n; i++)
		EV_SET(&kev[i], made[i].ident, made[i].filter,
		       EV_DELETE | EV_RECEIPT, 0, 0, NULL);
	if (kevent(kq, kev, n, kev, n, NULL) != n)
		return false;
	for (i = 0; i < n; i++) {
		was[i] = !kev[i].data;
		if (kev[i].data && kev[i].data != ENOENT)
			return false;
	}
	return true;
}

/* The first @k of them were there, the others not. */
static bool is_prefix(const bool *was, int n, int k)
{
	int i;

	for (i = 0; i < n; i++)
		if (was[i] ? i >= k : i < k)
			return false;
	return true;
}

static int count(const bool *was, int n)
{
	int i, sum = 0;

	for (i = 0; i < n; i++)
		sum += was[i];
	return sum;
}

/* What became of a call. */
struct outcome {
	int ret;			/* of kevent() */
	int err;			/* errno, if -1 */
	bool hit;			/* a step was made to fail */
	struct kevent got[OUT_MOST];	/* records */
	bool was[OUT_MOST];		/* what was registered */
	int failed;			/* calls that were not a plain success */
};

/* A call that is made again and again, and who judges what became of it. */
struct batch {
	struct fault *f;
	int kq;
	const struct kevent *kev;
	int n;				/* how many changes ... */
	int room;			/* ... and records there is room for */
	const struct timespec *timeout;
	int before;			/* triggers in a queue made anew; 0: no such */
	int least;
	const char *(*judge)(const struct batch *b, struct outcome *o);
};

/* The same number, with triggers that are in nobody's way. */
static bool new_queue(const struct batch *b)
{
	static struct kevent kev[OUT_MOST];
	int i;

	for (i = 0; i < b->before; i++)
		EV_SET(&kev[i], 1000 + i, EVFILT_USER, EV_ADD, 0, 0, NULL);
	close(b->kq);
	return kqueue() == b->kq && !kevent(b->kq, kev, b->before, NULL, 0, NULL);
}

/* The call, with its @n-th step failing. Returns what is wrong. */
static const char *batch_one(const struct batch *b, struct outcome *o, int n)
{
	memset(o->got, 0, sizeof(o->got));
	if (b->before && !new_queue(b))
		return "no queue";
	if (!fault_set(b->f, n))
		return "no faults";
	o->ret = kevent(b->kq, b->kev, b->n, o->got, b->room, b->timeout);
	o->err = o->ret < 0 ? errno : 0;
	o->hit = fault_end(b->f);
	if (!take_all(b->kq, b->kev, b->n, o->was) ||
	    fdinfo_knotes(b->kq) != b->before)
		return "what is registered cannot be told";
	return b->judge(b, o);
}

/*
 * One call after the other, in which ever later steps fail. @judge looks at
 * what kevent() returned and at what was registered. Returns what is wrong.
 */
static const char *batch_each(const struct batch *b)
{
	static struct outcome o;
	const char *wrong = NULL;
	size_t pass;
	int n;

	o.failed = 0;
	for (pass = 0; pass < FAULT_PASSES && !wrong; pass++) {
		if (!fault_pass_begin(b->f, pass))
			return "pages cannot be chosen";
		for (n = 1, o.hit = true; o.hit && !wrong; n++)
			wrong = batch_one(b, &o, n);
	}
	if (!wrong && o.failed < b->least)
		wrong = "too few calls failed";
	if (wrong)
		printf("# %s: number %d fails, kevent() is %d, %s, %d registered\n",
		       wrong, n - 1, o.ret, strerror(o.err), count(o.was, b->n));
	fflush(stdout);
	return wrong;
}

/* No room: all, or ENOMEM and a part of them, from the first on. */
static const char *judge_prefix(const struct batch *b, struct outcome *o)
{
	int made = count(o->was, b->n);

	if (!is_prefix(o->was, b->n, made))
		return "not in order";
	if (!o->ret)
		return made == b->n ? NULL : "it succeeded in part";
	if (o->ret != -1 || !o->hit || o->err != ENOMEM)
		return "it failed for no reason";
	o->failed++;
	return made < b->n ? NULL : "it failed, but nothing is missing";
}

/* Without room the changes before the one that fails are made, no others. */
TEST_F_TIMEOUT(batch, ends_at_the_failure, 120)
{
	struct batch b = {
		.f = &self->f, .kq = self->kq, .kev = self->kev, .n = CHANGES,
		.least = CHANGES, .judge = judge_prefix,
	};

	ASSERT_TRUE(fill_in(self->kev, CHANGES, self->fd, EV_ADD));
	EXPECT_EQ(NULL, batch_each(&b));
}

/* The same while the hash table of idents, which begins with 64, grows. */
TEST_F_TIMEOUT(batch, grow_hash, 120)
{
	struct batch b = {
		.f = &self->f, .kq = self->kq, .kev = self->kev, .n = 26,
		.before = 44, .least = 26, .judge = judge_prefix,
	};
	int i;

	for (i = 0; i < b.n; i++)
		EV_SET(&self->kev[i], i, EVFILT_USER, EV_ADD, 0, 0, NULL);
	EXPECT_EQ(NULL, batch_each(&b));
}

/* Each change that is missing has its record with ENOMEM, and no other has. */
static const char *judge_records(const struct batch *b, struct outcome *o)
{
	int i, k;

	/* The timeout is copied before anything is done. */
	if (o->ret == -1) {
		if (!o->hit || o->err != EFAULT || count(o->was, b->n))
			return "it failed for no reason";
		o->failed++;
		return NULL;
	}
	for (i = 0, k = 0; i < b->n; i++) {
		if (o->was[i])
			continue;
		if (k == o->ret || o->got[k].ident != b->kev[i].ident ||
		    o->got[k].filter != b->kev[i].filter ||
		    o->got[k].flags != EV_ERROR || o->got[k].data != ENOMEM)
			return "one is missing without a record";
		k++;
	}
	if (k != o->ret)
		return "a record for what was made";
	if (k && !o->hit)
		return "it failed for no reason";
	o->failed += !!k;
	return NULL;
}

/* With room each failure has a record, and all other changes are made. */
TEST_F_TIMEOUT(batch, goes_on_with_room, 120)
{
	const struct timespec now = { 0 };
	struct batch b = {
		.f = &self->f, .kq = self->kq, .kev = self->kev, .n = CHANGES,
		.room = CHANGES, .timeout = &now, .least = CHANGES,
		.judge = judge_records,
	};

	ASSERT_TRUE(fill_in(self->kev, CHANGES, self->fd, EV_ADD));
	EXPECT_EQ(NULL, batch_each(&b));
}

/*
 * Each change has a receipt, with 0 or ENOMEM. If one cannot be stored, the
 * call ends with EFAULT there: its change is the last that was made.
 */
static const char *judge_receipts(const struct batch *b, struct outcome *o)
{
	int made = count(o->was, b->n), i;

	if (o->ret == -1) {
		if (!o->hit || o->err != EFAULT)
			return "it failed for no reason";
		o->failed++;
		return made && is_prefix(o->was, b->n, made) ? NULL : "not in order";
	}
	if (o->ret != b->n)
		return "a receipt is missing";
	for (i = 0; i < b->n; i++)
		if (o->got[i].flags != EV_ERROR ||
		    o->got[i].ident != b->kev[i].ident ||
		    o->got[i].data != (o->was[i] ? 0 : ENOMEM))
			return "a receipt is wrong";
	if (made < b->n && !o->hit)
		return "it failed for no reason";
	o->failed += made < b->n;
	return NULL;
}

/* Receipts tell the truth, as far as they can be stored. */
TEST_F_TIMEOUT(batch, receipts, 120)
{
	struct batch b = {
		.f = &self->f, .kq = self->kq, .kev = self->kev, .n = CHANGES,
		.room = CHANGES, .least = 2 * CHANGES, .judge = judge_receipts,
	};

	ASSERT_TRUE(fill_in(self->kev, CHANGES, self->fd, EV_ADD | EV_RECEIPT));
	EXPECT_EQ(NULL, batch_each(&b));
}

TEST_HARNESS_MAIN
