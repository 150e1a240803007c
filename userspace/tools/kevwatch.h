/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kevwatch: tells what happens to files and directories. Below each other:
 *
 *	kevwatch.c		options, the queue, what happens
 *	kevwatch_top.c		the paths that were given: lost, and found again
 *	kevwatch_settle.c	which of what came and went was renamed
 *	kevwatch_tell.c		telling it in a good order
 *	kevwatch_scan.c		what is in a directory, compared with what was
 *	kevwatch_node.c		a file that is watched: its place, its descriptor
 *	kevwatch_print.c	lines, for people or as JSON
 *	kevwatch_run.c		the command
 *	text.c			text from elsewhere
 *	tool.c			what all tools do
 */
#ifndef KEVWATCH_H
#define KEVWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/event.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "tool.h"

/* It was asked to end, or nobody reads what it says. */
#define EXIT_STOPPED	0

/* What can happen; what_names[] has the words for it, in this order. */
enum what {
	CREATED		= 1 << 0,
	DELETED		= 1 << 1,
	RENAMED		= 1 << 2,
	WRITTEN		= 1 << 3,
	EXTENDED	= 1 << 4,
	ATTRIBUTES	= 1 << 5,
	LINKED		= 1 << 6,
	OPENED		= 1 << 7,
	CLOSED		= 1 << 8,
	CLOSED_WRITE	= 1 << 9,
	READ		= 1 << 10,
};

#define WHATS		11
#define ALL_WHATS	((1 << WHATS) - 1)
/* Of use there is very much. */
#define USUAL_WHATS	(OPENED - 1)

enum role {
	ENTRY,			/* something in a directory that is watched */
	TOP,			/* what a path stands for that was given */
	DOOR,			/* the directory through which a top may come back */
};

/**
 * struct node - something that is watched
 * @role: what for
 * @parent: the directory that it is in; of others than entries NULL
 * @name: in there; of others the path by which it is shown
 * @top: of others than entries, whose
 * @fd: which only stands for it, so nothing is opened by that; it keeps the number
 *	of the inode from being used again; -1: none
 * @dev: with @ino and the type in @mode, which file it is
 * @ino: likewise
 * @listed: the number that it has in its directory's listing
 * @mode: as it was when it was last looked at, and the next three
 * @uid: its owner
 * @gid: its group
 * @size: its size
 * @notes: what the queue told of it that is still to be printed
 * @child: of a directory, what is in it, by name
 * @nchildren: how many these are
 * @same: the next one with the same hash of its number
 * @evictable: where it is on the list of what may be given up
 * @dirty: it is on the list of directories to compare
 * @scanned: it was compared since anything was printed
 * @rescanned: even more than once
 * @came: it is there, but that was not printed yet
 * @gone: it is not there any more, which was not printed yet
 * @ended: it is nowhere else, or already known there
 * @ghost: it had gone before it could be watched
 * @dead: it is on the list of what is to be freed
 * @over: who had the name of what came
 * @from: what that was before, when it was renamed
 * @to: what this is now, likewise
 * @place: where it is now, if that is not watched
 * @lost: what was in this directory and is gone
 * @next_lost: the next one of those
 */
struct node {
	enum role role;
	struct node *parent;
	char *name;
	struct top *top;
	int fd;
	dev_t dev;
	ino_t ino;
	ino_t listed;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size;
	unsigned int notes;
	struct node **child;
	size_t nchildren;
	struct node *same;
	size_t evictable;
	bool dirty;
	bool scanned;
	bool rescanned;
	bool came;
	bool gone;
	bool ended;
	bool ghost;
	bool dead;
	struct node *over;
	struct node *from;
	struct node *to;
	char *place;
	struct node *lost;
	struct node *next_lost;
};

/**
 * struct list - nodes
 * @node: they are in here
 * @n: how many
 * @room: for how many there is room
 */
struct list {
	struct node **node;
	size_t n;
	size_t room;
};

/**
 * struct top - a path that was given
 * @next: the next one
 * @path: as it was given
 * @folder: the directory in which it is
 * @node: what it stands for, or stood for if that has another name now; or NULL
 * @door: while it does not stand for that: the directory; or NULL
 * @look: something has happened to one of them
 */
