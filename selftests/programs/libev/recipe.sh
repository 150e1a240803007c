# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# libev waits for descriptors (EVFILT_READ, EVFILT_WRITE), whose changes it hands over
# with the call that waits; timers, signals, children and threads it makes of those. A
# program has to ask for its kqueue, which it offers on all systems but NetBSD only then.
# It has no tests: there are some here, and those of its binding for Perl, EV, which
# has a copy of libev in its source.

package=libev
variants='kqueue epoll'
build_packages='gcc libc6-dev libcanary-stability-perl libcommon-sense-perl libperl-dev
	make perl'
guest_packages='coreutils dash grep libc-bin libcommon-sense-perl perl sed'

# make_loops FLAGS LIBRARY: libev, and in the folder above our tests with it.
make_loops() {
	find . -type f -exec touch -r configure {} + &&
		./configure --disable-shared CPPFLAGS="$1" LIBS="$2" && make &&
		gcc -O2 -D_GNU_SOURCE -Wall -Wextra -Werror -fno-strict-aliasing -I. \
			"$programs"/libev/*.c .libs/libev.a ${2:+"$2"} -lm -o loops
}

# make_perl FLAGS ARGUMENT...: EV, in a folder of its own.
make_perl() {
	source=$("$programs/fetch" source libev-perl) || return 1
	flags=$1
	shift
	cp -r "$source" EV && cd EV &&
		PERL_MM_USE_DEFAULT=1 perl Makefile.PL INC="-Ilibev $flags" "$@" &&
		make && find . -type f ! -path './t/*' ! -path './blib/*' -delete
}

build_kqueue() {
	make_loops "$kevent_cppflags" "$kevent_archive" &&
		EV_KQUEUE=1 make_perl "$kevent_cppflags" MYEXTLIB="$kevent_archive"
}

build_epoll() {
	make_loops '' '' && make_perl ''
}
