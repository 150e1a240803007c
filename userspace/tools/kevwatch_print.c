// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lines. Whatever a file is called, one event is one line: what would end it, or could
 * confuse a terminal, is written otherwise. A name may have any bytes; JSON has to be
 * UTF-8.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevwatch.h"

const char *const what_names[WHATS] = {
	"created", "deleted", "renamed", "written", "extended", "attributes",
	"linked", "opened", "closed", "closed-write", "read",
};

static const char *what_name(enum what event)
{
	return what_names[__builtin_ctz(event)];
}

/* What goes wrong, in one line. */
void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	flockfile(stderr);
	fputs("kevwatch: ", stderr);
	vfprintf(stderr, fmt, args);
	putc('\n', stderr);
	funlockfile(stderr);
	va_end(args);
}

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

/* --- For people ------------------------------------------------------------------ */

static void put_plain(const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\\\", stdout);
		else if (*text == '\n')
			fputs("\\n", stdout);
		else if (is_control(*text))
			printf("\\%03o", (unsigned char)*text);
		else
			putchar(*text);
	}
}

static void plain_line(enum what event, const char *from, const char *path)
{
	printf("%s ", what_name(event));
	if (from) {
		put_plain(from);
		fputs(" -> ", stdout);
	}
	put_plain(path);
	putchar('\n');
}

/* --- JSON ------------------------------------------------------------------------ */

/* How many bytes the character at @text has in UTF-8; 0: it is none. */
static size_t utf8_len(const char *text)
{
	static const unsigned int least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *c = (const unsigned char *)text;
	size_t len = *c < 0x80 ? 1 : *c < 0xc0 ? 0 : *c < 0xe0 ? 2 :
		     *c < 0xf0 ? 3 : *c < 0xf8 ? 4 : 0;
	unsigned int val;
	size_t i;

	if (len < 2)
		return len;
	val = *c & (0x7f >> len);
	for (i = 1; i < len; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
		val = val << 6 | (c[i] & 0x3f);
	}
	if (val < least[len] || val > 0x10ffff || (val >= 0xd800 && val < 0xe000))
		return 0;
	return len;
}

static bool is_utf8(const char *text)
{
	size_t len = 1;

	for (; *text && len; text += len)
		len = utf8_len(text);
	return len;
}

static void put_string(const char *text)
{
	size_t len;

	putchar('"');
	for (; *text; text += len ? len : 1) {
		len = utf8_len(text);
		if (!len)
			fputs("\\ufffd", stdout);
		else if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if (is_control(*text))
			printf("\\u%04x", (unsigned char)*text);
		else
			fwrite(text, 1, len, stdout);
	}
	putchar('"');
}

/* What is no text can be told as bytes only. */
static void put_path(const char *key, const char *path)
{
	printf(",\"%s\":", key);
	put_string(path);
	if (is_utf8(path))
		return;
	printf(",\"%s_hex\":\"", key);
	for (; *path; path++)
		printf("%02x", (unsigned char)*path);
	putchar('"');
}

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
	if (from)
		put_path("from", from);
	put_path("path", path);
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
