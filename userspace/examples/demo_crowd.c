// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: the visitors. One process for each client, and one that writes a log.
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int log_line(char *buf, size_t size, int n)
{
	return snprintf(buf, size, "line %d of %d, from process next door\n",
			n, LOG_LINES);
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

/* The life of a client. Returns its exit status. */
static int be_client(int id, const struct sockaddr_in *server, int gate)
{
	static unsigned char out[HEAVY_SIZE], in[HEAVY_SIZE];
	int fd = connect_to(server, is_heavy(id));
	size_t size = round_size(id);
	int round;

	if (fd < 0) {
		warn("client %d: cannot connect", id);
		return 1;
	}
	/* Nobody writes to the gate: it ends when all clients are there. */
	if (read(gate, in, 1) != 0) {
		warnx("client %d: the gate did not open", id);
		return 1;
	}
	for (round = 0; round < ROUNDS; round++) {
		fill(out, size, id, round);
		if (!write_all(fd, out, size) || !read_all(fd, in, size)) {
			warn("client %d: round %d broke off", id, round);
			return 1;
		}
		if (memcmp(in, out, size) != 0) {
			warnx("client %d: round %d: the echo differs", id,
			      round);
			return 1;
		}
	}
	return close(fd) ? 1 : 0;
}

/* Returns the exit status of the logger. */
static int be_logger(int log)
{
	const struct timespec pause = { .tv_nsec = LOG_PAUSE_MS * 1000000L };
	char line[80];
	int n;

	for (n = 1; n <= LOG_LINES; n++) {
		if (!write_all(log, line, log_line(line, sizeof(line), n))) {
			warn("logger");
			return 1;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* fork(), which must not fail; the child does not outlive the time limit. */
static pid_t start_process(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "cannot start a process");
	if (pid == 0)
		alarm(TIME_LIMIT_S);
	return pid;
}

/* Wait for the children there are. Returns how many failed, 255 at most. */
static int count_failed(void)
{
	int status, failed = 0;

	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			failed++;
	return failed < 255 ? failed : 255;
}

static int all_clients(const struct sockaddr_in *server, int gate)
{
	int id;

	for (id = 0; id < CLIENTS; id++)
		if (start_process() == 0)
			_exit(be_client(id, server, gate));
	return count_failed();
}

struct crowd crowd_start(const struct sockaddr_in *server, int gate, int log,
			 const int *close_fds)
{
	struct crowd crowd;
	const int *fd;

	crowd.clients = start_process();
	if (crowd.clients == 0) {
		for (fd = close_fds; *fd >= 0; fd++)
			close(*fd);
		_exit(all_clients(server, gate));
	}
	crowd.logger = start_process();
	if (crowd.logger == 0) {
		for (fd = close_fds; *fd >= 0; fd++)
			close(*fd);
		_exit(be_logger(log));
	}
	return crowd;
}

static unsigned int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

unsigned int crowd_wait(const struct crowd *crowd)
{
	return wait_for(crowd->clients) + wait_for(crowd->logger);
}
