# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# nginx serves and forwards HTTP, TCP and UDP. It registers descriptors (EVFILT_READ and
# EVFILT_WRITE, with EV_CLEAR and NOTE_LOWAT), collects changes until it waits, has its
# threads report with EVFILT_USER, and its clock tick with EVFILT_TIMER.
#
# It comes without tests; ../nginx/test has some, and load for it.

package=nginx
variants='kqueue epoll'
build_packages='libssl-dev make'
guest_packages='coreutils curl dash diffutils findutils grep libssl3 netcat-openbsd
	openssl procps sed wrk'

# build OPTION...: the same features both ways.
build() {
	cp "$programs"/http.* .. &&
		./configure --with-threads --with-stream --with-http_ssl_module \
			--with-http_v2_module --with-http_dav_module \
			--with-http_stub_status_module --without-http_rewrite_module \
			--without-http_gzip_module "$@" &&
		make && strip -o nginx objs/nginx && rm -r auto contrib objs src
}

# configure finds out by itself whether timers work, if /dev/kevent is there.
build_kqueue() {
	build --with-cc-opt="$kevent_port_cppflags -DNGX_HAVE_TIMER_EVENT=1" \
		--with-ld-opt="$kevent_libs"
}

build_epoll() {
	build
}
