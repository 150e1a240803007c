# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# libevent waits for descriptors (EVFILT_READ, EVFILT_WRITE, with EV_CLEAR where asked
# for), signals (EVFILT_SIGNAL) and what other threads want (EVFILT_USER), and hands
# over all its changes with the call that waits. On Linux it uses epoll; here it is
# built as on a BSD. Both are tested: what fails both ways is not ours.

package=libevent
variants='kqueue epoll'
build_packages='cmake gcc libc6-dev libssl-dev make pkg-config zlib1g-dev'
guest_packages='coreutils dash grep libc-bin libpython3.11-minimal libssl3
	python3-minimal sed zlib1g'
limit=1500

# Its tests only, as they lie in the source, without what compiling leaves.
make_tests() {
	# All of the same age, or make would make anew what was released as it is.
	find . -type f -exec touch -r configure {} + &&
		./configure --disable-shared "$@" &&
		make && find . -type f ! -path './test/*' -delete &&
		find test -name '*.o' -delete &&
		find test -type f -perm /111 -size +100k -exec strip {} +
}

# It can be built with CMake as well: that must find kqueue, too.
make_with_cmake() {
	cmake -S . -B cmake-build -DEVENT__DISABLE_TESTS=ON -DEVENT__LIBRARY_TYPE=STATIC \
		-DEVENT__HAVE_WORKING_KQUEUE=1 -DCMAKE_C_FLAGS="$kevent_port_cppflags" \
		-DCMAKE_REQUIRED_LIBRARIES="$kevent_libs" \
		-DCMAKE_C_STANDARD_LIBRARIES="$kevent_libs" &&
		make -C cmake-build && nm cmake-build/lib/libevent_core.a | grep kqops &&
		rm -r cmake-build
}

build_kqueue() {
	make_with_cmake || return 1
	# Whether kqueue works, configure finds out by using it, here, where it is not.
	make_tests ac_cv_func_kqueue=yes LIBS="$kevent_libs" \
		CPPFLAGS="$kevent_port_cppflags -DEVENT__HAVE_WORKING_KQUEUE=1"
}

build_epoll() {
	make_tests
}
