// SPDX-License-Identifier: BSD-2-Clause
/* Somebody writes into a file, and gives it another mode. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/event.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	char name[] = "/tmp/from-epoll-XXXXXX";
	const struct timespec now = { 0 };
	struct kevent kev;
	int kq = kqueue();
	int file = mkstemp(name);
	/* As the writer is to be somebody else. */
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (kq < 0 || file < 0 || fd < 0)
		err(1, "cannot begin");
	EV_SET(&kev, fd, EVFILT_VNODE, EV_ADD | EV_CLEAR,
	       NOTE_WRITE | NOTE_ATTRIB, 0, NULL);
	if (kevent(kq, &kev, 1, NULL, 0, NULL))
		err(1, "%s", name);

	if (write(file, "something", 9) != 9 || fchmod(file, 0400))
		err(1, "%s", name);
	while (kevent(kq, NULL, 0, &kev, 1, &now) > 0) {
		/* All that has happened since the last one. */
		if (kev.fflags & NOTE_WRITE)
			printf("written ");
		if (kev.fflags & NOTE_ATTRIB)
			printf("changed\n");
	}
	return unlink(name);
}
