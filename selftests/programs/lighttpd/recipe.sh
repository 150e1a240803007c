# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# lighttpd serves HTTP. It registers descriptors (EVFILT_READ and EVFILT_WRITE,
# level-triggered), and watches the folders that it serves (EVFILT_VNODE) by a second
# queue, which it registers in the first.

package=lighttpd
variants='kqueue epoll'
build_packages='libpcre2-dev libssl-dev make zlib1g-dev'
guest_packages='coreutils curl dash diffutils findutils grep libpcre2-8-0 libssl3
	netcat-openbsd openssl perl procps sed wrk zlib1g'
limit=1200

# as_made: what was made of other files is newer than they are, as it was where they come
# from. Otherwise make would make it anew, with programs that need not be here.
as_made() {
	touch aclocal.m4 && touch configure config.h.in &&
		find . -name Makefile.in -exec touch {} +
}

# build OPTION...: the same features both ways. Its tests need to lie beside it.
build() {
	cp "$programs"/http.* .. && as_made &&
		./configure --with-openssl "$@" && make &&
		make -C tests fcgi-responder scgi-responder &&
		find src tests -name '*.o' -exec rm {} + &&
		strip src/lighttpd src/.libs/*.so && rm -r doc scripts src/*.[ch]
}

# It prefers what Linux has, where it finds that: epoll, which a setting overrides, and
# inotify, which nothing does.
build_kqueue() {
	build CPPFLAGS="$kevent_cppflags" LIBS="$kevent_libs" \
		ac_cv_header_sys_epoll_h=no ac_cv_header_sys_inotify_h=no
}

build_epoll() {
	build
}
