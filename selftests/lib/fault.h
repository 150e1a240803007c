/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Failures from within: kernels with fault injection can let the n-th of the
 * allocations and copies that a thread's calls make fail. A call is repeated
 * with n = 1, 2, 3 ... until none of them was hit any more. Each time it must
 * fail cleanly, with nothing changed, or succeed completely.
 *
 * Not all copies can be made to fail like this; for the rest see
 * fault_pages.c.
 */
#ifndef KEVENT_SELFTESTS_FAULT_H
#define KEVENT_SELFTESTS_FAULT_H

#include <limits.h>
#include <sys/klog.h>
#include <sys/mman.h>

#include "common.h"

#define FAULT_DIR	"/sys/kernel/debug/"
#define FAULT_MOST	3000	/* no call makes so many allocations */

/*
 * By default only allocations that must not sleep fail, and each failure puts
 * a stack trace into the kernel's log, which looks like a crash. All of them
 * fail in threads that have make-it-fail set; in others they must not, so the
 * filter comes first, and is restored last.
 */
static const char *const fault_setting[][2] = {
	{ "failslab/task-filter", "Y" },
	{ "failslab/times", "1000000000" },
	{ "failslab/probability", "100" },
	{ "fail_page_alloc/task-filter", "Y" },
	{ "fail_page_alloc/times", "1000000000" },
	{ "fail_page_alloc/probability", "100" },
	{ "failslab/ignore-gfp-wait", "N" },
	{ "failslab/verbose", "0" },
	{ "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/min-order", "0" },
	{ "fail_page_alloc/verbose", "0" },
	{ "fail_usercopy/verbose", "0" },
};

#define FAULT_SETTINGS	ARRAY_SIZE(fault_setting)
#define FAULT_MIN_ORDER	9	/* its index */

/*
 * Pages are needed only now and then, when a cache is empty: that would shift
 * the numbers of all other allocations, and some would never be hit. So there
 * is one pass without faults in their allocation, and one with.
 */
static const char *const fault_pass[] = { "20", "0" };

#define FAULT_PASSES	ARRAY_SIZE(fault_pass)

/**
 * struct fault - fault injection for the thread that set it up
 * @ctl: its fail-nth
 * @order: fail_page_alloc/min-order, open for when we are not root any more
 * @saved: what the settings were
 * @console: the console's level, while it is lowered
 * @hit: the last call that was made to fail had something to fail
 * @injected: failures injected so far
 */
struct fault {
	int ctl;
	int order;
	char saved[FAULT_SETTINGS][32];
	long console;
	bool hit;
	long injected;
};

static inline int fault_open_setting(size_t i, int mode)
{
	char path[128];

	snprintf(path, sizeof(path), FAULT_DIR "%s", fault_setting[i][0]);
	return open(path, mode | O_CLOEXEC);
}

static inline bool fault_read(size_t i, char *buf, size_t size)
{
	int fd = fault_open_setting(i, O_RDONLY);
	ssize_t len = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	if (len <= 0)
		return false;
	buf[len] = '\0';
	return true;
}

static inline bool fault_write(size_t i, const char *text)
{
	ssize_t len = strlen(text);
	int fd = fault_open_setting(i, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, len) == len;

	if (fd >= 0)
		close(fd);
	return ok;
}

static inline bool fault_save(struct fault *f)
{
	size_t i;

	for (i = 0; i < FAULT_SETTINGS; i++)
		if (!fault_read(i, f->saved[i], sizeof(f->saved[i])))
			return false;
	return true;
}

static inline bool fault_apply(struct fault *f)
{
	size_t i;

	for (i = 0; i < FAULT_SETTINGS; i++)
		if (!fault_write(i, fault_setting[i][1]))
			return false;
	f->order = fault_open_setting(FAULT_MIN_ORDER, O_WRONLY);
	return f->order >= 0;
}

