// SPDX-License-Identifier: BSD-2-Clause
/*
 * usage: load
 *
 * Measures ZeroMQ: threads send messages to a server over TCP, which sends them
 * back, and check each byte of what they get. Each keeps some messages on their
 * way at a time. Prints how many made the round trip in a second.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zmq.h>

#define CLIENTS		4
#define MESSAGES	2500	/* of each client */
#define UNDERWAY	16	/* at a time */
#define LARGEST		20000	/* bytes */

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "load: %s: %s\n", what, zmq_strerror(zmq_errno()));
	exit(1);
}

/* Fill @text with the message @number of @client. Returns how long it is. */
static size_t make_message(unsigned char *text, unsigned int client, unsigned int number)
{
	unsigned int state = client * 1000003 + number * 7919 + 1;
	/* Many are small, a few do not fit into one packet or one buffer. */
	size_t size = number % 8 ? state % 200 : state % LARGEST;

	for (size_t i = 0; i < size; i++) {
		state = state * 1664525 + 1013904223;
		text[i] = state >> 24;
	}
	return size;
}

static void *new_socket(void *context, int type)
{
	void *socket = zmq_socket(context, type);
	int seconds60 = 60000;

	check(!!socket, "zmq_socket");
	check(!zmq_setsockopt(socket, ZMQ_RCVTIMEO, &seconds60,
			      sizeof(seconds60)), "ZMQ_RCVTIMEO");
	return socket;
}

/* Send back what comes, each to whom it came from. */
static void *serve(void *socket)
{
	for (int i = 0; i < CLIENTS * MESSAGES; i++) {
		zmq_msg_t from, text;

		zmq_msg_init(&from);
		zmq_msg_init(&text);
		check(zmq_msg_recv(&from, socket, 0) >= 0 &&
		      zmq_msg_recv(&text, socket, 0) >= 0, "server: receive");
		check(zmq_msg_send(&from, socket, ZMQ_SNDMORE) >= 0 &&
		      zmq_msg_send(&text, socket, 0) >= 0, "server: send");
	}
	return NULL;
}

struct client {
	pthread_t thread;
	void *socket;
	unsigned int number;
};

static void receive_one(struct client *client, unsigned int number)
{
	unsigned char expected[LARGEST], got[LARGEST];
	size_t size = make_message(expected, client->number, number);
	int received = zmq_recv(client->socket, got, sizeof(got), 0);

	check(received >= 0, "client: receive");
	if ((size_t)received == size && !memcmp(got, expected, size))
		return;
	fprintf(stderr, "load: client %u: message %u came back otherwise\n",
		client->number, number);
	exit(1);
}

static void *ask(void *arg)
{
	struct client *client = arg;
	unsigned char text[LARGEST];

	for (unsigned int i = 0; i < MESSAGES + UNDERWAY; i++) {
		if (i < MESSAGES) {
			size_t size = make_message(text, client->number, i);

			check(zmq_send(client->socket, text, size, 0) >= 0,
			      "client: send");
		}
		if (i >= UNDERWAY)
			receive_one(client, i - UNDERWAY);
	}
	return NULL;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(void)
{
	/* Two contexts, as if they were two processes: no short cuts. */
	void *here = zmq_ctx_new(), *there = zmq_ctx_new();
	void *server = new_socket(there, ZMQ_ROUTER);
	struct client clients[CLIENTS];
	char address[100];
	size_t size = sizeof(address);
	pthread_t thread;
	double begin;

	check(!zmq_bind(server, "tcp://127.0.0.1:*"), "zmq_bind");
	check(!zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, address, &size),
	      "ZMQ_LAST_ENDPOINT");
	begin = now();
	check(!pthread_create(&thread, NULL, serve, server), "pthread_create");
	for (int i = 0; i < CLIENTS; i++) {
		clients[i].number = i;
		clients[i].socket = new_socket(here, ZMQ_DEALER);
		check(!zmq_connect(clients[i].socket, address), "zmq_connect");
		check(!pthread_create(&clients[i].thread, NULL, ask, &clients[i]),
		      "pthread_create");
	}
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i].thread, NULL);
	pthread_join(thread, NULL);
	printf("load: %.1f round-trips/s\n", CLIENTS * MESSAGES / (now() - begin));
	for (int i = 0; i < CLIENTS; i++)
		zmq_close(clients[i].socket);
	zmq_close(server);
	zmq_ctx_term(here);
	zmq_ctx_term(there);
	return 0;
}
