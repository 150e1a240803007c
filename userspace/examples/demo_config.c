// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: the configuration file, watched with EVFILT_VNODE.
 *
 * Editors leave the file alone: they write another one and rename it over the name.
 * To the file that we watch that is NOTE_DELETE, it has lost its name; what has the
 * name now is another file, and to be watched anew. A program that writes into the
 * file itself closes it after that: NOTE_CLOSE_WRITE.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

/* At first only half of the clients may come in. */
const struct settings first_settings = { CLIENTS / 2, "good morning" };
const struct settings second_settings = { CLIENTS, "good evening" };

struct settings settings;

static int fd = -1;
static unsigned int replaced, written, applied;

void settings_write(const char *path, const struct settings *s)
{
	FILE *file = fopen(path, "we");

	if (!file)
		err(1, "%s", path);
	fprintf(file, "# The demo notices when this is changed.\n"
		"clients %u\n"
		"greeting %s\n", s->clients, s->greeting);
	if (fclose(file))
		err(1, "%s", path);
}

/* False if that makes no sense. */
static bool parse(const char *text, struct settings *s)
{
	const char *clients = strstr(text, "\nclients ");
	const char *greeting = strstr(text, "\ngreeting ");

	return clients && sscanf(clients, " clients %u", &s->clients) == 1 &&
	       greeting && sscanf(greeting, " greeting %63[^\n]", s->greeting) == 1;
}

static void happened(const struct kevent *kev);

static struct source config = { happened };

/*
 * Read what has the name now. It is watched before it is read, so that it cannot
 * change unseen in between. Returns false, and nothing changes, if it makes no sense.
 */
static bool read_config(void)
{
	struct settings new = { 0 };
	char text[1024];
	ssize_t n;
	int old = fd;

	fd = open(CONFIG_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", CONFIG_FILE);
	watch(fd, EVFILT_VNODE, EV_ADD | EV_CLEAR,
	      NOTE_DELETE | NOTE_CLOSE_WRITE, 0, &config);
	if (old >= 0)
		close(old);

	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		err(1, "%s", CONFIG_FILE);
	text[n] = '\0';
	if (!parse(text, &new))
		return false;
	settings = new;
	return true;
}

static void happened(const struct kevent *kev)
{
	if (kev->fflags & NOTE_DELETE)
		replaced++;
	if (kev->fflags & NOTE_CLOSE_WRITE)
		written++;
	if (!read_config()) {
		say("file", "%s makes no sense: everything stays as it was",
		    CONFIG_FILE);
		return;
	}
	applied++;
	say("file", "%s has changed: now %u clients may come in, and hear \"%s\"",
	    CONFIG_FILE, settings.clients, settings.greeting);
	server_settings_changed();
}

void config_start(void)
{
	settings_write(CONFIG_FILE, &first_settings);
	if (!read_config())
		errx(1, "%s makes no sense", CONFIG_FILE);
	say("file", "%s: %u clients may come in, and hear \"%s\"", CONFIG_FILE,
	    settings.clients, settings.greeting);
}

void config_check(void)
{
	check(replaced == 1 && written == 0 && applied == 1 &&
	      settings.clients == second_settings.clients &&
	      !strcmp(settings.greeting, second_settings.greeting),
	      "%s was replaced once (seen: %u), and what it says is in force",
	      CONFIG_FILE, replaced);
}