static inline bool fault_done(struct fault *f)
{
	bool ok = true;
	size_t i;

	if (f->injected)
		printf("# %ld faults injected\n", f->injected);
	fflush(stdout);
	for (i = FAULT_SETTINGS; i--; )
		ok &= fault_write(i, f->saved[i]);
	close(f->ctl);
	close(f->order);
	return ok;
}

/*
 * Why nothing can be made to fail here, and all is as it was; or NULL, and
 * fault_done() is due.
 */
static inline const char *fault_setup(struct fault *f)
{
	const char *why = NULL;

	memset(f, 0, sizeof(*f));
	f->order = -1;
	f->ctl = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (f->ctl < 0)
		return "this kernel has no fault injection, or we are not root";
	if (!fault_save(f)) {
		close(f->ctl);
		return "this kernel lacks a kind of fault injection";
	}
	if (!fault_apply(f))
		why = "fault injection cannot be set up";
	/* Nor should a page be missing when a call reads or writes it. */
	else if (mlockall(MCL_CURRENT))
		why = "the program's memory cannot be locked";
	if (why)
		fault_done(f);
	return why;
}

#define SYSLOG_READ_ALL	3

#define FAULT_MARK	"kevent: what comes now may be due to injected faults"

/* Leave a mark in the kernel's log, which is not for the console. */
static inline bool fault_mark(void)
{
	static const char text[] = "<7>" FAULT_MARK "\n";
	ssize_t len = sizeof(text) - 1;
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, len) == len;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* What stands behind the last mark in @text; NULL if there is none. */
static inline const char *fault_marked(const char *text)
{
	const char *found = NULL;

	while ((text = strstr(text, FAULT_MARK))) {
		text += strlen(FAULT_MARK);
		found = text;
	}
	return found;
}

/*
 * How often the kernel's log says, since the last mark, that something is
 * wrong. -1: unknown; so much came that the mark has been overwritten, and
 * perhaps more.
 */
static inline long complaints(void)
{
	static const char *const word[] = {
		"BUG:", "WARNING:", "ODEBUG", "possible ", "suspicious ",
	};
	static char text[1 << 20];
	int len = klogctl(SYSLOG_READ_ALL, text, sizeof(text) - 1);
	const char *marked, *pos;
	long n = 0;
	size_t i;

	if (len < 0)
		return -1;
	text[len] = '\0';
	marked = fault_marked(text);
	if (!marked)
		return -1;
	for (i = 0; i < ARRAY_SIZE(word); i++)
		for (pos = marked; (pos = strstr(pos, word[i])); pos++)
			n++;
	return n;
}

/*
 * Some failures put a stack trace into the log in any case (vmalloc's): while
 * they are to be expected, warnings are kept from the console. What else would
 * have been hidden is looked for at the end.
 */
static inline bool fault_quiet(struct fault *f)
{
	f->console = read_number(CONSOLE_LEVEL);
	return f->console > 0 && fault_mark() &&
	       !write_number(CONSOLE_LEVEL, LEVEL_ERRORS);
}

static inline bool fault_quiet_end(const struct fault *f)
{
	return !write_number(CONSOLE_LEVEL, f->console) && !complaints();
}

/* Begin a pass. */
static inline bool fault_pass_begin(const struct fault *f, size_t pass)
{
	ssize_t len = strlen(fault_pass[pass]);

	return write(f->order, fault_pass[pass], len) == len;
}

/* Fail the @n-th; 0: none. What is left of an earlier one may hit our write. */
static inline bool fault_set(struct fault *f, int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%d", n);

	return pwrite(f->ctl, buf, len, 0) == len ||
	       pwrite(f->ctl, buf, len, 0) == len;
}

/*
 * The calls in question have been made: have they been hit? If just one was
 * left, it hits our read.
 */
static inline bool fault_end(struct fault *f)
{
	char buf[16] = { 0 };
	int err = errno;
	ssize_t len = pread(f->ctl, buf, sizeof(buf) - 1, 0);

	f->hit = len > 0 && !atoi(buf);
	f->injected += f->hit;
	if (!fault_set(f, 0)) {
		fprintf(stderr, "# faults cannot be switched off\n");
		_exit(1);
	}
	errno = err;
	return f->hit;
}

