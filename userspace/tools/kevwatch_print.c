// SPDX-License-Identifier: BSD-2-Clause
/* Lines: whatever a file is called, one event is one line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevwatch.h"
#include "text.h"

const char *const what_names[WHATS] = {
	"created", "deleted", "renamed", "written", "extended", "attributes",
	"linked", "opened", "closed", "closed-write", "read",
};

static const char *what_name(enum what event)
{
	return what_names[__builtin_ctz(event)];
}

/* --- For people ------------------------------------------------------------------ */

static void plain_line(enum what event, const char *from, const char *path)
{
	printf("%s ", what_name(event));
	if (from) {
		text_plain(stdout, from);
		fputs(" -> ", stdout);
	}
	text_plain(stdout, path);
	putchar('\n');
}

/* --- JSON ------------------------------------------------------------------------ */

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "link";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
	case S_IFBLK:
		return "device";
	}
	return "unknown";
}

static void json_line(enum what event, mode_t mode, const char *from, const char *path)
{
	printf("{\"event\":\"%s\",\"type\":\"%s\"", what_name(event), type_name(mode));
	if (from) {
		putchar(',');
		text_json_member(stdout, "from", from);
	}
	putchar(',');
	text_json_member(stdout, "path", path);
	puts("}");
}

/* --- Telling --------------------------------------------------------------------- */

static void tell(struct watch *w, enum what event, const struct node *node,
		 const char *from, const char *path)
{
	if (!w->started || !(w->wanted & event))
		return;
	if (!w->quiet && w->json)
		json_line(event, node->mode, from, path);
	else if (!w->quiet)
		plain_line(event, from, path);
	/* The end of a line is when it is written. */
	if (ferror(stdout) && !w->unheard)
		w->unheard = errno;
	if (from)
		run_changed(w, from);
	run_changed(w, path);
}

void report(struct watch *w, enum what event, const struct node *node, const char *path)
{
	tell(w, event, node, NULL, path);
}

/* To who does not ask for that, one has gone, and another one has come. */
void report_rename(struct watch *w, const struct node *node, const char *from,
		   const char *to)
{
	if (w->wanted & RENAMED) {
		tell(w, RENAMED, node, from, to);
		return;
	}
	tell(w, DELETED, node, NULL, from);
	tell(w, CREATED, node, NULL, to);
}
