// SPDX-License-Identifier: GPL-2.0
/*
 * The list of mounts. No module may look at a mount namespace; but /proc/PID/mountinfo
 * has what is in it, and can be polled for changes. It is taken from an instance of
 * procfs that only the module sees, so that it does not matter what a process has
 * at /proc, if anything.
 *
 * An open file of it holds the namespace, and the root directory of whoever opened
 * it: it lists what can be reached from there.
 */

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sort.h>
#include <linux/stringhash.h>
#include <linux/workqueue.h>

#include "mounts.h"

/* --- Where it is ------------------------------------------------------------- */

/* The instance, from its first use on. Protects itself. */
static struct vfsmount *proc_mount;
static DEFINE_MUTEX(proc_mount_lock);

/* In a thread of the kernel, whose procfs shows all processes by their own numbers. */
static void mount_proc(struct work_struct *work)
{
	struct file_system_type *type = get_fs_type("proc");
	struct vfsmount *mnt;

	if (!type)
		return;
	mnt = kern_mount(type);
	module_put(type->owner);
	if (IS_ERR(mnt))
		return;
	/* Pairs with get_proc_mount(): what is in it is there before it is. */
	smp_store_release(&proc_mount, mnt);
}

static DECLARE_WORK(proc_mount_work, mount_proc);

/* Returns NULL if there is no memory, or no procfs, or the caller is being killed. */
static struct vfsmount *get_proc_mount(void)
{
	/* Pairs with mount_proc(). */
	struct vfsmount *mnt = smp_load_acquire(&proc_mount);

	if (mnt || mutex_lock_killable(&proc_mount_lock))
		return mnt;
	if (!proc_mount) {
		schedule_work(&proc_mount_work);
		flush_work(&proc_mount_work);
	}
	mnt = proc_mount;
	mutex_unlock(&proc_mount_lock);
	return mnt;
}

/**
 * mounts_open() - open the list of mounts that the caller sees
 *
 * Context: may sleep.
 * Return: a file, or an error of opening it.
 */
struct file *mounts_open(void)
{
	struct vfsmount *mnt = get_proc_mount();
	struct path root;
	char path[64];

	if (!mnt)
		return ERR_PTR(fatal_signal_pending(current) ? -EINTR : -ENOMEM);
	root.mnt = mnt;
	root.dentry = mnt->mnt_root;
	snprintf(path, sizeof(path), "%d/task/%d/mountinfo",
		 task_tgid_nr(current), task_pid_nr(current));
	return file_open_root(&root, path, O_RDONLY, 0);
}

/* Context: nobody opens any more. */
void mounts_exit(void)
{
	if (proc_mount)
		kern_unmount(proc_mount);
}

/* --- Reading it -------------------------------------------------------------- */

/* The fields of a line that say what is mounted where; those after the dash: AFTER. */
#define FIELD_ID	0
#define FIELD_DEVICE	2
#define FIELD_ROOT	3
#define FIELD_POINT	4
#define AFTER		0x100
#define FIELD_TYPE	(AFTER + 0)
#define FIELD_SOURCE	(AFTER + 1)

/* It is the namespace's owner who decides how many mounts there are. */
#define LIST_MAX	1048576

/**
 * struct mount_parser - reads the list, in pieces of any size
 * @list: what is complete
 * @room: for so many entries
 * @line: the entry of the line that has begun
 * @field: which field of it
 * @lone_dash: the field is a dash so far
 * @begun: it has a character
 */
struct mount_parser {
	struct mount_list *list;
	unsigned int room;
	struct mount_entry line;
	unsigned int field;
	bool lone_dash;
	bool begun;
};

static int make_room(struct mount_parser *p)
{
	unsigned int room = p->room ? 2 * p->room : 64;
	struct mount_entry *entries;

	if (p->list->n < p->room)
		return 0;
	if (room > LIST_MAX)
		return -ENOSPC;
	entries = kvmalloc_array(room, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	memcpy(entries, p->list->entries, p->list->n * sizeof(*entries));
	kvfree(p->list->entries);
	p->list->entries = entries;
	p->room = room;
	return 0;
}

static bool says_what(unsigned int field)
{
	return field == FIELD_DEVICE || field == FIELD_ROOT ||
	       field == FIELD_POINT || field == FIELD_TYPE ||
	       field == FIELD_SOURCE;
}

static void end_field(struct mount_parser *p)
{
	if (p->begun && p->lone_dash && p->field < AFTER)
		p->field = AFTER;
	else
		p->field++;
	p->begun = false;
}

static int end_line(struct mount_parser *p)
{
	int ret = make_room(p);

	if (ret)
		return ret;
	p->list->entries[p->list->n++] = p->line;
	memset(&p->line, 0, sizeof(p->line));
	p->field = FIELD_ID;
	p->begun = false;
	return 0;
}

static void take_char(struct mount_parser *p, unsigned char c)
{
	struct mount_entry *line = &p->line;

	p->lone_dash = !p->begun && c == '-';
	p->begun = true;
	if (p->field == FIELD_ID)
		line->id = 10 * line->id + c - '0';
	else if (says_what(p->field))
		line->what = partial_name_hash(c + p->field, line->what);
	else
		line->how = partial_name_hash(c + p->field, line->how);
}

static int take_piece(struct mount_parser *p, const char *buf, ssize_t len)
{
	ssize_t i;
	int ret = 0;

	for (i = 0; i < len && !ret; i++) {
		if (buf[i] == '\n')
			ret = end_line(p);
		else if (buf[i] == ' ')
			end_field(p);
		else
			take_char(p, buf[i]);
	}
	return ret;
}

/* @compared: how often. There may be very many. */
static int compare_ids(const void *a, const void *b, const void *compared)
{
	const struct mount_entry *ea = a, *eb = b;

	if (!(++*(unsigned int *)compared % 1024))
		cond_resched();
	return ea->id < eb->id ? -1 : ea->id > eb->id;
}

static void sort_entries(struct mount_list *list)
{
	unsigned int compared = 0;

	sort_r(list->entries, list->n, sizeof(*list->entries), compare_ids, NULL,
	       &compared);
}

/**
 * mounts_read() - read the list of mounts
 * @file: of mounts_open()
 * @list: filled in; the caller frees its entries with kvfree()
 *
 * Context: may sleep, for others who change mounts.
 * Return: 0; -ENOMEM, -EINTR if the caller is being killed, or an error of reading.
 */
int mounts_read(struct file *file, struct mount_list *list)
{
	struct mount_parser p = { .list = list };
	char *buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	loff_t pos = 0;
	ssize_t len;
	int ret = 0;

	*list = (struct mount_list){};
	if (!buf)
		return -ENOMEM;
	do {
		len = kernel_read(file, buf, PAGE_SIZE, &pos);
		if (len > 0)
			ret = take_piece(&p, buf, len);
		if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	} while (len > 0 && !ret);
	kfree(buf);
	if (!ret && len < 0)
		ret = len;
	if (ret) {
		kvfree(list->entries);
		*list = (struct mount_list){};
		return ret;
	}
	sort_entries(list);
	return 0;
}