/* What fdinfo says of some queues, in an order that does not depend on luck. */
#define STATE_SIZE	65536
#define STATE_LINES	1024

struct state {
	char text[STATE_SIZE];
};

static inline int state_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Not the number of a queue made anew; nor its memory: tables stay as large as they were. */
static inline bool state_line(const char *line)
{
	return strncmp(line, "queue:", 6) && strncmp(line, "memory:", 7);
}

static inline bool state_add(struct state *s, int kq)
{
	static char text[STATE_SIZE];
	static char *line[STATE_LINES];
	char path[64], *word, *save;
	size_t len = 0, used = strlen(s->text);
	int fd, n = 0, i;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((got = read(fd, text + len, STATE_SIZE - 1 - len)) > 0)
		len += got;
	close(fd);
	text[len] = '\0';
	for (word = strtok_r(text, "\n", &save); word && n < STATE_LINES;
	     word = strtok_r(NULL, "\n", &save))
		if (state_line(word))
			line[n++] = word;
	qsort(line, n, sizeof(*line), state_order);
	for (i = 0; i < n && used < STATE_SIZE - 1; i++)
		used += snprintf(s->text + used, STATE_SIZE - used, "%s\n", line[i]);
	return !got && n < STATE_LINES && used < STATE_SIZE - 1;
}

/* Errors that a case may end with. */
#define MAY_ENOMEM	1
#define MAY_EFAULT	2
#define MAY_EAGAIN	4

static inline bool fault_may(int err, int may)
{
	return (err == ENOMEM && may & MAY_ENOMEM) ||
	       (err == EFAULT && may & MAY_EFAULT) ||
	       (err == EAGAIN && may & MAY_EAGAIN);
}

#define OUT_MOST	128

/**
 * struct fault_case - a call to be repeated
 * @name: for the log
 * @call: the call. Returns 0, or the errno; what it finds goes into fault_out
 * @undo: makes all as it was before @call succeeded; NULL: nothing to do.
 *	Returns 0, or an errno
 * @kq: queues that it deals with, -1 after the last
 * @arg: for the functions
 * @num: the same
 * @may: errors that it may end with. With none it must always succeed: it
 *	needs no memory, or can do without
 * @least: how many times it must fail, of those that are always the same
 * @applied: it is EFAULT when all has been done but the answer
 */
struct fault_case {
	const char *name;
	int (*call)(const struct fault_case *c);
	int (*undo)(const struct fault_case *c);
	int kq[3];
	const void *arg;
	int num;
	int may;
	int least;
	bool applied;
};

/* What a call found. */
struct fault_out {
	struct kevent ev[OUT_MOST];
	int n;
};

static struct fault_out fault_out;

static inline void state_take(const struct fault_case *c, struct state *s)
{
	size_t i;

	s->text[0] = '\0';
	for (i = 0; i < ARRAY_SIZE(c->kq) && c->kq[i] >= 0; i++)
		if (!state_add(s, c->kq[i]))
			strcpy(s->text, "unreadable");
}

static inline bool state_is(const struct fault_case *c, const struct state *want)
{
	static struct state now;

	state_take(c, &now);
	if (!strcmp(now.text, want->text))
		return true;
	fprintf(stderr, "# it is\n%s# not\n%s", now.text, want->text);
	return false;
}

static inline int fault_call(const struct fault_case *c)
{
	memset(&fault_out, 0, sizeof(fault_out));
	return c->call(c);
}

static inline bool out_is(const struct fault_out *want)
{
	return !memcmp(&fault_out, want, sizeof(*want));
}

struct fault_run {
	struct state before, after;
	struct fault_out out;
	int failed[3];		/* by ENOMEM, EFAULT, EAGAIN */
};

