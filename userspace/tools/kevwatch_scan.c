// SPDX-License-Identifier: BSD-2-Clause
/*
 * Directories. The queue tells only that something has come, gone or got another name
 * in one: what it was shows when it is compared with what was there before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kevwatch.h"

/**
 * struct item - a line of a directory's listing
 * @name: the name
 * @ino: the number of its inode, which says whether it is the same as before
 * @type: of DT_*
 */
struct item {
	char *name;
	ino_t ino;
	unsigned char type;
};

/**
 * struct listing - what a directory has, by name
 * @item: the lines
 * @n: how many
 * @room: for how many there is room
 */
struct listing {
	struct item *item;
	size_t n;
	size_t room;
};

/* --- Reading --------------------------------------------------------------------- */

static void add_item(struct listing *l, const struct dirent *de)
{
	if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
		return;
	if (l->n == l->room)
		l->item = get_more(l->item, &l->room, sizeof(*l->item));
	l->item[l->n++] = (struct item){ .name = copy_text(de->d_name),
					 .ino = de->d_ino, .type = de->d_type };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->name,
		      ((const struct item *)b)->name);
}

/* Returns 0 or an errno. */
static int read_listing(struct watch *w, const struct node *dir, struct listing *l)
{
	int fd = node_open_dir(w, dir), error;
	const struct dirent *de;
	DIR *stream;

	if (fd < 0)
		return errno;
	stream = fdopendir(fd);
	if (!stream) {
		error = errno;
		close(fd);
		return error;
	}
	while (errno = 0, de = readdir(stream))
		add_item(l, de);
	error = errno;
	closedir(stream);
	if (l->n)
		qsort(l->item, l->n, sizeof(*l->item), by_name);
	return error;
}

static void free_listing(struct listing *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->item[i].name);
	free(l->item);
}

/* --- Comparing ------------------------------------------------------------------- */

/*
 * It is not there any more. What was thought to be another one's new name is no news,
 * and its end is not, either.
 */
static void lose(struct watch *w, struct node *node)
{
	if (node->from)
		node->from->to = NULL;
	if (node->from || node->ghost) {
		node->came = false;
		node_discard(w, node);
		return;
	}
	node->gone = true;
	node->next_lost = node->parent->lost;
	node->parent->lost = node;
	list_add(&w->gone, node);
}

/* Whose name it was, as far as has been told. */
static struct node *owner(struct node *node)
{
	return node->from || node->ghost ? node->over : node;
}

/* Which it is; if the directory may be read but not searched, what the listing says. */
static void identify(struct node *node, const struct item *item)
{
	struct stat st;

	if (fstatat(node->parent->fd, node->name, &st, AT_SYMLINK_NOFOLLOW))
		st = (struct stat){ .st_dev = node->parent->dev,
				    .st_ino = item->ino,
				    .st_mode = DTTOIF(item->type) };
	node_look(node, &st);
	node->listed = item->ino;
}

/* It has come; @over is who had the name, or NULL. */
static struct node *gain(struct watch *w, struct node *dir, const struct item *item,
			 struct node *over)
{
	struct node *node = node_new(ENTRY, dir, item->name);

	identify(node, item);
	node->came = true;
	node->over = over;
	list_add(&w->came, node);
	return node;
}

/* Both are sorted by name. */
static void compare(struct watch *w, struct node *dir, const struct listing *l)
{
	struct node **old = dir->child, *node, *over;
	size_t nold = dir->nchildren, i = 0, j = 0;
	const struct item *item;
	int order;

	dir->child = get_memory(NULL, (l->n + 1) * sizeof(*dir->child));
	dir->nchildren = 0;
	for (;;) {
		node = i < nold ? old[i] : NULL;
		item = j < l->n ? &l->item[j] : NULL;
		if (!node && !item)
			break;
		order = node && item ? strcmp(node->name, item->name) : 0;
		if (!node || order > 0) {
			dir->child[dir->nchildren++] = gain(w, dir, item, NULL);
			j++;
			continue;
		}
		i++;
		if (!item || order < 0) {
			lose(w, node);
			continue;
		}
		j++;
		if (node->listed != item->ino || node->ghost) {
			over = owner(node);
			lose(w, node);
			node = gain(w, dir, item, over);
		}
		dir->child[dir->nchildren++] = node;
	}
	free(old);
}

/*
 * What has come and gone since the last time. A directory that was removed has
 * nothing in it, though it cannot be read any more.
 */
void scan(struct watch *w, struct node *dir)
{
	struct listing now = { 0 };
	int error = dir->fd < 0 ? EBADF : read_listing(w, dir, &now);
	char *path;

	dir->rescanned = dir->scanned;
	dir->scanned = true;
	list_add(&w->scanned, dir);
	if (!error || error == ENOENT || error == ESTALE) {
		compare(w, dir, &now);
	} else if (error != EBADF) {
		path = node_path(dir);
		complain("cannot read %s: %s", path, strerror(error));
		free(path);
	}
	free_listing(&now);
}
