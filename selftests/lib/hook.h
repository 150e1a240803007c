/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the tests of the hook on closing: the module anew, descriptors, what the
 * kernel's log says, tracers of our own.
 */
#ifndef KEVENT_SELFTESTS_HOOK_H
#define KEVENT_SELFTESTS_HOOK_H

#include <sys/eventfd.h>

#include "module.h"
#include "peers.h"

#define INSTANCE	"/sys/kernel/tracing/instances/kevent_hook"

/* What the kernel's log says of a hook that does not work. */
#define REFUSED		"descriptors are refused"
#define MISSED		"was not called"

struct files {
	const char *ko;
	int log;	/* the kernel's, from where the test began */
	int fd[2];	/* a pipe */
	int other;	/* an eventfd */
};

static inline bool files_open(struct files *f)
{
	f->ko = getenv("KEVENT_KO");
	f->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	f->other = eventfd(1, EFD_CLOEXEC);
	return f->log >= 0 && lseek(f->log, 0, SEEK_END) >= 0 &&
	       !pipe2(f->fd, O_CLOEXEC | O_NONBLOCK) && f->other >= 0 &&
	       !module_unload("kevent");
}

/* The module as it was. */
static inline bool files_close(struct files *f)
{
	if (module_loaded("kevent") && module_unload("kevent"))
		return false;
	return f->ko && !module_load(f->ko, "");
}

/* How many of our messages have come since the last call, with the text. */
static inline int log_count(struct files *f, const char *text)
{
	char line[8192];
	ssize_t len;
	int n = 0;

	while ((len = read(f->log, line, sizeof(line) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		line[len > 0 ? len : 0] = '\0';
		n += strstr(line, ";kevent: ") && strstr(line, text);
	}
	return n;
}

/* Does the kernel proper have the function? */
static inline bool has_function(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], symbol[256], module[64];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*s %255s %63s", symbol, module) == 1 &&
			!strcmp(symbol, name);
	if (f)
		fclose(f);
	return found;
}

/* A duplicate does not keep the knote. */
static inline bool follows_closing(int kq, int fd)
{
	int number = dup(fd);

	return !kq_set(kq, number, EVFILT_READ, EV_ADD) &&
	       fdinfo_knotes(kq) == 1 && !close(number) && !fdinfo_knotes(kq);
}

static inline bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(text);
	bool ok = fd >= 0 && write(fd, text, len) == len;

	close(fd);
	return ok;
}

#endif /* KEVENT_SELFTESTS_HOOK_H */
