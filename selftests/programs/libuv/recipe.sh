# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# libuv waits for descriptors (EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT), children
# (EVFILT_PROC) and changes of files (EVFILT_VNODE). Its kqueue.c is for BSDs, while
# what it knows about Linux is in files of its own: build.mk says how they go together.

package=libuv1
variants='kqueue epoll'
build_packages='gcc libc6-dev make'
guest_packages='bsdutils coreutils dash grep libc-bin sed util-linux'
limit=1500

# What the tests need to run: they read some files of the source.
make_tests() {
	make -f "$programs/libuv/build.mk" "$@" &&
		find . -type f -name '*.o' -delete && strip uv_run_*
}

build_kqueue() {
	make_tests PORT="$programs/libuv/port" KEVENT_CPPFLAGS="$kevent_cppflags" \
		KEVENT_LIBS="$kevent_archive"
}

build_epoll() {
	make_tests
}
