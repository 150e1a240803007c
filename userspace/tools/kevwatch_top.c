// SPDX-License-Identifier: BSD-2-Clause
/*
 * The paths that were given. What one stands for may be deleted, get another name, or
 * be replaced: editors write a new file and rename it. While the path does not stand
 * for what is watched, the directory is watched, too, for something to come there.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kevwatch.h"

/* --- The door -------------------------------------------------------------------- */

static void close_door(struct watch *w, struct top *top)
{
	if (!top->door)
		return;
	node_discard(w, top->door);
	top->door = NULL;
}

/* False if there is no such directory, or it cannot be watched, which was said. */
static bool open_door(struct watch *w, struct top *top)
{
	struct node *door = node_new(DOOR, NULL, top->folder);
	int error = node_open(w, door);

	door->top = top;
	if (!error) {
		top->door = door;
		return true;
	}
	complain("%s: will not notice if it appears again: cannot watch %s: %s",
		 top->path, top->folder, strerror(error));
	node_discard(w, door);
	return false;
}

/* Was it moved, so that the path leads elsewhere? */
static bool is_wrong_door(const struct top *top)
{
	struct stat st;

	return top->door && (stat(top->folder, &st) || !node_is(top->door, &st));
}

/* --- The path -------------------------------------------------------------------- */

/* Where a new file appears that takes the place of this one. */
static void find_folder(struct top *top)
{
	char real[PATH_MAX];

	if (!realpath(top->path, real))
		return;
	free(top->folder);
	top->folder = copy_text(dirname(real));
}

/* Watch what is there. Returns 0 or an errno. */
static int pick_up(struct watch *w, struct top *top)
{
	struct node *node = node_new(TOP, NULL, top->path);
	int error;

	node->top = top;
	error = node_open(w, node);
	if (error) {
		node_discard(w, node);
		return error;
	}
	top->node = node;
	find_folder(top);
	if (node_has_entries(w, node))
		node_dirty(w, node);
	return 0;
}

static void shown_as(struct watch *w, struct node *node, const char *path)
{
	if (!strcmp(node->name, path))
		return;
	report_rename(w, node, node->name, path);
	free(node->name);
	node->name = copy_text(path);
}

/*
 * The path does not stand for it any more. What has another name now is watched under
 * that, unless it is so already, as something in another directory.
 */
static void tell_left(struct watch *w, struct top *top)
{
	struct node *node = top->node;
	char *place = node_place(node);
	const char *name;

	tell_notes(w, node);
	if (place && !node_around(w, place, &name)) {
		shown_as(w, node, place);
	} else {
		report(w, DELETED, node, node->name);
		node_discard(w, node);
		top->node = NULL;
	}
	free(place);
}

static bool is_anything_there(const struct top *top)
{
	struct stat st;

	return !stat(top->path, &st);
}

/* Is there something else under the path, or nothing? */
bool top_is_lost(const struct top *top)
{
	struct stat st;

	return !top->node || stat(top->path, &st) || !node_is(top->node, &st);
}

/* What the path stood for is somebody else's from now on. */
void top_let_go(struct top *top)
{
	top->node = NULL;
	top->look = true;
}

/* Something else has the name. */
static bool replace(struct watch *w, struct top *top)
{
	struct node *was = top->node;
	int error;

	top->node = NULL;
	error = pick_up(w, top);
	if (error) {
		top->node = was;
		/* If it has gone again, the door tells. */
		if (error != ENOENT)
			complain("cannot watch %s: %s", top->path, strerror(error));
		return false;
	}
	if (was)
		node_discard(w, was);
	report(w, CREATED, top->node, top->path);
	return true;
}

/*
 * The door is open before the path is looked at, and what is there is watched before
 * it is looked at again, so nothing gets past. The same goes for the door itself: the
 * directory may have gone before it was watched, which nobody would tell any more.
 */
static void look(struct watch *w, struct top *top)
{
	while (top_is_lost(top)) {
		if (top->node)
			tell_left(w, top);
		if (is_wrong_door(top))
			close_door(w, top);
		if (!top->door) {
			if (!open_door(w, top))
				return;
			continue;
		}
		if (!is_anything_there(top) || !replace(w, top))
			return;
	}
	shown_as(w, top->node, top->path);
	close_door(w, top);
}

/* --- All of them ----------------------------------------------------------------- */

/*
 * Returns 0 or an errno. What is there may have gone before it was watched, so it is
 * looked at once more.
 */
int top_add(struct watch *w, const char *path)
{
	struct top *top = get_memory(NULL, sizeof(*top)), **end = &w->tops;
	size_t len;
	int error;

	*top = (struct top){ .path = copy_text(path), .folder = copy_text("."),
			     .look = true };
	for (len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		top->path[len - 1] = '\0';
	error = pick_up(w, top);
	if (error) {
		free(top->path);
		free(top->folder);
		free(top);
		return error;
	}
	while (*end)
		end = &(*end)->next;
	*end = top;
	return 0;
}

void tops_look(struct watch *w)
{
	struct top *top;

	for (top = w->tops; top; top = top->next) {
		if (!top->look)
			continue;
		top->look = false;
		look(w, top);
	}
}

/* Is there anything that may still happen? */
bool tops_left(const struct watch *w)
{
	const struct top *top;

	for (top = w->tops; top; top = top->next)
		if (top->node || top->door)
			return true;
	return false;
}
