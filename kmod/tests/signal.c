// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_SIGNAL, with the probe called as the kernel calls it: which signals count,
 * and who is said to have sent them.
 */

#include <linux/cred.h>
#include <linux/irqflags.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <trace/events/signal.h>

#include "fixture.h"
#include "../probe.h"

#define SIG		SIGUSR1
#define SENDER_PID	4711
#define SENDER_UID	815

typedef void (*probe_func_t)(void *data, int sig, struct kernel_siginfo *info,
			     struct task_struct *receiver, int group, int result);

static void call_probe(int sig, struct kernel_siginfo *info,
		       struct task_struct *receiver, int result)
{
	probe_func_t sent = signal_probe.func;

	local_irq_disable();
	sent(NULL, sig, info, receiver, 1, result);
	local_irq_enable();
}

/* All of the union is full, so that it shows if the wrong part of it is read. */
static void call_with_code(int sig, int code)
{
	struct kernel_siginfo info;

	memset(&info, 0x5a, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	info.si_pid = SENDER_PID;
	info.si_uid = SENDER_UID;
	call_probe(sig, &info, current, TRACE_SIGNAL_DELIVERED);
}

/* Whether siginfo has a sender depends on the code, and for SIGCHLD on the signal. */
static void signal_codes(struct kunit *test)
{
	static const struct {
		int sig;
		int code;
		bool sender;
	} codes[] = {
		{ SIG, SI_USER, true },
		{ SIG, SI_QUEUE, true },
		{ SIG, SI_TKILL, true },
		{ SIG, SI_MESGQ, true },
		{ SIG, SI_ASYNCIO, false },
		{ SIG, -1000, true },
		{ SIG, SI_TIMER, false },
		{ SIG, SI_SIGIO, false },
		{ SIG, SI_KERNEL, false },
		{ SIG, POLL_IN, false },
		{ SIG, CLD_EXITED, false },
		{ SIGIO, POLL_IN, false },
		{ SIGSEGV, SEGV_MAPERR, false },
		{ SIGCHLD, CLD_EXITED, true },
		{ SIGCHLD, CLD_CONTINUED, true },
		{ SIGCHLD, CLD_CONTINUED + 1, false },
		{ SIGCHLD, SI_KERNEL, false },
	};
	struct fixture *fix = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, SIG, EVFILT_SIGNAL, EV_ADD), 0);
	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, SIGIO, EVFILT_SIGNAL, EV_ADD), 0);
	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, SIGSEGV, EVFILT_SIGNAL, EV_ADD), 0);
	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, SIGCHLD, EVFILT_SIGNAL, EV_ADD), 0);
	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		call_with_code(codes[i].sig, codes[i].code);
		KUNIT_ASSERT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 1);
		KUNIT_EXPECT_EQ(test, fix->ev[0].ident, codes[i].sig);
		KUNIT_EXPECT_EQ(test, fix->ev[0].data, 1);
		KUNIT_EXPECT_EQ(test, (int)fix->ev[0].fflags, codes[i].code);
		KUNIT_EXPECT_EQ(test, fix->ev[0].ext[0],
				codes[i].sender ? SENDER_PID : 0);
		KUNIT_EXPECT_EQ(test, fix->ev[0].ext[1],
				codes[i].sender ? SENDER_UID : 0);
	}
}

/* What comes without siginfo is from the current process, or from the kernel. */
static void signal_without_info(struct kunit *test)
{
	struct fixture *fix = test->priv;

	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, SIG, EVFILT_SIGNAL, EV_ADD), 0);
	call_probe(SIG, SEND_SIG_NOINFO, current, TRACE_SIGNAL_DELIVERED);
	KUNIT_ASSERT_EQ(test, collect(fix->kq, fix->ev, 1), 1);
	KUNIT_EXPECT_EQ(test, (int)fix->ev[0].fflags, SI_USER);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[0], task_tgid_vnr(current));
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[1],
			from_kuid_munged(current_user_ns(), current_uid()));

	call_probe(SIG, SEND_SIG_PRIV, current, TRACE_SIGNAL_DELIVERED);
	KUNIT_ASSERT_EQ(test, collect(fix->kq, fix->ev, 1), 1);
	KUNIT_EXPECT_EQ(test, (int)fix->ev[0].fflags, SI_KERNEL);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[0], 0);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[1], 0);
}

/* Whatever becomes of it, it counts, unless the sender is told that it was lost. */
static void signal_results(struct kunit *test)
{
	static const struct {
		int result;
		int counts;
	} results[] = {
		{ TRACE_SIGNAL_DELIVERED, 1 },
		{ TRACE_SIGNAL_IGNORED, 1 },
		{ TRACE_SIGNAL_ALREADY_PENDING, 1 },
		{ TRACE_SIGNAL_LOSE_INFO, 1 },
		{ TRACE_SIGNAL_OVERFLOW_FAIL, 0 },
	};
	struct fixture *fix = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, SIG, EVFILT_SIGNAL, EV_ADD), 0);
	for (i = 0; i < ARRAY_SIZE(results); i++) {
		call_probe(SIG, SEND_SIG_PRIV, current, results[i].result);
		KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX),
				results[i].counts);
	}
}

/* Only the process's own, and only that signal; several before a look are one event. */
static void signal_of_process(struct kunit *test)
{
	struct fixture *fix = test->priv;
	int i;

	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, SIG, EVFILT_SIGNAL, EV_ADD), 0);
	call_probe(SIG, SEND_SIG_PRIV, &init_task, TRACE_SIGNAL_DELIVERED);
	call_probe(SIGUSR2, SEND_SIG_PRIV, current, TRACE_SIGNAL_DELIVERED);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 0);
	for (i = 0; i < 1000; i++)
		call_probe(SIG, SEND_SIG_PRIV, current, TRACE_SIGNAL_DELIVERED);
	KUNIT_ASSERT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 1);
	KUNIT_EXPECT_EQ(test, fix->ev[0].data, 1000);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 0);
}

static struct kunit_case signal_cases[] = {
	KUNIT_CASE(signal_codes),
	KUNIT_CASE(signal_without_info),
	KUNIT_CASE(signal_results),
	KUNIT_CASE(signal_of_process),
	{}
};

static struct kunit_suite signal_suite = {
	.name = "kevent_signal",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = signal_cases,
};

kunit_test_suite(signal_suite);
