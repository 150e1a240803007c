// SPDX-License-Identifier: GPL-2.0
/* What the KUnit suites share: see fixture.h. */

#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/rhashtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "fixture.h"

/* --- Sources ------------------------------------------------------------- */

/* Of the test that runs; there is one at a time. */
static struct fixture *fixture;

void source_fire(struct source *src)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&src->lock, flags);
	atomic64_inc(&src->count);
	if (src->kn)
		knote_activate(src->kn);
	raw_spin_unlock_irqrestore(&src->lock, flags);
}

/* What was ready is so no longer; as with most sources, nobody is told. */
void source_quiet(struct source *src)
{
	atomic64_set(&src->count, 0);
}

static struct source *source_of(const struct knote *kn)
{
	return kn->priv[0];
}

static int test_attach(struct knote *kn)
{
	struct source *src;

	if (kn->ident >= fixture->nr_sources)
		return -ENOENT;
	src = &fixture->sources[kn->ident];
	kn->priv[0] = src;

	raw_spin_lock_irq(&src->lock);
	src->kn = kn;
	src->attached++;
	raw_spin_unlock_irq(&src->lock);
	return atomic64_read(&src->count) > 0;
}

static void test_detach(struct knote *kn)
{
	struct source *src = source_of(kn);

	raw_spin_lock_irq(&src->lock);
	if (src->last_words)
		knote_activate(kn);
	src->kn = NULL;
	src->detached++;
	raw_spin_unlock_irq(&src->lock);
}

static bool test_event(struct knote *kn, struct kevent_record *kev)
{
	struct source *src = source_of(kn);

	kev->data = atomic64_read(&src->count);
	kev->fflags = kn->sfflags;
	if (src->echo) {
		src->echo = false;
		source_fire(src);
	}
	return kev->data;
}

static int count_touch(struct knote *kn, const struct kevent_record *kev)
{
	if (kev->fflags == TOUCH_FAILS)
		return -EDOM;
	kn->sfflags = kev->fflags;
	return 0;
}

static void count_delivered(struct knote *kn, const struct kevent_record *kev)
{
	/* What came since @kev was made is reported next time. */
	if (atomic64_sub_return(kev->data, &source_of(kn)->count) > 0)
		knote_activate(kn);
}

static bool level_event(struct knote *kn, struct kevent_record *kev)
{
	kev->ext[0] = kn->sdata;
	return test_event(kn, kev);
}

static const struct kevent_filter count_filter = {
	.owner = THIS_MODULE,
	.name = "test-count",
	.attach = test_attach,
	.detach = test_detach,
	.touch = count_touch,
	.event = test_event,
	.delivered = count_delivered,
};

static const struct kevent_filter level_filter = {
	.owner = THIS_MODULE,
	.name = "test-level",
	.attach = test_attach,
	.detach = test_detach,
	.event = level_event,
};

/* --- Memory of a process -------------------------------------------------- */

#define AREA_SIZE	(COLLECT_MAX * sizeof(struct kevent_record))
#define AREAS_SIZE	(COLLECT_THREADS * AREA_SIZE)

/* Where events are stored; mapped by the first test of a suite. */
static struct mm_struct *user_mm;
static unsigned long user_addr;

/*
 * Tests run in kernel threads, which have no memory that could be copied to.
 * They use that of the process that loads the module. Where the suites are
 * built in there is none; but then one can be made.
 */
static struct mm_struct *get_user_mm(void)
{
	struct mm_struct *mm = current->mm;

	if (mm) {
		mmget(mm);
		return mm;
	}
#ifndef MODULE
	mm = mm_alloc();
	if (mm) {
		mm->task_size = TASK_SIZE;
		arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	}
#endif
	return mm;
}

int fixture_suite_init(struct kunit_suite *suite)
{
	user_addr = 0;
	user_mm = get_user_mm();
	return user_mm ? 0 : -ENOMEM;
}

void fixture_suite_exit(struct kunit_suite *suite)
{
	if (!user_mm)
		return;
	if (user_addr && user_mm == current->mm)
		vm_munmap(user_addr, AREAS_SIZE);
	mmput(user_mm);
	user_mm = NULL;
}

void collect_begin(void)
{
	kthread_use_mm(user_mm);
}

void collect_end(void)
{
	kthread_unuse_mm(user_mm);
}

static int map_user_memory(void)
{
	if (user_addr)
		return 0;
	collect_begin();
	user_addr = vm_mmap(NULL, 0, AREAS_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, 0);
	collect_end();
	if (!IS_ERR_VALUE(user_addr))
		return 0;
	user_addr = 0;
	return -ENOMEM;
}

static int collect_until(struct kqueue *kq, unsigned int thread,
			 struct kevent_record *ev, int n, ktime_t deadline)
{
	struct kevent_record __user *area;
	bool alone = !current->mm;
	int ret;

