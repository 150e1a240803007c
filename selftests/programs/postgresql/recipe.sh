# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# PostgreSQL is many processes. Each waits for its client (EVFILT_READ, EVFILT_WRITE),
# for others to wake it with a signal (EVFILT_SIGNAL), and for the end of the first
# process (EVFILT_PROC). Where there are both, it prefers epoll, with signalfd and a
# pipe.

package=postgresql-15
variants='kqueue epoll'
limit=1800
guest_packages='coreutils dash diffutils gawk grep libc-bin libc6 procps sed util-linux'

# What the server and its tests need, in the order in which it can be built.
parts='common port backend backend/utils/mb/conversion_procs backend/snowball
	backend/replication/libpqwalreceiver backend/replication/pgoutput timezone
	interfaces/libpq fe_utils bin/initdb bin/pg_ctl bin/psql bin/pgbench pl/plpgsql
	test/regress test/isolation'

build_kqueue() {
	build_server CPPFLAGS="$kevent_cppflags -DWAIT_USE_KQUEUE" LIBS="$kevent_libs"
}

build_epoll() {
	build_server
}

# build_server OPTION...: for the folder that this one will be in the guest.
build_server() {
	unset PROGRAM	# to its makefiles it is one to be made
	folder=/programs/${PWD##*/}/server
	./configure --prefix="$folder" --without-readline --without-zlib "$@" &&
		make -C src/backend generated-headers || return 1
	for part in $parts; do
		make -C "src/$part" all || return 1
	done
	install_server && keep_tests && keep_only server regress isolation
}

# Headers and static libraries are nothing to a guest.
install_server() {
	for part in $parts; do
		case $part in
		common | port | fe_utils | test/*) continue ;;
		esac
		make -C "src/$part" install DESTDIR="$PWD/installed" || return 1
	done
	mv "installed$folder" server && rm -r server/include &&
		find server -name '*.a' -delete && strip server/bin/* &&
		find server -name '*.so*' -type f -exec strip {} +
}

keep_tests() {
	mkdir regress isolation &&
		(cd src/test/regress && mv data expected sql resultmap parallel_schedule \
			pg_regress ./*.so ../../../regress) &&
		(cd src/test/isolation && mv expected specs isolation_schedule \
			isolationtester pg_isolation_regress ../../../isolation) &&
		strip regress/pg_regress regress/*.so isolation/isolationtester \
			isolation/pg_isolation_regress
}

# keep_only NAME...: the guest has all its files in memory.
keep_only() {
	mkdir .kept && mv "$@" .kept &&
		find . -mindepth 1 -maxdepth 1 ! -name .kept -exec rm -r {} + &&
		mv .kept/* . && rmdir .kept
}
