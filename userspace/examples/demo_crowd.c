// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: the crowd. One process for each client, their parent, and another program,
 * which writes a log.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"

static bool is_heavy(int id)
{
	return id % HEAVY_EVERY == 0;
}

static size_t round_size(int id)
{
	return is_heavy(id) ? HEAVY_SIZE : 100 + id * 37 % 1900;
}

size_t client_bytes(int id)
{
	return ROUNDS * round_size(id);
}

int tail_line(char *buf, size_t size, int n)
{
	return snprintf(buf, size, "line %d of %d, from the process next door\n",
			n, TAIL_LINES);
}

/* Bytes that no other client and no other round has in this order. */
static void fill(unsigned char *buf, size_t size, int id, int round)
{
	unsigned int x = id * ROUNDS + round + 1;
	size_t i;

	for (i = 0; i < size; i++) {
		x = x * 1664525 + 1013904223;
		buf[i] = x >> 24;
	}
}

static bool write_all(int fd, const void *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, (const char *)buf + done, size - done);

		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

static bool read_all(int fd, void *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)buf + done, size - done);

		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

static int connect_to(const struct sockaddr_in *server, bool heavy)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int rcvbuf = HEAVY_RCVBUF;

	if (fd < 0 ||
	    (heavy && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf,
				 sizeof(rcvbuf))) ||
	    connect(fd, (const struct sockaddr *)server, sizeof(*server)))
		return -1;
	return fd;
}

/* Returns the status for the greeting that the server has, a line. */
static int hear_greeting(int fd)
{
	char line[sizeof(settings.greeting)];
	size_t len = 0;

	while (len < sizeof(line) && read_all(fd, line + len, 1) &&
	       line[len] != '\n')
		len++;
	if (len == sizeof(line))
		return FAILED;
	line[len] = '\0';
	if (!strcmp(line, first_settings.greeting))
		return HEARD_FIRST;
	return strcmp(line, second_settings.greeting) ? FAILED : HEARD_SECOND;
}

/* Send and get back as much as there is to, and compare. */
static bool talk(int fd, int id)
{
	static unsigned char out[HEAVY_SIZE], in[HEAVY_SIZE];
	size_t size = round_size(id);
	int round;

	for (round = 0; round < ROUNDS; round++) {
		fill(out, size, id, round);
		if (!write_all(fd, out, size) || !read_all(fd, in, size)) {
			warn("client %d: round %d broke off", id, round);
			return false;
		}
		if (memcmp(in, out, size) != 0) {
			warnx("client %d: round %d: the echo differs", id,
			      round);
			return false;
		}
	}
	return true;
}

/* The server has the last word. */
static bool hear_goodbye(int fd)
{
	char buf[sizeof(GOODBYE)] = "";

	return read_all(fd, buf, sizeof(GOODBYE) - 1) && !strcmp(buf, GOODBYE) &&
	       read(fd, buf, 1) == 0;
}

/* The life of a client. Returns its exit status. */
static int be_client(int id, const struct sockaddr_in *server, int gate)
{
	int fd = connect_to(server, is_heavy(id)), status;
	char byte;

	if (fd < 0) {
		warn("client %d: cannot connect", id);
		return FAILED;
	}
	status = hear_greeting(fd);
	if (status == FAILED) {
		warnx("client %d: was not greeted", id);
		return FAILED;
	}
	/* Nobody writes to the gate: it ends when all clients are there. */
	if (read(gate, &byte, 1) != 0) {
		warnx("client %d: the gate did not open", id);
		return FAILED;
	}
	if (!talk(fd, id))
		return FAILED;
	if (is_heavy(id) && !hear_goodbye(fd)) {
		warnx("client %d: no goodbye", id);
		return FAILED;
	}
	return close(fd) ? FAILED : status;
}

int be_clients(const struct scene *scene, int gate)
{
	int id, ended = 0;
	pid_t pid;

	for (id = 0; id < CLIENTS; id++) {
		pid = fork();
		if (pid < 0)
			err(FAILED, "cannot start a process");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(be_client(id, &scene->address, gate));
		}
	}
	while (wait(NULL) > 0)
		ended++;
	return ended == CLIENTS ? DONE : FAILED;
}

int be_other_program(const struct scene *scene, int unused)
{
	const struct timespec pause = { .tv_nsec = TAIL_PAUSE_MS * 1000000L };
	int fd = open(TAIL_FILE, O_WRONLY | O_APPEND | O_CLOEXEC);
	char line[80];
	int n;

	(void)scene;
	(void)unused;
	if (fd < 0)
		err(FAILED, "%s", TAIL_FILE);
	for (n = 1; n <= TAIL_LINES; n++) {
		if (!write_all(fd, line, tail_line(line, sizeof(line), n)))
			err(FAILED, "%s", TAIL_FILE);
		nanosleep(&pause, NULL);
	}
	return DONE;
}
