// SPDX-License-Identifier: BSD-2-Clause
/*
 * Between two reports: a queue of our own tells of the time and of signals. Who may not
 * open one gets reports all the same; they wait for signals then.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kevstat.h"

/* --- Waiting --------------------------------------------------------------------- */

static const int signals[] = { SIGINT, SIGTERM, SIGWINCH, 0 };

static int kq = -1;
static struct timespec period;
static sigset_t blocked;

/* Another report is wanted when the screen has changed, or the end. */
static bool is_end(int sig)
{
	return sig != SIGWINCH;
}

static bool fill_queue(long long ms)
{
	return apply(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_MSECONDS, ms, NULL) &&
	       watch_signals(kq, signals);
}

/* There will be a report every @ms. False if signals cannot be blocked. */
bool watch_begin(long long ms)
{
	period.tv_sec = ms / 1000;
	period.tv_nsec = ms % 1000 * 1000000;
	kq = kqueue();
	if (kq >= 0 && !fill_queue(ms)) {
		close(kq);
		kq = -1;
	}
	return block_signals(signals, &blocked) && signal(SIGPIPE, SIG_IGN) != SIG_ERR;
}

static bool wait_for_signal(void)
{
	int sig;

	do {
		sig = sigtimedwait(&blocked, NULL, &period);
	} while (sig < 0 && errno == EINTR);
	return sig < 0 || !is_end(sig);
}

/* True: it is time for another report. False: that was asked to be the last. */
bool watch_wait(void)
{
	struct kevent ev[4];
	bool go_on = true;
	int i, n;

	if (kq < 0)
		return wait_for_signal();
	n = kevent(kq, NULL, 0, ev, 4, NULL);
	if (n < 0) {
		complain("cannot wait: %s", strerror(errno));
		return false;
	}
	for (i = 0; i < n; i++)
		if (ev[i].filter == EVFILT_SIGNAL && is_end(ev[i].ident))
			go_on = false;
	return go_on;
}

/* --- The screen ------------------------------------------------------------------ */

static void screen_size(unsigned int *rows, unsigned int *columns)
{
	struct winsize size;

	*rows = 24;
	*columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		return;
	*rows = size.ws_row;
	*columns = size.ws_col;
}

/* As much of a line as fits; a character takes one column, as far as we know. */
static void draw_line(const char *line, size_t len, unsigned int columns)
{
	unsigned int used = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		/* What follows the first byte of UTF-8 takes none. */
		if ((line[i] & 0xc0) != 0x80 && used++ == columns)
			break;
		putchar(line[i]);
	}
	if (used < columns)
		fputs("\033[K", stdout);
	putchar('\n');
}

static size_t count_lines(const char *text, size_t len)
{
	size_t n = 0;

	while (len--)
		n += text[len] == '\n';
	return n;
}

/*
 * Lines take the place of those that are there, so that nothing flickers. What does not
 * fit is counted. False if nobody can see it.
 */
bool watch_draw(const char *text, size_t len)
{
	size_t lines = count_lines(text, len), room, i, part;
	unsigned int rows, columns;

	screen_size(&rows, &columns);
	/* The cursor needs one, too. */
	room = lines < rows ? lines : rows > 2 ? rows - 2 : 0;
	fputs("\033[H", stdout);
	for (i = 0; i < room; i++) {
		part = strcspn(text, "\n");
		draw_line(text, part, columns);
		text += part + 1;
	}
	if (room < lines)
		printf("... and %zu lines more\033[K\n", lines - room);
	fputs("\033[J", stdout);
	return !fflush(stdout);
}
