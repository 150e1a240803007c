// SPDX-License-Identifier: BSD-2-Clause
/* Of two pipes with three bytes each, one is level- and one edge-triggered. */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/event.h>
#include <unistd.h>

int main(void)
{
	const struct timespec now = { 0 };
	struct kevent want[2], got[2];
	int level[2], edge[2], nlevel = 0, nedge = 0, i, n;
	char byte;
	int kq = kqueue();

	if (kq < 0 || pipe(level) || pipe(edge))
		err(1, "cannot begin");
	EV_SET(&want[0], level[0], EVFILT_READ, EV_ADD, 0, 0, &nlevel);
	EV_SET(&want[1], edge[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0,
	       &nedge);
	if (write(level[1], "abc", 3) != 3 || write(edge[1], "abc", 3) != 3)
		err(1, "write");

	/* Of what is ready take one byte, until nothing is. */
	n = kevent(kq, want, 2, got, 2, &now);
	while (n > 0) {
		for (i = 0; i < n; i++) {
			if (got[i].flags & EV_ERROR)
				errx(1, "cannot be watched: %s", strerror(got[i].data));
			if (read(got[i].ident, &byte, 1) != 1)
				err(1, "read");
			++*(int *)got[i].udata;
		}
		n = kevent(kq, NULL, 0, got, 2, &now);
	}
	if (n < 0)
		err(1, "kevent");
	printf("level: %d events, edge: %d\n", nlevel, nedge);
	return 0;
}
