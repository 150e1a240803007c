# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# ZeroMQ sends messages between threads, processes and machines. Threads of its own wait
# for sockets and eventfds (EVFILT_READ, EVFILT_WRITE). Where there are both, it prefers
# kqueue to epoll.

package=zeromq3
variants='kqueue epoll'
build_packages='autoconf automake g++ libtool pkg-config'
guest_packages='coreutils dash findutils gawk grep libc6 libstdc++6 sed'

build_kqueue() {
	build_zeromq --with-poller=kqueue CPPFLAGS="$kevent_cppflags" LIBS="$kevent_archive"
}

build_epoll() {
	build_zeromq --with-poller=epoll
}

# With what is still a draft, which has tests as well. Each test has the whole library in
# it: some know its inner parts.
build_zeromq() {
	./autogen.sh && ./configure --enable-drafts --disable-shared --disable-Werror \
		--without-docs --disable-libbsd --disable-libunwind "$@" &&
		make && make check TESTS= && build_load && keep_programs
}

# The program that measures is ours: those that come with it look at sizes only.
build_load() {
	cc -O2 -Wall -Wextra -Werror -Iinclude -o perf/load "$programs/zeromq/load.c" \
		src/.libs/libzmq.a -lstdc++ -lpthread -lm "$kevent_archive"
}

# The guest has all its files in memory.
keep_programs() {
	mkdir .kept && find perf tests unittests -type f -perm -100 ! -name '*.??' \
		-exec cp --parents -t .kept {} + &&
		find .kept -type f -exec strip {} + &&
		find . -mindepth 1 -maxdepth 1 ! -name .kept -exec rm -r {} + &&
		mv .kept/* . && rmdir .kept
}
