// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: the operator, a process of its own that does to the server what people do to
 * servers. It does the next thing when the server has got to a certain point, of which
 * the server tells it with a byte through a pipe.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "demo.h"

/* --- The server's side --- */

static int cues = -1;

void cues_start(int fd)
{
	cues = fd;
}

void cues_end(void)
{
	if (cues >= 0)
		close(cues);
	cues = -1;
}

/* An operator that has gone need not be told; its end is an event. */
void cue(enum cue what)
{
	const unsigned char byte = what;

	if (cues >= 0 && write(cues, &byte, 1) != 1 && errno != EPIPE)
		err(1, "pipe");
}

/* --- The operator's --- */

/* Wait until the server has said all of @wanted, in any order. */
static void await(int fd, unsigned int wanted)
{
	static unsigned int heard;
	unsigned char byte;

	while ((heard & wanted) != wanted) {
		if (read(fd, &byte, 1) != 1)
			errx(FAILED, "the operator waits in vain");
		heard |= byte;
	}
}

static void change_config(void)
{
	say("operator", "replacing %s", CONFIG_FILE);
	settings_write(CONFIG_ASIDE, &second_settings);
	if (rename(CONFIG_ASIDE, CONFIG_FILE))
		err(FAILED, "%s", CONFIG_FILE);
}

static void rotate_log(pid_t server)
{
	say("operator", "renaming %s to %s, sending SIGHUP", LOG_FILE, LOG_ROTATED);
	if (rename(LOG_FILE, LOG_ROTATED) || kill(server, SIGHUP))
		err(FAILED, "%s", LOG_FILE);
}

/* Returns false if that is not allowed. */
static bool mount_and_unmount(int fd)
{
	if (mount("demo", MOUNT_POINT, "tmpfs", 0, "size=4k")) {
		if (errno == EPERM)
			return false;
		err(FAILED, "mount");
	}
	await(fd, MOUNTED);
	if (umount2(MOUNT_POINT, 0))
		err(FAILED, "umount");
	await(fd, UNMOUNTED);
	return true;
}

int be_operator(const struct scene *scene, int fd)
{
	bool mounted;

	await(fd, FULL | ALL_BORN);
	change_config();
	await(fd, ALL_IN);
	rotate_log(scene->server);
	await(fd, ARCHIVED);
	mounted = mount_and_unmount(fd);
	await(fd, ALL_TALKED | ALL_TAILED);
	say("operator", "all is done, sending SIGTERM");
	if (kill(scene->server, SIGTERM))
		err(FAILED, "kill");
	return mounted ? DONE : NO_MOUNT;
}
