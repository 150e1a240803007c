/* SPDX-License-Identifier: BSD-2-Clause */
/* demo: what the server (demo.c) and its visitors (demo_crowd.c) agree on. */
#ifndef DEMO_H
#define DEMO_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The compiler compares a format with its arguments. */
#define __printf(a, b)	__attribute__((__format__(__printf__, a, b)))

#define CLIENTS		500
#define LOG_LINES	40
#define LOG_PAUSE_MS	100	/* between two lines of the log */
#define TIME_LIMIT_S	60	/* nothing here takes that long */

/* Few clients send much, and read nothing before they have sent it all. */
#define ROUNDS		5
#define HEAVY_EVERY	10
#define HEAVY_SIZE	32768
#define HEAVY_RCVBUF	4096
#define SERVER_SNDBUF	8192

/**
 * struct crowd - the processes around the server
 * @clients: the one that forks a process for each client
 * @logger: the one that appends to the log
 */
struct crowd {
	pid_t clients;
	pid_t logger;
};

/* Bytes that a client sends in all its rounds. */
size_t client_bytes(int id);

/* Line @n, from 1, of the log, with its newline. Returns its length. */
int log_line(char *buf, size_t size, int n);

/*
 * Start them all. They connect to @server, wait until @gate (a pipe) reports
 * its end, and append to @log. @close_fds, ended by -1, are the server's own.
 */
struct crowd crowd_start(const struct sockaddr_in *server, int gate, int log,
			 const int *close_fds);

/* Wait until all are gone. Returns how many failed. */
unsigned int crowd_wait(const struct crowd *crowd);

#endif /* DEMO_H */
