// SPDX-License-Identifier: BSD-2-Clause
/*
 * A file or directory that is watched: where it is, which it is, and the descriptor
 * by which the queue knows it.
 *
 * Descriptors only stand for what is watched (O_PATH). Getting one does nothing to a
 * FIFO or a device, and nobody is told that a file was opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kevwatch.h"

#define MAX_FILES	"/sys/module/kevent/parameters/max_user_files"
#define NO_PLACE	((size_t)-1)
#define MOST_READS	4	/* of a place that changes */

void list_add(struct list *list, struct node *node)
{
	if (list->n == list->room)
		list->node = get_more(list->node, &list->room, sizeof(*list->node));
	list->node[list->n++] = node;
}

struct node *node_new(enum role role, struct node *parent, const char *name)
{
	struct node *node = get_memory(NULL, sizeof(*node));

	*node = (struct node){ .role = role, .parent = parent, .fd = -1,
			       .evictable = NO_PLACE, .name = copy_text(name) };
	return node;
}

/* --- Where it is ----------------------------------------------------------------- */

/* The path of what has that name in a directory; the caller frees it. */
char *node_path_in(const struct node *dir, const char *name)
{
	size_t len = strlen(name), size = len + 1;
	const struct node *n;
	char *path, *pos;

	for (n = dir; n; n = n->parent)
		size += strlen(n->name) + 1;
	path = get_memory(NULL, size);
	pos = path + size - len - 1;
	memcpy(pos, name, len + 1);
	for (n = dir; n; n = n->parent) {
		len = strlen(n->name);
		/* The root directory has its slash already. */
		if (!len || n->name[len - 1] != '/')
			*--pos = '/';
		pos -= len;
		memcpy(pos, n->name, len);
	}
	memmove(path, pos, strlen(pos) + 1);
	return path;
}

/* By the paths that were given; the caller frees it. */
char *node_path(const struct node *node)
{
	return node_path_in(node->parent, node->name);
}

/* Where the system says that it is, from the root. */
static bool read_place(const struct node *node, char *path)
{
	char link[64];
	struct stat st;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", node->fd);
	len = readlink(link, path, PATH_MAX - 1);
	if (len <= 0)
		return false;
	path[len] = '\0';
	return !lstat(path, &st) && node_is(node, &st);
}

/*
 * The caller frees it; NULL if it has no name any more. What is said of a name that
 * has gone may look like another name, so it counts only if the file is there; which
 * it may not be any more when we look.
 */
char *node_place(const struct node *node)
{
	char path[PATH_MAX];
	struct stat st;
	int i;

	for (i = 0; i < MOST_READS; i++) {
		if (node->fd < 0 || fstat(node->fd, &st) || !st.st_nlink)
			return NULL;
		if (read_place(node, path))
			return copy_text(path);
	}
	return NULL;
}

/* --- Which it is ----------------------------------------------------------------- */

static size_t bucket(dev_t dev, ino_t ino)
{
	return (ino * 0x9e3779b97f4a7c15ULL >> 40 ^ dev) & (BUCKETS - 1);
}

bool node_is(const struct node *node, const struct stat *st)
{
	return node->dev == st->st_dev && node->ino == st->st_ino &&
	       !((node->mode ^ st->st_mode) & S_IFMT);
}

/* Remember what it looks like. */
void node_look(struct node *node, const struct stat *st)
{
	node->dev = st->st_dev;
	node->ino = st->st_ino;
	node->mode = st->st_mode;
	node->uid = st->st_uid;
	node->gid = st->st_gid;
	node->size = st->st_size;
}

/* The first that may have the number; the others follow it in ->same. */
struct node *node_find(const struct watch *w, dev_t dev, ino_t ino)
{
	return w->same[bucket(dev, ino)];
}

static void remember(struct watch *w, struct node *node)
{
	struct node **first = &w->same[bucket(node->dev, node->ino)];

	node->same = *first;
	*first = node;
}

static void forget(struct watch *w, struct node *node)
{
	struct node **pos = &w->same[bucket(node->dev, node->ino)];

	while (*pos && *pos != node)
		pos = &(*pos)->same;
	if (*pos)
		*pos = node->same;
}

/* Is it to be freed, or what it is in? */
bool node_is_dead(const struct node *node)
{
	while (node && !node->dead)
		node = node->parent;
	return node;
}

