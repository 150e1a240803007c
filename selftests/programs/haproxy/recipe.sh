# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# haproxy forwards HTTP and TCP. Each of its threads has a queue, in which it registers
# descriptors (EVFILT_READ and EVFILT_WRITE, level-triggered), and after a fork a new one.
#
# Its own tests, reg-tests, are for vtest, which is not packaged. varnishtest, of which
# that is made, runs them; the package wants a compiler.

package=haproxy
variants='kqueue epoll'
build_packages='libssl-dev make'
guest_packages='coreutils curl dash diffutils findutils grep libssl3 netcat-openbsd nginx
	openssl procps sed socat varnish wrk'
limit=1200

# build VARIABLE...: the same features both ways.
build() {
	cp "$programs"/http.* "$programs/haproxy/reg-tests.sh" .. &&
		make TARGET=linux-glibc USE_OPENSSL=1 "$@" haproxy &&
		strip haproxy && rm -r addons admin dev doc examples include src tests
}

build_kqueue() {
	build USE_EPOLL= USE_KQUEUE=1 ADDINC="$kevent_cppflags" ADDLIB="$kevent_libs"
}

build_epoll() {
	build
}
