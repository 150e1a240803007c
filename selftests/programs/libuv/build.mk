# SPDX-License-Identifier: BSD-2-Clause
#
# In libuv's source: builds its tests and benchmarks as its CMakeLists.txt does, or with
# PORT, our folder of that name, with kqueue.c in place of epoll.c and linux-inotify.c.
# KEVENT_CPPFLAGS and KEVENT_LIBS are needed then.

CFLAGS := -O2
CPPFLAGS := $(if $(PORT),-I$(PORT)) -Iinclude -Isrc -Itest $(KEVENT_CPPFLAGS) \
	-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_LARGEFILE_SOURCE

unix := async core dl fs getaddrinfo getnameinfo linux-core linux-syscalls loop \
	loop-watcher pipe poll process procfs-exepath proctitle random-devurandom \
	random-getrandom random-sysctl-linux signal stream tcp thread tty udp
ifdef PORT
unix += kqueue
else
unix += epoll linux-inotify
endif

library := $(patsubst %.c,%.o,$(wildcard src/*.c)) $(unix:%=src/unix/%.o) \
	$(if $(PORT),inotify.o)
runner := $(addprefix test/,runner.o runner-unix.o echo-server.o blackhole-server.o)
tests := $(patsubst %.c,%.o,$(wildcard test/test-*.c))
benchmarks := $(patsubst %.c,%.o,$(wildcard test/benchmark-*.c))

all: uv_run_tests uv_run_benchmarks

uv_run_tests: test/run-tests.o $(tests)
uv_run_benchmarks: test/run-benchmarks.o $(benchmarks)

uv_run_tests uv_run_benchmarks: $(runner) libuv.a
	$(CC) -o $@ $(filter %.o,$^) libuv.a $(KEVENT_LIBS) -lpthread -ldl -lrt -lutil

libuv.a: $(library)
	$(AR) rcs $@ $^

ifdef PORT
# A queue is what a loop waits with.
src/unix/linux-core.o: CPPFLAGS += -Duv__epoll_init=uv__kqueue_init
# Of both files' functions for a fork, the other one closes what it has inherited.
src/unix/kqueue.o: CPPFLAGS += -Duv__io_fork=uv__bsd_io_fork
# Out-of-band data: what the filter is called on a Mac is not its name here.
src/unix/kqueue.o: CPPFLAGS += -DEV_OOBAND=EVFILT_EXCEPT
# This is where it decides for EVFILT_PROC instead of SIGCHLD.
src/unix/process.o: CPPFLAGS += -D__OpenBSD__

test/test-fs-event.o test/test-fork.o: CPPFLAGS += -include test-bsd.h
# Here directories can be polled, as there.
test/test-poll.o: CPPFLAGS += -D__FreeBSD_kernel__

inotify.o: $(PORT)/inotify.c
	$(CC) $(CFLAGS) -c -o $@ $<
endif

%.o: %.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
