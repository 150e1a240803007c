# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# redis: its server and its benchmark wait in a queue on a BSD, with epoll on Linux. Its
# config.h asks for the system's name, and epoll goes first: a header that is included
# before everything else chooses otherwise.

package=redis
variants='kqueue epoll'
guest_packages='coreutils dash findutils gawk grep libc-bin libc6 libtcl8.6 procps sed
	tcl8.6'
limit=1500

# Leave what the tests need.
trim() {
	find . -name '*.[aod]' -delete && rm -r deps src/*.[ch] &&
		find src -type f -name 'redis-*' -perm -100 ! -name '*.*' \
			-exec strip {} +
}

# The library comes before what needs it, which some linkers then leave out.
build_kqueue() {
	printf '%s\n' '#include "fmacros.h"' '#include "config.h"' '#undef HAVE_EPOLL' \
		'#define HAVE_KQUEUE 1' >src/choose-kqueue.h
	make MALLOC=libc REDIS_CFLAGS="-include choose-kqueue.h $kevent_cppflags" \
		REDIS_LDFLAGS="-Wl,--no-as-needed $kevent_libs" && trim
}

build_epoll() {
	make MALLOC=libc && trim
}
