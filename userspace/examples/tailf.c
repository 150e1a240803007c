// SPDX-License-Identifier: BSD-2-Clause
/*
 * tailf: print what is appended to files, as "tail -f" does, without looking
 * at them again and again.
 *
 * A regular file is ready to read when its offset is not its end, and data is
 * the distance. After a truncation it is negative: start again from the top.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <kevent.h>
#include <sys/event.h>

static void watch(int kq, char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct kevent kev;

	if (fd < 0)
		err(1, "%s", name);
	lseek(fd, 0, SEEK_END);
	EV_SET(&kev, fd, EVFILT_READ, EV_ADD, 0, 0, name);
	if (kevent(kq, &kev, 1, NULL, 0, NULL) < 0)
		err(1, "%s: cannot be watched", name);
}

static void copy(int fd, const char *name)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0)
		err(1, "%s", name);
	if (fwrite(buf, 1, n, stdout) != (size_t)n || fflush(stdout))
		err(1, "standard output");
}

int main(int argc, char **argv)
{
	const char *last = NULL;
	struct kevent kev;
	int kq, i;

	if (argc < 2)
		errx(2, "usage: tailf FILE...");
	kq = kqueue();
	if (kq < 0)
		errx(1, "%s", kqueue_strerror(errno));
	for (i = 1; i < argc; i++)
		watch(kq, argv[i]);

	while (kevent(kq, NULL, 0, &kev, 1, NULL) == 1) {
		const char *name = kev.udata;

		if (kev.data < 0) {
			warnx("%s: file truncated", name);
			lseek(kev.ident, 0, SEEK_SET);
			continue;
		}
		if (argc > 2 && name != last)
			printf("==> %s <==\n", name);
		last = name;
		copy(kev.ident, name);
	}
	err(1, "kevent");
}
