# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# entr runs a command when files change: it watches files and folders (EVFILT_VNODE)
# and its terminal (EVFILT_READ). On Linux it comes with kevent() made of inotify; here
# it is built as on a BSD. Both are tested: what fails both ways is not ours.

package=entr
variants='kqueue inotify'
guest_packages='bash bsdutils coreutils dash file findutils gawk git grep libc-bin
	libc6-dev ncurses-base netcat-openbsd original-awk procps sed tmux vim-tiny'

build_kqueue() {
	# BSDs have it in <string.h>, and glibc since 2.38.
	printf '%s\n' '#include <stddef.h>' \
		'size_t strlcpy(char *, const char *, size_t);' >strlcpy.h
	make -f Makefile.bsd EXTRA_SRC=missing/strlcpy.c LDFLAGS="$kevent_libs" \
		CPPFLAGS="$kevent_cppflags -D_GNU_SOURCE -include strlcpy.h" entr
}

build_inotify() {
	./configure && make entr
}
