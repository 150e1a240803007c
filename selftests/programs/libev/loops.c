// SPDX-License-Identifier: BSD-2-Clause
/*
 * usage: loops kqueue|epoll
 *
 * Tests of libev with that backend, of which it has none itself, and a load; prints
 * KTAP. Each test is a process of its own.
 */
#include "loops.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT	120	/* seconds for a test */

unsigned int backend;

void give_up(const char *file, int line, const char *what)
{
	fprintf(stderr, "# %s:%d: not so: %s (%m)\n", file, line, what);
	_exit(1);
}

/* --- Loops ------------------------------------------------------------- */

static bool leads_to(int dir, const char *name, const char *what)
{
	char path[64];
	ssize_t n = readlinkat(dir, name, path, sizeof(path) - 1);

	if (n < 0)
		return false;
	path[n] = 0;
	return !strcmp(path, what);
}

bool has_open(unsigned int which)
{
	const char *what = which == EVBACKEND_KQUEUE ? "/dev/kevent" :
			   "anon_inode:[eventpoll]";
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *entry;
	bool found = false;

	expect(fds);
	while ((entry = readdir(fds)))
		found = found || leads_to(dirfd(fds), entry->d_name, what);
	closedir(fds);
	return found;
}

static struct ev_loop *checked(struct ev_loop *loop)
{
	expect(loop);
	expect(ev_backend(loop) == backend);
	expect(has_open(EVBACKEND_KQUEUE) == (backend == EVBACKEND_KQUEUE));
	expect(has_open(EVBACKEND_EPOLL) == (backend == EVBACKEND_EPOLL));
	return loop;
}

struct ev_loop *open_loop(void)
{
	return checked(ev_loop_new(backend | EVFLAG_NOENV));
}

struct ev_loop *open_default_loop(void)
{
	return checked(ev_default_loop(backend | EVFLAG_NOENV));
}

/* --- Bytes ------------------------------------------------------------- */

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void stream_init(struct stream *s, unsigned int number, size_t length)
{
	s->state = (number + 1) * 0x9e3779b97f4a7c15;
	s->left = length;
}

void stream_make(struct stream *s, unsigned char *bytes, size_t n)
{
	expect(n <= s->left);
	s->left -= n;
	while (n--)
		*bytes++ = next(&s->state) >> 32;
}

bool stream_check(struct stream *s, const unsigned char *bytes, size_t n)
{
	if (n > s->left)
		return false;
	s->left -= n;
	while (n--)
		if (*bytes++ != (unsigned char)(next(&s->state) >> 32))
			return false;
	return true;
}

unsigned int draw(unsigned int below)
{
	static uint64_t state = 1;

	return (next(&state) >> 32) % below;
}

/* --- Sockets ----------------------------------------------------------- */

void tcp_pair(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(addr);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	expect(l >= 0);
	expect(!bind(l, (struct sockaddr *)&addr, size));
	expect(!listen(l, 1));
	expect(!getsockname(l, (struct sockaddr *)&addr, &size));
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	expect(fds[0] >= 0);
	connect(fds[0], (struct sockaddr *)&addr, size);
	fds[1] = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	expect(fds[1] >= 0);
	close(l);
}

void close_all(int *fds, int n)
{
	while (n--)
		close(*fds++);
}

/* --- Tests ------------------------------------------------------------- */

static bool passes(void (*run)(void))
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	expect(pid >= 0);
	if (!pid) {
		alarm(LIMIT);
		run();
		fflush(stdout);
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	return !status;
}

static int run_all(const struct test *test, int *number)
{
	int failed = 0;
	bool ok;

	for (; test->name; test++) {
		ok = passes(test->run);
		failed += !ok;
		printf("%s %d loops.%s\n", ok ? "ok" : "not ok", ++*number, test->name);
	}
	return failed;
}

static int count(const struct test *test)
{
	int n = 0;

	while (test[n].name)
		n++;
	return n;
}

int main(int argc, char **argv)
{
	static const struct test last[] = { { "load", load }, { } };
	int failed, number = 0;

	if (argc == 2 && !strcmp(argv[1], "kqueue"))
		backend = EVBACKEND_KQUEUE;
	else if (argc == 2 && !strcmp(argv[1], "epoll"))
		backend = EVBACKEND_EPOLL;
	else
		return 2;
	printf("1..%d\n", count(descriptor_tests) + count(loop_tests) + count(last));
	failed = run_all(descriptor_tests, &number);
	failed += run_all(loop_tests, &number);
	failed += run_all(last, &number);
	return failed > 0;
}
