// SPDX-License-Identifier: BSD-2-Clause
/* The programs that are to run: read from a file, or given as arguments. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevsuper.h"

/* Without spaces at either end; changes @text. */
static char *trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	for (len = strlen(text); len && isspace((unsigned char)text[len - 1]); len--)
		;
	text[len] = '\0';
	return text;
}

/* To be run by the shell, in place of it. */
static char **shell_argv(const char *command)
{
	char **argv = get_memory(NULL, 4 * sizeof(*argv));

	argv[0] = copy_text("/bin/sh");
	argv[1] = copy_text("-c");
	argv[2] = copy_text(command);
	argv[3] = NULL;
	return argv;
}

static bool has_name(const struct wanted *list, const char *name)
{
	for (; list; list = list->next)
		if (!strcmp(list->name, name))
			return true;
	return false;
}

/* What is wrong with a line, or NULL; then it is at the end of the list. */
static const char *add_line(struct wanted **list, char *line)
{
	char *colon = strchr(line, ':'), *name, *command;
	struct wanted *w;

	if (!colon)
		return "there is no colon after a name";
	*colon = '\0';
	name = trim(line);
	command = trim(colon + 1);
	if (!*name)
		return "there is no name before the colon";
	if (!*command)
		return "there is no command after the colon";
	if (has_name(*list, name))
		return "the name is used already";
	while (*list)
		list = &(*list)->next;
	w = get_memory(NULL, sizeof(*w));
	w->next = NULL;
	w->name = copy_text(name);
	w->argv = shell_argv(command);
	*list = w;
	return NULL;
}

void wanted_free(struct wanted *list)
{
	struct wanted *next;
	char **arg;

	for (; list; list = next) {
		next = list->next;
		for (arg = list->argv; *arg; arg++)
			free(*arg);
		free(list->argv);
		free(list->name);
		free(list);
	}
}

/*
 * Read a file with a line "name: command" for each program; empty lines, and those
 * that begin with #, are passed over. NULL if it cannot be read, makes no sense or
 * has none, which was said.
 */
struct wanted *wanted_from_file(const char *path)
{
	struct wanted *list = NULL;
	const char *wrong = NULL;
	char *line = NULL, *text;
	FILE *f = fopen(path, "re");
	size_t room = 0;
	int number = 0;

	if (!f) {
		complain("cannot read %s: %s", path, strerror(errno));
		return NULL;
	}
	while (!wrong && getline(&line, &room, f) >= 0) {
		number++;
		text = trim(line);
		if (*text && *text != '#')
			wrong = add_line(&list, text);
	}
	if (wrong)
		complain("%s, line %d: %s", path, number, wrong);
	else if (ferror(f))
		wrong = strerror(errno), complain("cannot read %s: %s", path, wrong);
	else if (!list)
		complain("%s: there is no program in it", path);
	free(line);
	fclose(f);
	if (!wrong)
		return list;
	wanted_free(list);
	return NULL;
}

/* The one program that the arguments are. */
struct wanted *wanted_from_args(char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	struct wanted *w = get_memory(NULL, sizeof(*w));
	size_t i, n = 0;

	while (argv[n])
		n++;
	w->next = NULL;
	w->name = copy_text(name);
	w->argv = get_memory(NULL, (n + 1) * sizeof(*w->argv));
	for (i = 0; i < n; i++)
		w->argv[i] = copy_text(argv[i]);
	w->argv[n] = NULL;
	return w;
}