struct top {
	struct top *next;
	char *path;
	char *folder;
	struct node *node;
	struct node *door;
	bool look;
};

/**
 * struct run - the command, and what it is told
 * @command: for the shell, or NULL
 * @delay: how long to wait for more after a change, in ms
 * @waiting: the timer is set
 * @pid: it runs; or 0
 * @path: what has changed since it was started
 * @npaths: how many these are
 * @room: for how many there is room
 */
struct run {
	const char *command;
	long long delay;
	bool waiting;
	pid_t pid;
	char **path;
	size_t npaths;
	size_t room;
};

#define BUCKETS		16384	/* a power of two */

/**
 * struct watch - everything
 * @kq: the queue, which tells of all that happens
 * @wanted: what is to be told, of enum what
 * @recursive: directories in directories are watched, too
 * @json: lines are objects
 * @quiet: there are none
 * @started: what is found from now on has come
 * @stop: a signal has asked for the end
 * @unheard: why a line could not be written; or 0
 * @resync: compare everything once more
 * @told_fds: that there are too few descriptors has been said
 * @told_files: that too few files may be watched, likewise
 * @limit: on descriptors, as it was before
 * @tops: the paths
 * @run: the command
 * @same: all that have a number, by its hash
 * @evictable: those whose descriptors may be taken for directories
 * @dirty: directories to compare
 * @scanned: those that were
 * @came: what has come
 * @settled: how many of these are known to be new, or renamed
 * @gone: what has gone
 * @noted: of what the queue has told something
 * @trash: to be freed when nothing points there any more
 */
struct watch {
	int kq;
	unsigned int wanted;
	bool recursive;
	bool json;
	bool quiet;
	bool started;
	bool stop;
	int unheard;
	bool resync;
	bool told_fds;
	bool told_files;
	struct rlimit limit;
	struct top *tops;
	struct run run;
	struct node *same[BUCKETS];
	struct list evictable;
	struct list dirty;
	struct list scanned;
	struct list came;
	size_t settled;
	struct list gone;
	struct list noted;
	struct list trash;
};

/* kevwatch_node.c */
void list_add(struct list *list, struct node *node);
struct node *node_new(enum role role, struct node *parent, const char *name);
char *node_path_in(const struct node *dir, const char *name);
char *node_path(const struct node *node);
char *node_place(const struct node *node);
int node_open(struct watch *w, struct node *node);
int node_open_dir(struct watch *w, const struct node *node);
void node_look(struct node *node, const struct stat *st);
bool node_is(const struct node *node, const struct stat *st);
bool node_is_dead(const struct node *node);
bool node_has_entries(const struct watch *w, const struct node *node);
struct node *node_find(const struct watch *w, dev_t dev, ino_t ino);
struct node *node_around(const struct watch *w, char *place, const char **rest);
struct node **node_slot(const struct node *dir, const char *name);
void node_dirty(struct watch *w, struct node *node);
void node_vanished(struct node *node);
void node_discard(struct watch *w, struct node *node);
void trash_empty(struct watch *w);

/* kevwatch_scan.c */
void scan(struct watch *w, struct node *dir);

/* kevwatch_settle.c */
void settle(struct watch *w);

/* kevwatch_tell.c */
void tell_notes(struct watch *w, struct node *node);
void tell_all(struct watch *w);

/* kevwatch_top.c */
int top_add(struct watch *w, const char *path);
bool top_is_lost(const struct top *top);
void top_let_go(struct top *top);
void tops_look(struct watch *w);
bool tops_left(const struct watch *w);

/* kevwatch_print.c */
extern const char *const what_names[WHATS];
void report(struct watch *w, enum what event, const struct node *node, const char *path);
void report_rename(struct watch *w, const struct node *node, const char *from,
		   const char *to);

/* kevwatch_run.c */
void run_changed(struct watch *w, const char *path);
void run_timer(struct watch *w);
void run_ended(struct watch *w);

#endif /* KEVWATCH_H */
