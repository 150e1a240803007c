# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # run, which sources this, sets them
# shellcheck disable=SC2034 # ... and reads $note
#
# The checks. Each runs in the top folder, prints what its tool says, hands
# what the tool found to findings(), and says in $note what it looked at. It
# fails if its tool did not work. Tools that would find nothing, and not say
# so, are first shown something bad.

# Read findings as "FILE:LINE...: TEXT [KIND]"; if $1 is given, that is the
# kind of all. Descriptor 9 takes them to where they are judged, as
# "FILE KIND LINE...: TEXT". What does not look like one is one, too.
findings() {
	if [ $# = 1 ]; then
		sed "s|\$| [$1]|"
	else
		cat
	fi | sed 's|^\([^: ]*\):\([0-9].*\) \[\([^] ]*\)\]$|\1 \3 \2|; t
		s|^|? unreadable |' >&9
}

sources() {
	find "$@" -name '*.[ch]' | sort
}

count() {
	wc -l | tr -d ' '
}

# Tell every 10 s how many of $2 files there are in the folder $1.
progress() {
	while sleep 10 && [ -d "$1" ]; do
		say "      $(find "$1" -name '*.done' | count) of $2 done"
	done >/dev/null 2>&7 8>&- 9>&-
}

# in_parallel COMMAND...: run COMMAND FILE for each FILE of the input, as many
# at a time as there are CPUs, and print the outputs one after another. Fails
# if any exits with more than 1, which is what findings may lead to.
in_parallel() {
	cat >"$tmp/list"
	rm -rf "$tmp/parts"
	mkdir "$tmp/parts"
	progress "$tmp/parts" "$(count <"$tmp/list")" &
	# shellcheck disable=SC2016 # for the inner shell
	xargs -P "$(nproc)" -n 1 sh -c '
		out=$(mktemp "$1/XXXXXX") || exit 2
		shift
		"$@" >"$out" 2>&1
		status=$?
		mv "$out" "$out.done"
		[ $status -le 1 ]' sh "$tmp/parts" "$@" <"$tmp/list"
	status=$?
	kill $!
	wait $! 2>/dev/null
	cat "$tmp/parts"/*
	rm -rf "$tmp/parts"
	return $status
}

# --- The compiler, and sparse ---------------------------------------------

# Make the module and all that belongs to it, with what it says in the file $1.
# The stock kernel has no KUnit to link the suites to, but its headers.
make_module() {
	out=$1
	shift
	run_make BUILD="$lint" module KDIR="$kdir" W=1 CONFIG_KEVENT_SAMPLE=m \
		CONFIG_KEVENT_MEDDLE=m CONFIG_KEVENT_KUNIT_TEST=m KBUILD_MODPOST_WARN=1 \
		CONFIG_DEBUG_INFO_BTF_MODULES= "$@" >"$out" 2>&1
	status=$?
	sed -i 's|^WARNING: modpost: "_*kunit_.*kevent_test.ko. undefined!||
		s|^WARNING: modpost|kmod/Kbuild:0: warning|' "$out"
	sed -i 's|[^ ]*/lint/kmod-[^/]*/|kmod/|' "$out"
	cat "$out"
	return $status
}

# What is not compiled says nothing; of the programs no warning is accepted,
# so what is up to date has none.
check_warnings() {
	note="$(sources kmod uapi userspace selftests | count) files"
	rm -rf "$lint"/kmod-*
	run_make BUILD="$build" W=1 TEST= lib examples man selftests bench-programs \
		fuzz-program profile-plugin && run_make -C userspace check-headers || return 1
	make_module "$tmp/module"
	status=$?
	grep -E '(warning|error):' "$tmp/module" | findings W=1
	[ $status = 0 ] && kernel_doc
}

# Its status is 0, whatever it finds.
kernel_doc() {
	printf '%s\n' '/**' ' * f() - g' ' */' 'void f(int x);' >"$tmp/bad.h"
	sources kmod uapi "$tmp/bad.h" |
		xargs perl "$kdir/scripts/kernel-doc" -none >"$tmp/doc" 2>&1
	status=$?
	cat "$tmp/doc"
	grep -E '(warning|error):' "$tmp/doc" | grep -v "^$tmp/bad" |
		findings kernel-doc
	[ $status = 0 ] && grep -q "^$tmp/bad.*'x' not described" "$tmp/doc"
}

check_sparse() {
	note="$(find kmod -name '*.c' | count) files"
	make_module "$tmp/sparse" C=2 || return 1
	grep -E '(warning|error):' "$tmp/sparse" | findings sparse
	# All of them, and not only what is compiled again.
	for file in main filters/fd sample/kevent_sample meddle/kevent_meddle \
		tests/model; do
		grep -q "^  CHECK .*kmod/$file\.c" "$tmp/sparse" || return 1
	done
}

# --- Style ----------------------------------------------------------------

# In the kernel, programs would be below tools/, where checkpatch accepts the
# types of C99 by itself.
check_checkpatch() {
	sources kmod uapi >"$tmp/kernel"
	sources userspace selftests >"$tmp/user"
	note="$(cat "$tmp/kernel" "$tmp/user" | count) files"
	echo 'int x=1;' >"$tmp/bad.c"
	echo "$tmp/bad.c" >>"$tmp/kernel"
	checkpatch="perl $scripts/scripts/checkpatch.pl --no-tree --strict
		--terse --show-types --color=never"
	# shellcheck disable=SC2086 # a list of words
	{
		in_parallel $checkpatch -f <"$tmp/kernel" &&
			in_parallel $checkpatch --ignore PREFER_KERNEL_TYPES \
				-f <"$tmp/user"
	} >"$tmp/checkpatch"
	status=$?
	# It keeps names of the headers' here, if it has met a mixed-case one.
	rm -f .checkpatch-camelcase.*
	cat "$tmp/checkpatch"
	sed '/^total: /d; s/^\(.*:[0-9]*: [A-Z]*\):\([A-Z_]*\): \(.*\)/\1: \3 [\2]/' \
		"$tmp/checkpatch" >"$tmp/findings"
	grep -v "^$tmp/bad" "$tmp/findings" | findings
	[ $status = 0 ] && grep -q "^$tmp/bad.*\[SPACING\]" "$tmp/findings"
}

# Scripts are known by their first line, parts of them by their name.
check_shellcheck() {
	{
		find . \( -name .git -o -path ./build \) -prune -o \
			-type f ! -name '*.sh' -exec awk '
				FNR == 1 && /^#!.*sh$/ { print FILENAME }
				{ nextfile }' {} +
		find . \( -name .git -o -path ./build \) -prune -o \
			-type f -name '*.sh' -print
	} | sed 's|^\./||' | sort >"$tmp/scripts"
	note="$(count <"$tmp/scripts") scripts"
	in_parallel shellcheck -x -f gcc <"$tmp/scripts" >"$tmp/shellcheck"
	status=$?
	cat "$tmp/shellcheck"
	findings <"$tmp/shellcheck"
	[ $status = 0 ] && [ -s "$tmp/scripts" ]
}

# --- Coccinelle -----------------------------------------------------------

# Rules that are written in OCaml need its compiler, of 300 MB. In 6.1 there
# are two: one is about the data of a driver, and pointers that are compared
# with 0, which is what the other finds, are found by sparse too.
check_coccinelle() {
	rm -rf "$tmp/tree"
	mkdir "$tmp/tree" && cp -r kmod "$tmp/tree" || return 1
	echo 'void f(void *p) { if (p) kfree(p); }' >"$tmp/tree/bad.c"
	find "$scripts/scripts/coccinelle" -name '*.cocci' | sort |
		xargs grep -L '^@.*script:ocaml' >"$tmp/rules"
	note="$(sources kmod | count) files, $(count <"$tmp/rules") semantic patches"
	in_parallel "$here/coccicheck" "$tmp/tree" <"$tmp/rules" \
		>"$tmp/coccinelle"
	status=$?
	sources kmod | in_parallel "$here/coccicheck" --parse "$tmp/tree" \
		>>"$tmp/coccinelle"
	status=$((status + $?))
	cat "$tmp/coccinelle"
	grep '\]$' "$tmp/coccinelle" | grep -v '^bad\.c:' | findings
	[ $status = 0 ] && grep -q '^bad\.c:.*\[ifnullfree\]$' "$tmp/coccinelle"
}

# --- Static analysers -----------------------------------------------------

check_analyser() {
	sources userspace selftests | grep '\.c$' >"$tmp/programs"
	note="$(count <"$tmp/programs") files"
	echo '#include <stdlib.h>
	void f(void *p) { free(p); free(p); }' >"$tmp/bad.c"
	"$here/analyse" "$tmp/bad.c" >"$tmp/analyser" 2>&1
	cat "$tmp/analyser"
	grep -q '\[unix\.Malloc\]$' "$tmp/analyser" || return 1
	grep -q '\[-Wanalyzer-double-free\]$' "$tmp/analyser" || return 1
	in_parallel "$here/analyse" <"$tmp/programs" >"$tmp/analyser"
	status=$?
	cat "$tmp/analyser"
	grep -E '^[^ ]+: (warning|(fatal )?error):' "$tmp/analyser" |
		sort -u | sed 's/ \[CWE-[0-9]*\]//' | findings
	return $status
}

# --- What users get -------------------------------------------------------

check_installed() {
	mkdir "$tmp/installed" &&
		BUILD=$build MAKE=${MAKE:-make} \
			"$here/installed" "$tmp/installed" >"$tmp/built" 2>&1
	status=$?
	cat "$tmp/built"
	note=$(tail -n 1 "$tmp/built")
	return $status
}

# --- The library and the tests, as they run -------------------------------

# Each process of it, and there are many, can be told to end through $tmp/session.
check_sanitizers() {
	setsid "$here/sanitizers" >"$tmp/sanitizers" 2>&1 &
	echo $! >"$tmp/session"
	wait $!
	status=$?
	rm "$tmp/session"
	cat "$tmp/sanitizers"
	note=$(tail -n 1 "$tmp/sanitizers")
	return $status
}
