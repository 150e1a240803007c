# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# Dovecot is a mail server of many processes. Each has a loop that waits for descriptors
# (EVFILT_READ, EVFILT_WRITE), and who looks at a mailbox waits for changes of its files
# and folders (EVFILT_VNODE, in a queue of its own, which the loop's queue watches).
# Where there are both, it prefers epoll and inotify.

package=dovecot
variants='kqueue epoll'
limit=1200
guest_packages='coreutils dash findutils gawk grep libc6 libcrypt1 procps python3 sed'

build_kqueue() {
	build_dovecot --with-ioloop=kqueue --with-notify=kqueue \
		CPPFLAGS="$kevent_cppflags" LIBS="$kevent_libs"
}

build_epoll() {
	build_dovecot --with-ioloop=epoll --with-notify=inotify
}

# What it takes from other libraries has nothing to do with how it waits.
build_dovecot() {
	folder=/programs/${PWD##*/}/server
	for library in ssl pam nss libunwind stemmer textcat icu sodium zlib bzlib lzma lz4 \
		zstd libcap systemd lua docs; do
		set -- "$@" "--without-$library"
	done
	./configure --prefix="$folder" "$@" && make && install_server && keep_tests &&
		keep_only server src suite client.py
}

# Headers, static libraries and documentation are nothing to a guest.
install_server() {
	make install DESTDIR="$PWD/installed" && mv "installed$folder" server &&
		rm -rf server/include server/share &&
		find server \( -name '*.a' -o -name '*.la' \) -delete
}

# The file suite gets a line for each of the programs that its "make check" runs:
# "FOLDER PROGRAM", and what else is in the environment, or MATCH=PART.
keep_tests() {
	cp "$programs/dovecot/client.py" . &&
		cat >record <<-END || return 1
		#!/bin/sh
		echo "\${PWD#$PWD/} \${1#./} \${NOCHILDREN:+NOCHILDREN=\$NOCHILDREN}" >>$PWD/suite
		END
	chmod +x record && make check RUN_TEST="$PWD/record" &&
		find src -type f \( -name '*.[acho]' -o -name '*.l[ao]' -o -name 'Makefile*' \) \
			-delete && find server src -type f -perm -100 -exec strip {} + 2>/dev/null
	[ -s suite ] && choose_tests
}

# Left out are tests whose children go on with the queue of their parent, and one that
# passes its queue to another process: kqueue lets nobody do that. Those of the folder
# lib are in one program, which takes parts of names; what does not wait there takes
# most of an hour.
choose_tests() {
	for name in smtp-submit auth-client master-login-auth imap-client-hibernate; do
		sed -i "/ test-$name /d" suite || return 1
	done
	sed -i '/^src\/master test-auth-master /d; /^src\/lib test-lib /d' suite &&
		for part in ioloop connection signals iostream istream ostream; do
			echo "src/lib test-lib MATCH=$part" >>suite
		done
}

# keep_only NAME...: the guest has all its files in memory.
keep_only() {
	mkdir .kept && mv "$@" .kept &&
		find . -mindepth 1 -maxdepth 1 ! -name .kept -exec rm -r {} + &&
		mv .kept/* . && rmdir .kept
}
