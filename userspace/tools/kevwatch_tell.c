// SPDX-License-Identifier: BSD-2-Clause
/*
 * Telling what was found out, in an order in which it can have happened: what has a
 * name goes before something else gets it, a directory comes before what is in it. Who
 * does what the lines say, one after the other, has what is there.
 */
#include <stdlib.h>
#include <string.h>

#include "kevwatch.h"

/* --- What happened to a file ----------------------------------------------------- */

/*
 * To set the size of a file changes an attribute, as FreeBSD has it, but people think
 * of it as writing, the more so as most writing begins with that. So attributes are
 * told of if they differ, or if it was not for the size.
 */
static unsigned int whats_of(struct node *node)
{
	unsigned int notes = node->notes, whats = 0;
	struct node was = *node;
	struct stat st;
	bool resized;

	if (node->fd < 0 || fstat(node->fd, &st))
		return 0;
	node_look(node, &st);
	resized = node->size != was.size && !S_ISDIR(node->mode);
	if (S_ISDIR(node->mode))
		return notes & NOTE_ATTRIB ? ATTRIBUTES : 0;
	if (notes & NOTE_EXTEND && node->size >= was.size)
		whats |= EXTENDED;
	if (notes & NOTE_WRITE || (notes & NOTE_ATTRIB && resized))
		whats |= WRITTEN;
	if (notes & NOTE_ATTRIB &&
	    (!whats || node->mode != was.mode || node->uid != was.uid ||
	     node->gid != was.gid))
		whats |= ATTRIBUTES;
	if (notes & NOTE_LINK)
		whats |= LINKED;
	if (notes & NOTE_OPEN)
		whats |= OPENED;
	if (notes & NOTE_CLOSE)
		whats |= CLOSED;
	if (notes & NOTE_CLOSE_WRITE)
		whats |= CLOSED_WRITE;
	if (notes & NOTE_READ)
		whats |= READ;
	return whats;
}

/* What the queue has told of a file. That it has grown says that it was written. */
void tell_notes(struct watch *w, struct node *node)
{
	unsigned int whats = node->notes ? whats_of(node) & w->wanted : 0, bit;
	char *path;

	node->notes = 0;
	if (!whats)
		return;
	if (whats & EXTENDED)
		whats &= ~WRITTEN;
	path = node_path(node);
	for (bit = 1; bit <= whats; bit <<= 1)
		if (whats & bit)
			report(w, bit, node, path);
	free(path);
}

/* --- What has gone --------------------------------------------------------------- */

/* Has everything been told that came or went in there? */
static bool is_told(const struct node *dir)
{
	const struct node *node;
	size_t i;

	for (node = dir->lost; node; node = node->next_lost)
		if (node->gone)
			return false;
	for (i = 0; i < dir->nchildren; i++)
		if (dir->child[i]->came || !is_told(dir->child[i]))
			return false;
	return true;
}

/* What is still known of a directory that is deleted is deleted with it, first. */
static void tell_inside(struct watch *w, struct node *dir, bool deleted)
{
	struct node *node;
	char *path;
	size_t i;

	for (i = 0; i < dir->nchildren; i++) {
		node = dir->child[i];
		if (node->ghost)
			continue;
		tell_inside(w, node, deleted);
		tell_notes(w, node);
		if (!deleted)
			continue;
		path = node_path(node);
		report(w, DELETED, node, path);
		free(path);
	}
}

/* It is deleted, or put elsewhere, as was before what was in it. Can that be told? */
static bool tell_gone(struct watch *w, struct node *node)
{
	struct node *was;
	char *path;

	if (node->came || node->to)
		return false;
	for (was = node->lost; was; was = was->next_lost)
		if (was->gone)
			tell_gone(w, was);
	if (!is_told(node))
		return false;
	node->gone = false;
	tell_inside(w, node, !node->place);
	tell_notes(w, node);
	path = node_path(node);
	if (node->place)
		report_rename(w, node, path, node->place);
	else
		report(w, DELETED, node, path);
	free(path);
	node_discard(w, node);
	return true;
}

/* --- What was renamed ------------------------------------------------------------ */

/* What has been told of @node until now is true of what it was before. */
static void take_place(struct watch *w, struct node *node)
{
	struct node *was = node->from, **slot = node_slot(node->parent, node->name);

	if (was->top)
		top_let_go(was->top);
	*slot = was;
	free(was->name);
	was->role = ENTRY;
	was->top = NULL;
	was->name = node->name;
	was->parent = node->parent;
	was->listed = node->listed;
	was->to = NULL;
	node->name = NULL;
	node->from = NULL;
	node_discard(w, node);
}

