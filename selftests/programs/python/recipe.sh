# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../run, which sources this, reads and has them
#
# CPython: where its module select offers select.kqueue, selectors.DefaultSelector is
# made of that by itself, and with it waits asyncio.

package=python3.11
variants='kqueue epoll'
build_packages='libbz2-dev libffi-dev libssl-dev pkg-config zlib1g-dev'
guest_packages='bash coreutils dash libbz2-1.0 libc-bin libc6 libffi8 liblzma5 libssl3
	netbase zlib1g'
limit=1800

# What the tests need of the standard library's own tests.
kept_tests='__init__.py _test_eintr.py lock_tests.py subprocessdata support test_asyncio
	test_epoll.py test_kqueue.py test_poll.py test_select.py test_selectors.py
	test_socketserver.py test_subprocess.py'

# Leave what is needed to run, and to build select.
trim() {
	mkdir kept
	for name in $kept_tests; do
		mv Lib/test/"$name" kept || return 1
	done
	mv Lib/test/*.pem kept && rm -r Lib/test && mv kept Lib/test &&
		rm -r Doc Lib/ensurepip Lib/idlelib Lib/lib2to3 Lib/tkinter \
			Lib/turtledemo Mac PC PCbuild build/temp* &&
		find . -name '*.[ao]' -delete && strip python &&
		find . -name '*.so' -type f -exec strip {} + &&
		./python -m compileall -q Lib
}

# The library has to be named where modules are: select needs none on a BSD. Some that
# take long to build are left out.
build_kqueue() {
	cat >Modules/Setup.local <<-END || return 1
	*shared*
	select selectmodule.c $kevent_libs
	*disabled*
	_codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw
	_curses _curses_panel _dbm _decimal _gdbm _sqlite3 _tkinter audioop nis
	ossaudiodev
	END
	./configure CPPFLAGS="$kevent_cppflags" OPT='-O2 -DNDEBUG -fwrapv' &&
		make && cp "$programs/$program"/*.py . && trim
}

# The same but for select: no other part asks whether there is a kqueue.
build_epoll() {
	rm -r ./* && cp -a ../kqueue/. . &&
		sed -i '/HAVE_KQUEUE/d' pyconfig.h &&
		make Modules/select.cpython-311-x86_64-linux-gnu.so &&
		rm Modules/selectmodule.o
}