/* Is what comes and goes in there watched? */
bool node_has_entries(const struct watch *w, const struct node *node)
{
	return S_ISDIR(node->mode) && node->role != DOOR &&
	       (node->role == TOP || w->recursive);
}

static struct node *find_dir(const struct watch *w, const char *path)
{
	struct node *node;
	struct stat st;

	if (stat(path, &st))
		return NULL;
	for (node = node_find(w, st.st_dev, st.st_ino); node; node = node->same)
		if (node_is(node, &st) && !node_is_dead(node) &&
		    node_has_entries(w, node))
			return node;
	return NULL;
}

/*
 * The directory next above a place in which is watched what comes and goes, and how it
 * goes on from there; or NULL. Those in between are not known yet.
 */
struct node *node_around(const struct watch *w, char *place, const char **rest)
{
	struct node *dir = NULL;
	char *end = place + strlen(place), *slash;

	do {
		for (slash = end - 1; slash > place && *slash != '/'; slash--)
			;
		end = slash;
		*rest = slash + 1;
		if (slash == place)
			return find_dir(w, "/");
		*slash = '\0';
		dir = find_dir(w, place);
		*slash = '/';
	} while (!dir && w->recursive);
	return dir;
}

/* Where the entry of that name is in its directory, or NULL. */
struct node **node_slot(const struct node *dir, const char *name)
{
	size_t low = 0, high = dir->nchildren, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(dir->child[mid]->name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < dir->nchildren && !strcmp(dir->child[low]->name, name) ?
		       &dir->child[low] : NULL;
}

/* --- Its descriptor -------------------------------------------------------------- */

static void set_evictable(struct watch *w, struct node *node)
{
	if (node->role != ENTRY || S_ISDIR(node->mode))
		return;
	node->evictable = w->evictable.n;
	list_add(&w->evictable, node);
}

static void close_fd(struct watch *w, struct node *node)
{
	struct node *last;

	if (node->evictable != NO_PLACE) {
		last = w->evictable.node[--w->evictable.n];
		w->evictable.node[node->evictable] = last;
		last->evictable = node->evictable;
		node->evictable = NO_PLACE;
	}
	if (node->fd >= 0)
		close(node->fd);
	node->fd = -1;
}

static long long max_files(void)
{
	FILE *f = fopen(MAX_FILES, "re");
	long long max = -1;

	if (f && fscanf(f, "%lld", &max) != 1)
		max = -1;
	if (f)
		fclose(f);
	return max;
}

static void warn(const struct node *node, const char *which, long long limit)
{
	char *path = node_path(node);

	complain("%s: the limit is reached, %s is %lld: of files, only names are watched",
		 path, which, limit);
	free(path);
}

/* There is no room for it, which is said once for each limit. */
static void warn_of(struct watch *w, const struct node *node, int error)
{
	struct rlimit now;

	if (error == ENOSPC && !w->told_files) {
		w->told_files = true;
		warn(node, "the module's max_user_files", max_files());
	}
	if (error != ENOSPC && !w->told_fds && !getrlimit(RLIMIT_NOFILE, &now)) {
		w->told_fds = true;
		warn(node, "RLIMIT_NOFILE", now.rlim_cur);
	}
}

static bool is_limit(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOSPC;
}

/* After an error that says so: take the room of a file, for something else. */
static bool make_room(struct watch *w, int error)
{
	struct node *victim;

	if (!is_limit(error) || !w->evictable.n)
		return false;
	victim = w->evictable.node[w->evictable.n - 1];
	warn_of(w, victim, error);
	close_fd(w, victim);
	return true;
}

/* To read the directory; -1 and an errno. */
int node_open_dir(struct watch *w, const struct node *node)
{
	int fd;

	do {
		fd = openat(node->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} while (fd < 0 && make_room(w, errno));
	return fd;
}

/* What the queue is to tell of a file. */
static unsigned int file_notes(unsigned int wanted)
{
	unsigned int notes = 0;

	if (wanted & (WRITTEN | EXTENDED))
		notes |= NOTE_WRITE;
	/* To cut it is an attribute, and written. */
	if (wanted & (WRITTEN | ATTRIBUTES))
		notes |= NOTE_ATTRIB;
	if (wanted & LINKED)
		notes |= NOTE_LINK;
	if (wanted & OPENED)
		notes |= NOTE_OPEN;
	if (wanted & CLOSED)
		notes |= NOTE_CLOSE;
	if (wanted & CLOSED_WRITE)
		notes |= NOTE_CLOSE_WRITE;
	if (wanted & READ)
		notes |= NOTE_READ;
	return notes;
}

/*
 * Use of directories is not asked for: reading them is how they are compared. That
 * something was renamed has to be known before anything else of it is printed.
 */
static unsigned int notes_of(const struct watch *w, const struct node *node)
{
	unsigned int notes = 0;

	if (node->role == DOOR)
		return NOTE_WRITE | NOTE_DELETE | NOTE_RENAME;
	if (!S_ISDIR(node->mode))
		notes = file_notes(w->wanted);
	else if (w->wanted & ATTRIBUTES)
		notes = NOTE_ATTRIB;
	if (node_has_entries(w, node))
		notes |= NOTE_WRITE;
	if (node->role == TOP)
		notes |= NOTE_DELETE;
	return notes || node->role == TOP ? notes | NOTE_RENAME : 0;
}

/* Get a descriptor, and have a look. Returns 0 or an errno. */
static int get_fd(struct watch *w, struct node *node)
{
	int dir = node->parent ? node->parent->fd : AT_FDCWD;
	int follow = node->parent ? O_NOFOLLOW : 0;
	bool must = node->role != ENTRY || S_ISDIR(node->mode);
	struct stat st;

	do {
		node->fd = openat(dir, node->name, O_PATH | O_CLOEXEC | follow);
	} while (node->fd < 0 && must && make_room(w, errno));
	if (node->fd < 0 || fstat(node->fd, &st))
		return errno;
	node_look(node, &st);
	return 0;
}

static int tell_queue(struct watch *w, struct node *node)
{
	unsigned int notes = notes_of(w, node);
	bool must = node->role != ENTRY || S_ISDIR(node->mode);
	bool done;

	if (!notes)
		return 0;
	do {
		done = apply(w->kq, node->fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, notes,
			     0, node);
	} while (!done && must && make_room(w, errno));
	return done ? 0 : errno;
}

/* It stays without being watched; of files that is said once for each limit. */
static void do_without(struct watch *w, struct node *node, int error)
{
	char *path;

	close_fd(w, node);
	if (is_limit(error) && !S_ISDIR(node->mode)) {
		warn_of(w, node, error);
		return;
	}
	path = node_path(node);
	complain("cannot watch %s: %s", path, strerror(error));
	free(path);
}

/*
 * Watch it from now on. Returns 0 or an errno; of entries only if it is not there any
 * more, or something else is.
 */
int node_open(struct watch *w, struct node *node)
{
	struct stat was = { .st_dev = node->dev, .st_ino = node->ino,
			    .st_mode = node->mode };
	int error = get_fd(w, node);

	if (node->role == ENTRY && !error && !node_is(node, &was))
		error = ENOENT;
	if (!error)
		error = tell_queue(w, node);
	if (error && (node->role != ENTRY || error == ENOENT || error == ENOTDIR)) {
		close_fd(w, node);
		return error;
	}
	if (error)
		do_without(w, node, error);
	else
		set_evictable(w, node);
	if (node->role != DOOR)
		remember(w, node);
	return 0;
}

/* --- Its end --------------------------------------------------------------------- */

void node_dirty(struct watch *w, struct node *node)
{
	if (node->dirty)
		return;
	node->dirty = true;
	list_add(&w->dirty, node);
}

/* It was there for a moment only. Its place is kept until the directory is compared. */
void node_vanished(struct node *node)
{
	node->came = false;
	node->ghost = true;
}

/* It, and all that is in it, is to be freed, once nothing points there any more. */
void node_discard(struct watch *w, struct node *node)
{
	if (node->dead)
		return;
	node->dead = true;
	list_add(&w->trash, node);
}

static void node_free(struct watch *w, struct node *node)
{
	size_t i;

	for (i = 0; i < node->nchildren; i++)
		node_free(w, node->child[i]);
	close_fd(w, node);
	forget(w, node);
	free(node->child);
	free(node->place);
	free(node->name);
	free(node);
}

/* What is dead is in no directory, so that it is not freed twice. */
void trash_empty(struct watch *w)
{
	size_t i;

	for (i = 0; i < w->trash.n; i++)
		node_free(w, w->trash.node[i]);
	w->trash.n = 0;
}
