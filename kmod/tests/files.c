// SPDX-License-Identifier: GPL-2.0
/* Files and directories for the suites of EVFILT_VNODE: see files.h. */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/mount.h>

#include "files.h"

#define WATCHED_MAX	4
#define DIRS_MAX	4

/* Of the test that runs; there is one at a time. */
static struct vfsmount *mnt;
static struct watched watched[WATCHED_MAX];
static unsigned int nr_watched;
static struct dentry *dirs[DIRS_MAX];
static unsigned int nr_dirs;

static struct vfsmount *mount_ramfs(void)
{
	struct file_system_type *type = get_fs_type("ramfs");
	struct vfsmount *made;

	if (!type)
		return ERR_PTR(-ENODEV);
	/* As users mount: what the kernel keeps to itself cannot be watched. */
	made = vfs_kern_mount(type, 0, type->name, NULL);
	module_put(type->owner);
	return made;
}

int watched_init(struct kunit *test)
{
	int ret;

	mnt = mount_ramfs();
	if (IS_ERR(mnt))
		return PTR_ERR(mnt);
	ret = fixture_init(test);
	if (ret)
		mntput(mnt);
	return ret;
}

void watched_exit(struct kunit *test)
{
	if (!test->priv)
		return;
	fixture_exit(test);
	while (nr_watched)
		close_fd(watched[--nr_watched].fd);
	while (nr_dirs) {
		d_drop(dirs[--nr_dirs]);
		dput(dirs[nr_dirs]);
	}
	mntput(mnt);
}

struct dentry *root_dir(void)
{
	return mnt->mnt_root;
}

/* --- Files and directories ------------------------------------------------ */

static struct watched *install(struct kunit *test, struct file *file)
{
	struct watched *w = &watched[nr_watched];
	int fd;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	fd = nr_watched < WATCHED_MAX ? get_unused_fd_flags(O_CLOEXEC) : -EMFILE;
	if (fd < 0)
		fput(file);
	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, file);
	w->fd = fd;
	w->file = file;
	nr_watched++;
	return w;
}

struct watched *watched_file(struct kunit *test)
{
	struct path root = { .mnt = mnt, .dentry = mnt->mnt_root };
	struct watched *w;

	w = install(test, file_open_root(&root, "file", O_CREAT | O_RDWR, 0600));
	set_nlink(file_inode(w->file), NAMES);
	set_size(w, SIZE);
	return w;
}

struct watched *watched_dir(struct kunit *test, struct dentry *dir)
{
	struct path path = { .mnt = mnt, .dentry = dir };

	return install(test, dentry_open(&path, O_RDONLY | O_DIRECTORY,
					 current_cred()));
}

/* As simple file systems do it; how it is asked for differs between kernels. */
struct dentry *make_dir(struct kunit *test, struct dentry *parent, const char *name)
{
	struct dentry *dentry = d_alloc_name(parent, name);
	struct inode *inode;

	KUNIT_ASSERT_LT(test, nr_dirs, DIRS_MAX);
	KUNIT_ASSERT_NOT_NULL(test, dentry);
	dirs[nr_dirs++] = dentry;
	inode = new_inode(parent->d_sb);
	KUNIT_ASSERT_NOT_NULL(test, inode);
	inode->i_ino = get_next_ino();
	inode->i_mode = S_IFDIR | 0700;
	inode->i_op = &simple_dir_inode_operations;
	inode->i_fop = &simple_dir_operations;
	d_add(dentry, inode);
	return dentry;
}

/* --- What happens to them ------------------------------------------------- */

void say(const struct watched *w, u32 mask, enum data data)
{
	struct dentry *dentry = w->file->f_path.dentry;
	struct inode *inode = file_inode(w->file);

	if (S_ISDIR(inode->i_mode))
		mask |= FS_ISDIR;
	switch (data) {
	case BY_PATH:
		fsnotify(mask, &w->file->f_path, FSNOTIFY_EVENT_PATH, NULL, NULL,
			 inode, 0);
		break;
	case BY_DENTRY:
		fsnotify(mask, dentry, FSNOTIFY_EVENT_DENTRY, NULL, NULL, inode, 0);
		break;
	default:
		fsnotify(mask, inode, FSNOTIFY_EVENT_INODE, NULL, NULL, inode, 0);
	}
}

/* In @dir; a rename leaves @dir, and the entry is where it has come to. */
void say_entry(struct inode *dir, u32 mask, struct dentry *entry)
{
	if (mask & FS_RENAME)
		fsnotify(mask, entry, FSNOTIFY_EVENT_DENTRY, dir, &entry->d_name,
			 NULL, 0);
	else
		fsnotify(mask, d_inode(entry), FSNOTIFY_EVENT_INODE, dir,
			 &entry->d_name, NULL, 0);
}

void set_size(const struct watched *w, loff_t size)
{
	struct inode *inode = file_inode(w->file);

	inode_lock(inode);
	i_size_write(inode, size);
	inode_unlock(inode);
}

/* Nobody is told of it yet. */
void more_names(const struct watched *w, int more)
{
	struct inode *inode = file_inode(w->file);

	set_nlink(inode, inode->i_nlink + more);
}

/* --- What is reported ----------------------------------------------------- */

int ask(struct kunit *test, const struct watched *w, u16 flags, u32 notes)
{
	struct fixture *fix = test->priv;
	struct kevent_record kev = {
		.ident = w->fd,
		.filter = EVFILT_VNODE,
		.flags = EV_ADD | flags,
		.fflags = notes,
	};

	return change(fix->kq, &kev);
}

static struct watched *find_watched(u64 fd)
{
	unsigned int i;

	for (i = 0; i < nr_watched; i++)
		if (watched[i].fd == fd)
			return &watched[i];
	return NULL;
}

void look_at_all(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct watched *w;
	unsigned int i;
	int n;

	for (i = 0; i < nr_watched; i++) {
		watched[i].flags = 0;
		watched[i].notes = 0;
	}
	n = collect(fix->kq, fix->ev, COLLECT_MAX);
	KUNIT_ASSERT_GE(test, n, 0);
	while (n--) {
		w = find_watched(fix->ev[n].ident);
		KUNIT_ASSERT_NOT_NULL(test, w);
		KUNIT_ASSERT_EQ(test, fix->ev[n].filter, EVFILT_VNODE);
		w->flags = fix->ev[n].flags;
		w->notes = fix->ev[n].fflags;
	}
}

u32 told(struct kunit *test, struct watched *w)
{
	look_at_all(test);
	return w->notes;
}

struct knote *knote_of(struct kunit *test, const struct watched *w)
{
	struct fixture *fix = test->priv;
	struct knote *kn = find_knote(fix->kq, w->fd, EVFILT_VNODE);

	KUNIT_ASSERT_NOT_NULL(test, kn);
	return kn;
}
