// SPDX-License-Identifier: BSD-2-Clause
/*
 * tailf: print what is appended to files, as "tail -F" does, without looking
 * at them again and again.
 *
 * A regular file is ready to read when its offset is not its end, and data is
 * the distance. After a truncation it is negative: start again from the top.
 *
 * Files are followed by their names, as logs are renamed and begun anew. Each of
 * these steps changes the folder, which is watched as well. What has lost its name
 * is followed until something else has it.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kevent.h>
#include <sys/event.h>

struct file {
	const char *name;
	int fd;			/* what has that name, or had it last; -1: none yet */
};

static bool several;		/* files */

static void watch(int kq, int fd, int filter, int flags, unsigned int fflags,
		  struct file *file)
{
	struct kevent kev;

	EV_SET(&kev, fd, filter, EV_ADD | flags, fflags, 0, file);
	if (kevent(kq, &kev, 1, NULL, 0, NULL) < 0)
		err(1, "%s: cannot be watched", file->name);
}

/* Print more of the file. Was there any? */
static bool copy(const struct file *file)
{
	static const struct file *last;
	char buf[4096];
	ssize_t n = read(file->fd, buf, sizeof(buf));

	if (n < 0)
		err(1, "%s", file->name);
	if (n > 0 && several && file != last)
		printf("==> %s <==\n", file->name);
	if (n > 0)
		last = file;
	if (fwrite(buf, 1, n, stdout) != (size_t)n || fflush(stdout))
		err(1, "standard output");
	return n > 0;
}

static bool same(int fd1, int fd2)
{
	struct stat st1, st2;

	return !fstat(fd1, &st1) && !fstat(fd2, &st2) &&
		st1.st_dev == st2.st_dev && st1.st_ino == st2.st_ino;
}

/* If another file than before has that name, follow it from there. */
static void look(int kq, struct file *file, int whence)
{
	int fd = open(file->name, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		if (errno != ENOENT)
			warn("%s", file->name);
		return;
	}
	if (same(fd, file->fd)) {
		close(fd);
		return;
	}
	if (file->fd >= 0) {
		while (copy(file))
			;
		close(file->fd);
		warnx("%s: following another file of that name", file->name);
	}
	file->fd = fd;
	lseek(fd, 0, whence);
	watch(kq, fd, EVFILT_READ, 0, 0, file);
}

static void follow(int kq, struct file *file, const char *name)
{
	char *path = strdup(name);
	const char *folder = path ? dirname(path) : "";
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", folder);
	free(path);
	file->name = name;
	file->fd = -1;
	watch(kq, fd, EVFILT_VNODE, EV_CLEAR, NOTE_WRITE, file);
	look(kq, file, SEEK_END);
	if (file->fd < 0)
		warnx("%s: waiting for it", name);
}

int main(int argc, char **argv)
{
	struct file *files = calloc(argc, sizeof(*files));
	struct kevent kev;
	int kq, i;

	if (argc < 2)
		errx(2, "usage: tailf FILE...");
	kq = kqueue();
	if (kq < 0)
		errx(1, "%s", kqueue_strerror(errno));
	if (!files)
		err(1, "files");
	several = argc > 2;
	for (i = 1; i < argc; i++)
		follow(kq, &files[i], argv[i]);

	while (kevent(kq, NULL, 0, &kev, 1, NULL) == 1) {
		struct file *file = kev.udata;

		if (kev.filter == EVFILT_VNODE) {
			look(kq, file, SEEK_SET);
		} else if (kev.data < 0) {
			warnx("%s: file truncated", file->name);
			lseek(file->fd, 0, SEEK_SET);
		} else {
			copy(file);
		}
	}
	err(1, "kevent");
}