/* What is wrong with how the call went, or NULL. */
static inline const char *fault_judge(struct fault_run *r,
				      const struct fault_case *c, bool hit,
				      int err)
{
	if (!err)
		return !state_is(c, &r->after) ? "it succeeded in part" :
		       !out_is(&r->out) ? "it found something else" : NULL;
	if (!hit)
		return "it failed for no reason";
	if (!fault_may(err, c->may))
		return "it failed with the wrong errno";
	r->failed[err == ENOMEM ? 0 : err == EFAULT ? 1 : 2]++;
	if (c->applied && err == EFAULT)
		return state_is(c, &r->after) ? NULL : "it was not applied";
	if (!state_is(c, &r->before))
		return "it failed, but changed something";
	if (fault_call(c))
		return "it does not work afterwards";
	return !state_is(c, &r->after) ? "afterwards it works in part" :
	       !out_is(&r->out) ? "afterwards it finds something else" : NULL;
}

/* Without faults: the call works, and undoing it leaves nothing. */
static inline const char *fault_rehearse(struct fault_run *r,
					 const struct fault_case *c)
{
	state_take(c, &r->before);
	if (fault_call(c))
		return "it does not even work without faults";
	state_take(c, &r->after);
	r->out = fault_out;
	if (c->undo && c->undo(c))
		return "it cannot be undone";
	return state_is(c, &r->before) ? NULL : "undoing it leaves something";
}

/* The call with its @n-th step failing, and all that must hold then. */
static inline const char *fault_one(struct fault *f, struct fault_run *r,
				    const struct fault_case *c, int n)
{
	const char *wrong;
	int err;

	if (n > FAULT_MOST || !fault_set(f, n))
		return "there is no end to what can fail";
	err = fault_call(c);
	fault_end(f);
	wrong = fault_judge(r, c, f->hit, err);
	if (!wrong && c->undo && c->undo(c))
		wrong = "it cannot be undone";
	if (!wrong && !state_is(c, &r->before))
		wrong = "undoing it leaves something";
	if (wrong)
		printf("# number %d fails: %s\n", n, strerror(err));
	return wrong;
}

/* So often is a pass repeated in which fewer calls failed than must be able to. */
#define FAULT_ATTEMPTS	10

static inline bool fault_enough(const struct fault_run *r,
				const struct fault_case *c)
{
	return r->failed[0] + r->failed[1] + r->failed[2] >= c->least;
}

/*
 * One pass over all steps. Even without faults in pages, a cache that is filled
 * up in between makes allocations of its own, which shift the numbers: a step
 * that was jumped over has another chance.
 */
static inline const char *fault_sweep(struct fault *f, struct fault_run *r,
				      const struct fault_case *c)
{
	const char *wrong = NULL;
	int attempt, n;

	for (attempt = 0; attempt < FAULT_ATTEMPTS && !wrong; attempt++) {
		for (n = 1, f->hit = true; f->hit && !wrong; n++)
			wrong = fault_one(f, r, c, n);
		if (fault_enough(r, c))
			return wrong;
	}
	return wrong ? wrong : "too few calls failed";
}

/* Fail each step of the call in turn. Returns what is wrong, or NULL. */
static inline const char *fault_each(struct fault *f, const struct fault_case *c)
{
	static struct fault_run r;
	const char *wrong;
	long before = f->injected;
	size_t pass;

	memset(&r, 0, sizeof(r));
	wrong = fault_rehearse(&r, c);
	for (pass = 0; pass < FAULT_PASSES && !wrong; pass++) {
		if (!fault_pass_begin(f, pass))
			return "pages cannot be chosen";
		wrong = fault_sweep(f, &r, c);
	}
	if (wrong)
		printf("# %s: %s. %ld faults: %d ENOMEM, %d EFAULT, %d EAGAIN\n",
		       c->name, wrong, f->injected - before, r.failed[0],
		       r.failed[1], r.failed[2]);
	fflush(stdout);
	return wrong;
}

#endif /* KEVENT_SELFTESTS_FAULT_H */