static void tell_renamed(struct watch *w, struct node *node)
{
	struct node *was = node->from;
	char *from = node_path(was), *to = node_path(node);

	was->gone = false;
	if (strcmp(from, to))
		report_rename(w, was, from, to);
	free(from);
	free(to);
	take_place(w, node);
}

static bool is_below(const struct node *node, const struct node *above)
{
	while (node && node != above)
		node = node->parent;
	return node;
}

/*
 * What was renamed would have to be so before itself: names changed in a circle, or
 * directories were moved into each other while they were looked at. So one has gone,
 * and what is there now is found when that is compared once more.
 */
static void split(struct watch *w, struct node *node)
{
	struct node *was = node->from;

	if (is_below(node->parent, was))
		w->resync = true;
	else
		node_dirty(w, node->parent);
	was->to = NULL;
	node->from = NULL;
	node_vanished(node);
}

/* --- What has come --------------------------------------------------------------- */

/* Who was lost in its directory before this came, the last first. */
static const struct node *lost_before(const struct node *node)
{
	const struct node *was = node->parent->lost;

	while (was && was != node)
		was = was->next_lost;
	return was ? was->next_lost : node->parent->lost;
}

/*
 * Has everybody gone who had the name before? If the directory was compared several
 * times, there may have been more than one.
 */
static bool is_free(const struct node *node)
{
	const struct node *was;

	if (node->over && node->over->gone && node->over != node->from)
		return false;
	if (!node->parent->rescanned)
		return true;
	for (was = lost_before(node); was; was = was->next_lost)
		if (was->gone && was != node->from && !strcmp(was->name, node->name))
			return false;
	return true;
}

/* Will a directory that it is in get another name yet? */
static bool is_on_the_move(const struct node *dir)
{
	while (dir && !dir->to)
		dir = dir->parent;
	return dir;
}

/* Its name is told as it is by now, which with patience is as it is in the end. */
static bool may_come(const struct node *node, bool patient)
{
	const struct node *was = node->from;

	return !node->parent->came && is_free(node) &&
	       !(patient && is_on_the_move(node->parent)) &&
	       !(was && (was->came || is_below(node->parent, was)));
}

/* It is there, or has another name. Can that be told? */
static bool tell_come(struct watch *w, struct node *node, bool patient)
{
	char *path;

	if (node_is_dead(node->parent)) {
		if (node->from)
			split(w, node);
		node->came = false;
		return true;
	}
	if (!may_come(node, patient))
		return false;
	node->came = false;
	if (node->from) {
		tell_renamed(w, node);
		return true;
	}
	path = node_path(node);
	report(w, CREATED, node, path);
	free(path);
	return true;
}

/* --- All of it ------------------------------------------------------------------- */

/* Tell what can be told by now: of how much was that possible? */
static size_t tell_more(struct watch *w, bool patient)
{
	struct node *node;
	size_t i, told = 0;

	for (i = 0; i < w->gone.n; i++) {
		node = w->gone.node[i];
		if (node->gone)
			told += tell_gone(w, node);
	}
	for (i = 0; i < w->came.n; i++) {
		node = w->came.node[i];
		if (node->came)
			told += tell_come(w, node, patient);
	}
	return told;
}

/* Nothing can be told before something else: of one thing, it has to. */
static bool split_first(struct watch *w)
{
	size_t i;

	for (i = 0; i < w->came.n; i++)
		if (w->came.node[i]->came && w->came.node[i]->from) {
			split(w, w->came.node[i]);
			return true;
		}
	return false;
}

static void forget_told(struct watch *w)
{
	struct node *dir;
	size_t i;

	/* What these point to may be freed. */
	for (i = 0; i < w->came.n; i++)
		w->came.node[i]->over = NULL;
	for (i = 0; i < w->scanned.n; i++) {
		dir = w->scanned.node[i];
		dir->lost = NULL;
		dir->scanned = false;
		dir->rescanned = false;
	}
	w->gone.n = 0;
	w->came.n = 0;
	w->settled = 0;
	w->scanned.n = 0;
}

/* Tell everything that was found out. */
void tell_all(struct watch *w)
{
	while (tell_more(w, true) || tell_more(w, false) || split_first(w))
		;
	forget_told(w);
}
