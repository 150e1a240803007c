// SPDX-License-Identifier: BSD-2-Clause
/*
 * The first descriptor that is registered after the module was loaded waits for
 * the hook that follows closing. When memory runs out on the way, registering
 * fails with ENOMEM and the next try succeeds, with the hook in place.
 */
#include "fault.h"
#include "module.h"
#include "sources.h"

#define FAILED_LEAST	2	/* the table of descriptors, the knote */
#define STEPS_LEAST	2	/* a work installs the hook, out of reach */

FIXTURE(hook)
{
	struct fault f;
	const char *ko;
	int fd;
};

FIXTURE_SETUP(hook)
{
	const char *missing = module_missing("KEVENT_KO");
	const char *why;

	if (missing)
		SKIP(_exit(255), "KEVENT_KO %s", missing);
	why = fault_setup(&self->f);
	if (why)
		SKIP(_exit(255), "%s", why);
	self->ko = getenv("KEVENT_KO");
	self->fd = eventfd(1, EFD_CLOEXEC);
	ASSERT_TRUE(fault_quiet(&self->f));
	ASSERT_TRUE(fault_pass_begin(&self->f, 0));
}

FIXTURE_TEARDOWN(hook)
{
	EXPECT_TRUE(fault_done(&self->f));
	EXPECT_TRUE(fault_quiet_end(&self->f));
	if (!module_loaded("kevent"))
		EXPECT_EQ(0, module_load(self->ko, ""));
}

/* The hook follows closing: a duplicate does not keep the knote. */
static bool hook_works(int kq, int fd)
{
	int number = dup(fd);
	bool ok = !kq_set(kq, number, EVFILT_READ, EV_ADD) && fdinfo_knotes(kq) == 1;

	return !close(number) && ok && !fdinfo_knotes(kq);
}

/* With a module just loaded, the @n-th step fails. Returns what is wrong. */
static const char *hook_round(struct fault *f, int fd, int n, int *failed)
{
	int kq = kqueue(), err;

	if (kq < 0 || !fault_set(f, n))
		return "no queue, or no faults";
	err = kq_set(kq, fd, EVFILT_READ, EV_ADD);
	fault_end(f);
	*failed += !!err;
	if (err && (!f->hit || err != ENOMEM))
		return strerror(err);
	if (fdinfo_knotes(kq) != !err)
		return "something else was registered";
	if (!err && kq_set(kq, fd, EVFILT_READ, EV_DELETE))
		return "it cannot be removed";
	if (!hook_works(kq, fd))
		return "closing is not followed";
	close(kq);
	return NULL;
}

/* Whichever step of registering fails: ENOMEM or no harm. */
TEST_F_TIMEOUT(hook, first_descriptor, 120)
{
	const char *wrong = NULL;
	int n, failed = 0;

	for (n = 1, self->f.hit = true; self->f.hit && !wrong; n++) {
		if (module_loaded("kevent"))
			ASSERT_EQ(0, module_unload("kevent"));
		ASSERT_EQ(0, module_load(self->ko, ""));
		wrong = hook_round(&self->f, self->fd, n, &failed);
	}
	EXPECT_EQ(NULL, wrong)
		TH_LOG("number %d: %s", n - 1, wrong);
	TH_LOG("%d of %d steps failed", failed, n - 2);
	EXPECT_LE(FAILED_LEAST, failed);
	EXPECT_LE(STEPS_LEAST, self->f.injected);
}

TEST_HARNESS_MAIN