	if (WARN_ON(thread >= COLLECT_THREADS || n > COLLECT_MAX))
		return -EINVAL;
	area = (void __user *)(user_addr + thread * AREA_SIZE);

	if (alone)
		collect_begin();
	ret = kqueue_collect(kq, area, n, deadline);
	if (ret > 0 && copy_from_user(ev, area, ret * sizeof(*ev)))
		ret = -EFAULT;
	if (alone)
		collect_end();
	return ret;
}

int collect(struct kqueue *kq, struct kevent_record *ev, int n)
{
	return collect_until(kq, 0, ev, n, 0);
}

int collect_wait(struct kqueue *kq, unsigned int thread,
		 struct kevent_record *ev, int n)
{
	ktime_t deadline = ktime_add_ms(ktime_get(), LIMIT_MS);
	int ret = collect_until(kq, thread, ev, n, deadline);

	/* Events that are found when time is up have woken nobody. */
	return ktime_before(ktime_get(), deadline) ? ret : -ETIME;
}

/* --- The fixture ---------------------------------------------------------- */

static int module_users(void)
{
#if defined(MODULE) && defined(CONFIG_MODULE_UNLOAD)
	return module_refcount(THIS_MODULE);
#else
	return 0;
#endif
}

/*
 * Has everybody left the module who came since? The last reference of a file
 * is given back after its release function.
 */
static bool module_is_left(const struct fixture *fix)
{
	return WAIT_FOR(module_users() == fix->modules);
}

static int register_filters(void)
{
	int ret = kevent_filter_register(EVFILT_TEST_COUNT, &count_filter);

	if (ret)
		return ret;
	ret = kevent_filter_register(EVFILT_TEST_LEVEL, &level_filter);
	if (ret)
		kevent_filter_unregister(EVFILT_TEST_COUNT, &count_filter);
	return ret;
}

int fixture_init(struct kunit *test)
{
	struct fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	int ret;

	if (!fix)
		return -ENOMEM;
	ret = map_user_memory();
	if (ret)
		return ret;

	fix->knotes = knote_count();
	fix->modules = module_users();
	fix->kq = kqueue_alloc();
	if (!fix->kq)
		return -ENOMEM;
	ret = register_filters();
	if (ret) {
		kqueue_close(fix->kq);
		kqueue_put(fix->kq);
		return ret;
	}
	test->priv = fix;
	fixture = fix;
	return 0;
}

/* How many knotes were made since the test began, and are not freed yet. */
long fixture_knotes(const struct fixture *fix)
{
	return knote_count() - fix->knotes;
}

/*
 * Whatever the test has done, its queue can be closed, and then nothing is left
 * of it: each source is detached, each knote freed.
 */
void fixture_exit(struct kunit *test)
{
	struct fixture *fix = test->priv;
	unsigned int i;

	if (!fix)
		return;
	kqueue_close(fix->kq);
	kqueue_put(fix->kq);
	for (i = 0; i < fix->nr_sources; i++)
		KUNIT_EXPECT_EQ(test, fix->sources[i].attached,
				fix->sources[i].detached);
	KUNIT_EXPECT_EQ(test, fixture_knotes(fix), 0);
	KUNIT_EXPECT_TRUE(test, module_is_left(fix));

	kevent_filter_unregister(EVFILT_TEST_LEVEL, &level_filter);
	kevent_filter_unregister(EVFILT_TEST_COUNT, &count_filter);
	fixture = NULL;
	kvfree(fix->sources);
}

void fixture_make_sources(struct kunit *test, unsigned int n)
{
	struct fixture *fix = test->priv;
	unsigned int i;

	fix->sources = kvcalloc(n, sizeof(*fix->sources), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix->sources);
	fix->nr_sources = n;
	for (i = 0; i < n; i++)
		raw_spin_lock_init(&fix->sources[i].lock);
}

/* --- Changes -------------------------------------------------------------- */

int change(struct kqueue *kq, const struct kevent_record *kev)
{
	struct kevent_record copy = *kev;
	int ret;

	mutex_lock(&kq->mtx);
	ret = kq->closing ? -EBADF : kqueue_apply(kq, &copy, 0);
	mutex_unlock(&kq->mtx);
	return ret;
}

int change_flags(struct kqueue *kq, u64 ident, s16 filter, u16 flags)
{
	struct kevent_record kev = {
		.ident = ident,
		.filter = filter,
		.flags = flags,
	};

	return change(kq, &kev);
}

bool user_trigger(struct kqueue *kq)
{
	struct kevent_record trigger = {
		.filter = EVFILT_USER,
		.fflags = NOTE_TRIGGER,
	};

	return !change_flags(kq, 0, EVFILT_USER, EV_ADD) &&
	       !change(kq, &trigger);
}

