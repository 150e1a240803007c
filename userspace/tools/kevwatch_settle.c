// SPDX-License-Identifier: BSD-2-Clause
/*
 * What has come and what has gone, of all directories together: what is both was
 * renamed. Everything is found out before any of it is told: a directory may not have
 * told yet that something came from, or went to, another one, and new directories have
 * something in them.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "kevwatch.h"

/* Those who change things all the time must not keep us from telling of it. */
#define MOST_LOOKS	16

/* --- Who it was before ----------------------------------------------------------- */

static const struct node *top_of(const struct node *node)
{
	while (node->parent)
		node = node->parent;
	return node;
}

static bool is_same(const struct node *a, const struct node *b)
{
	return a != b && a->dev == b->dev && a->ino == b->ino &&
	       !((a->mode ^ b->mode) & S_IFMT);
}

static bool is_there(const struct node *node)
{
	struct stat st;

	return !fstatat(node->parent->fd, node->name, &st, AT_SYMLINK_NOFOLLOW) &&
	       node_is(node, &st);
}

/* It was not where it was found, because it has moved on meanwhile. */
static void forget_stale(struct node *was)
{
	if (!was->to || is_there(was->to))
		return;
	node_vanished(was->to);
	was->to->from = NULL;
	was->to = NULL;
}

/*
 * Has it left its place? A path that was given can be found in a directory that is
 * watched as well: then it becomes an entry there, if it is watched in the same way.
 */
static bool has_left(const struct watch *w, const struct node *node)
{
	if (node->role == TOP && !node->dead)
		return (w->recursive || !S_ISDIR(node->mode)) &&
		       top_is_lost(node->top);
	return node->gone;
}

/* Of what was given twice, each has a name of its own that changes. */
static void find_origin(const struct watch *w, struct node *node, bool same_top)
{
	struct node *was;

	for (was = node_find(w, node->dev, node->ino); was; was = was->same) {
		if (!is_same(was, node) || !has_left(w, was) ||
		    (same_top && top_of(was) != top_of(node)))
			continue;
		forget_stale(was);
		if (!was->to)
			break;
	}
	if (!was)
		return;
	node->from = was;
	was->to = node;
}

static void find_origins(struct watch *w, bool same_top)
{
	struct node *node;
	size_t i;

	for (i = w->settled; i < w->came.n; i++) {
		node = w->came.node[i];
		if (node->came && !node->gone && !node->from)
			find_origin(w, node, same_top);
	}
}

/*
 * Is what has come known under a name that is not there any more? Then its directory
 * is compared before it says so itself. A name that is there is another of a file.
 */
static bool find_stale_name(struct watch *w, const struct node *node)
{
	struct node *other;
	bool found = false;

	for (other = node_find(w, node->dev, node->ino); other; other = other->same)
		if (is_same(other, node) && other->role == ENTRY && !other->gone &&
		    !node_is_dead(other) && !is_there(other)) {
			node_dirty(w, other->parent);
			found = true;
		}
	return found;
}

static bool find_stale_names(struct watch *w)
{
	const struct node *node;
	bool found = false;
	size_t i;

	for (i = w->settled; i < w->came.n; i++) {
		node = w->came.node[i];
		if (node->came && !node->gone && !node->from)
			found |= find_stale_name(w, node);
	}
	return found;
}

/* --- What is new ----------------------------------------------------------------- */

/*
 * Watch it before it is told of: whoever is told and then looks misses nothing. What
 * was made in a new directory before it was watched, shows when that is compared.
 */
static void take_new(struct watch *w)
{
	struct node *node;

	for (; w->settled < w->came.n; w->settled++) {
		node = w->came.node[w->settled];
		if (!node->came || node->from || node->gone)
			continue;
		if (node_open(w, node))
			node_vanished(node);
		else if (node_has_entries(w, node))
			node_dirty(w, node);
	}
}

/* --- Where it is now ------------------------------------------------------------- */

static bool is_known_at(const struct node *dir, const char *name,
			const struct node *node)
{
	struct node **slot = node_slot(dir, name);

	return slot && !(*slot)->ghost && is_same(*slot, node);
}

/*
 * Something has gone that has not come: it was deleted, or it is somewhere else, which
 * may be a directory that has not told yet. Whether that is to be compared first.
 */
static bool find_place(struct watch *w, struct node *node, bool may_look)
{
	struct node *dir;
	const char *name;

	free(node->place);
	node->place = node_place(node);
	if (!node->place) {
		node->ended = true;
		/* What was in there is gone, too, or has been moved before. */
		if (node->nchildren)
			node_dirty(w, node);
		return false;
	}
	dir = node_around(w, node->place, &name);
	if (!dir)
		return false;
	node->ended = !may_look || is_known_at(dir, name, node);
	if (!node->ended)
		node_dirty(w, dir);
	free(node->place);
	node->place = NULL;
	return !node->ended;
}

static bool find_places(struct watch *w, bool may_look)
{
	bool look = false;
	struct node *node;
	size_t i;

	for (i = 0; i < w->gone.n; i++) {
		node = w->gone.node[i];
		if (!node->to && !node->ended)
			look |= find_place(w, node, may_look);
	}
	return look;
}

/* --- Finding everything out ------------------------------------------------------ */

static void scan_dirty(struct watch *w)
{
	struct node *dir;
	size_t i;

	for (i = 0; i < w->dirty.n; i++) {
		dir = w->dirty.node[i];
		dir->dirty = false;
		if (!node_is_dead(dir))
			scan(w, dir);
	}
	w->dirty.n = 0;
}

static void find_out(struct watch *w)
{
	int looks = MOST_LOOKS;

	do {
		scan_dirty(w);
		find_origins(w, true);
		find_origins(w, false);
		if (looks > 0 && find_stale_names(w)) {
			looks--;
			continue;
		}
		take_new(w);
		if (!w->dirty.n && find_places(w, looks > 0))
			looks--;
	} while (w->dirty.n);
}

/* --- All of it ------------------------------------------------------------------- */

static void all_dirty(struct watch *w, struct node *dir)
{
	size_t i;

	if (!node_has_entries(w, dir))
		return;
	node_dirty(w, dir);
	for (i = 0; i < dir->nchildren; i++)
		all_dirty(w, dir->child[i]);
}

/* Compare what is dirty, and tell what has changed. */
void settle(struct watch *w)
{
	struct top *top;

	while (w->dirty.n) {
		find_out(w);
		tell_all(w);
		if (!w->resync)
			continue;
		w->resync = false;
		for (top = w->tops; top; top = top->next)
			if (top->node)
				all_dirty(w, top->node);
	}
}
