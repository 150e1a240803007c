# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # run sources this
#
# The kernels, and building this tree for them.

known='6.1 6.12 6.12-rt newest debug'	# the kernels that there are

lock() {
	mkdir -p "$logs" || exit 1
	need_disk "$build" 500 "what is built"
	need_disk "$tmp" 500 "the files of the guests"
	lock_build
}

unlock() {
	exec 8>&-
}

# make_logged LOG ARGUMENT...: run make at the top, its output into LOG.
make_logged() {
	log=$logs/$1
	shift
	run_make -C "$top" BUILD="$build" "$@" >"$log" 2>&1 </dev/null && return
	cat "$log" >&2
	die "'make $*' has failed, see above or $log"
}

# The same with all warnings, and with none accepted. What had some must be
# built anew the next time, or they would not be seen again.
make_strict() {
	make_logged "$@" W=1
	if grep -i warning "$log" >&2; then
		rm -rf "$objects"/kmod-* "$build"/.*-flags
		die "warnings are not accepted, see $log"
	fi
}

# Print the folder of the kernel $1, which is fetched or built if need be.
fetch_kernel() {
	case $1 in
	debug) found=$("$here/debug-kernel") || exit 1 ;;
	*) found=$("$here/fetch" kernel "$1") || exit 1 ;;
	esac
	check_kernel "$found"
	echo "$found"
}

# The release that the kernel image $1 has in its header.
image_release() {
	at=$(od -An -j 526 -N 2 -t u2 "$1" | tr -d ' ')
	dd if="$1" bs=1 skip=$((at + 512)) count=80 2>/dev/null |
		tr '\0' ' ' | cut -d ' ' -f 1
}

# A module only loads into the kernel that it was built for.
check_kernel() {
	for file in vmlinuz build/include/config/auto.conf; do
		[ -s "$1/$file" ] ||
			die "$1 is no kernel with what modules need: remove it"
	done
	booted=$(image_release "$1/vmlinuz")
	[ "$booted" = "$(release "$1")" ] ||
		die "$1 has the kernel $booted, but what modules need for" \
			"$(release "$1"): remove it"
}

fetch_harness() {
	: "${KSELFTEST:=$("$here/fetch" kernel-files)}"
	[ -n "$KSELFTEST" ] || exit 1
	export KSELFTEST
}

release() {
	cut -d '"' -f 2 "$1/build/include/generated/utsrelease.h"
}

has_option() {
	grep -qx "$2=y" "$1/build/include/config/auto.conf"
}

# make_module MAKE DIR [VARIABLE...]: with one of the above, for the kernel in
# DIR, with what the options of that kernel offer to find bugs.
make_module() {
	with=$1 dir=$2
	shift 2
	# Some kernels bring their own.
	[ -L "$dir/toolchain" ] || need_compiler "$dir/build"
	! has_option "$dir" CONFIG_UBSAN || set -- "$@" UBSAN_SANITIZE=y
	! has_option "$dir" CONFIG_KUNIT ||
		set -- "$@" CONFIG_KEVENT_KUNIT_TEST=m
	(
		MAKE="$here/within $dir ${MAKE:-make}"
		"$with" "build-module-$(release "$dir").log" module \
			KDIR="$dir/build" CONFIG_KEVENT_SAMPLE=m CONFIG_KEVENT_MEDDLE=m \
			CONFIG_DEBUG_INFO_BTF_MODULES= "$@"
	) || exit 1
}