static struct knote *find_ident(struct kqueue *kq, u64 ident, s16 filter)
{
	struct rhashtable_iter iter;
	struct knote *kn;

	if (!kq->has_idents)
		return NULL;
	rhashtable_walk_enter(&kq->idents, &iter);
	rhashtable_walk_start(&iter);
	while ((kn = rhashtable_walk_next(&iter)))
		if (!IS_ERR(kn) && kn->ident == ident && kn->filter == filter)
			break;
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	return kn;
}

/* The caller sees to it that the knote stays. */
struct knote *find_knote(struct kqueue *kq, u64 ident, s16 filter)
{
	struct knote *kn;

	if (filter != EVFILT_READ && filter != EVFILT_WRITE &&
	    filter != EVFILT_EXCEPT && filter != EVFILT_VNODE)
		return find_ident(kq, ident, filter);

	kn = ident < kq->nfds ? kq->fds[ident] : NULL;
	while (kn && kn->filter != filter)
		kn = kn->fd_next;
	return kn;
}

/* --- Threads -------------------------------------------------------------- */

static int worker_main(void *arg)
{
	struct worker *worker = arg;

	worker->run(worker);
	complete(&worker->done);
	return 0;
}

bool worker_start(struct worker *worker, unsigned int number,
		  void (*run)(struct worker *worker))
{
	worker->run = run;
	worker->number = number;
	init_completion(&worker->done);
	worker->task = kthread_create(worker_main, worker, "kevent_test/%u",
				      number);
	if (IS_ERR(worker->task)) {
		worker->task = NULL;
		return false;
	}
	get_task_struct(worker->task);
	wake_up_process(worker->task);
	return true;
}

/*
 * Wait for the end of the thread, which must come by itself; false if there is
 * no thread. One that never ends is a test that never ends: a time limit here
 * would pull away what it works with.
 */
bool worker_join(struct worker *worker)
{
	if (!worker->task)
		return false;
	wait_for_completion(&worker->done);
	/* Until it has left the code of this module. */
	kthread_stop(worker->task);
	put_task_struct(worker->task);
	worker->task = NULL;
	return true;
}

/*
 * Is the thread off its CPU until somebody wakes it? The state alone does not
 * tell: it is set by a thread that still has to look whether it needs to sleep,
 * and may be preempted then. It tells one that is being woken, though, which is
 * on no queue of a CPU either; so it is read first.
 */
static bool worker_is_asleep(const struct worker *worker)
{
	unsigned int state = READ_ONCE(worker->task->__state);

	/* Pairs with the barriers of whoever wakes it. */
	smp_rmb();
	return state != TASK_RUNNING && state != TASK_WAKING &&
	       !READ_ONCE(worker->task->on_rq);
}

/* Wait until the thread sleeps, or has ended; false if it does neither. */
bool worker_wait_asleep(struct worker *worker)
{
	return WAIT_FOR(worker_is_asleep(worker));
}

/* --- Files ---------------------------------------------------------------- */

static __poll_t test_file_poll(struct file *file, poll_table *wait)
{
	struct test_file *tf = file->private_data;

	poll_wait(file, &tf->wqh, wait);
	WRITE_ONCE(tf->asked, poll_requested_events(wait));
	return (__force __poll_t)atomic_read(&tf->ready);
}

static int test_file_release(struct inode *inode, struct file *file)
{
	struct test_file *tf = file->private_data;

	complete(&tf->released);
	return 0;
}

static const struct file_operations test_file_fops = {
	.owner = THIS_MODULE,
	.poll = test_file_poll,
	.release = test_file_release,
	.llseek = noop_llseek,
};

/*
 * Open the file; returns its descriptor or an errno. The table is that of all
 * kernel threads, so the test has to close it.
 */
int test_file_open(struct test_file *tf)
{
	init_waitqueue_head(&tf->wqh);
	atomic_set(&tf->ready, 0);
	init_completion(&tf->released);
	return anon_inode_getfd("[kevent-test]", &test_file_fops, tf,
				O_RDWR | O_CLOEXEC);
}

void test_file_fire(struct test_file *tf, __poll_t events)
{
	atomic_or((__force int)events, &tf->ready);
	wake_up_poll(&tf->wqh, events);
}

/* Wait for the end of the file; false if it does not come. */
bool test_file_released(struct test_file *tf)
{
	return wait_for_completion_timeout(&tf->released,
					   msecs_to_jiffies(LIMIT_MS));
}

KEVENT_IMPORT_FOR_KUNIT;
MODULE_DESCRIPTION("KUnit tests for kevent");
MODULE_AUTHOR("The kevent developers");
MODULE_LICENSE("GPL");
