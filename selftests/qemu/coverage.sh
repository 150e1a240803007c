# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # run sources this
#
# Which lines and branches of the module the tests reach: the module is built
# with counters, apart from the usual one. The guest writes them onto a disk,
# as a tar file, after it has unloaded the module.

# The counters of the guest in $1, beside the objects that they belong to.
unpack_counters() {
	find "$2" -name '*.gcda' -delete
	tar -x -C "$2" <"$1/disk" || die "the guest has sent no counters"
	find "$2" -name '*.gcda' | grep -q . ||
		die "the guest has sent no counters"
}

# report_coverage FOLDER KERNEL: from the counters below FOLDER, which has links
# to the sources. The compiler ran in the folder of the kernel's build. What a
# test brings with it is not what is to be covered.
report_coverage() {
	html=$build/coverage
	rm -rf "$html"
	mkdir -p "$html"
	set -- --root "$1" --object-directory "$2/build" --exclude '.*/tests/' \
		--exclude '.*/sample/' --exclude '.*/meddle/' \
		--exclude '.*\.mod\.c' "$1"
	if ! gcovr --html-details "$html/index.html" --html-title kevent \
		--txt "$html/lines.txt" "$@" ||
	    ! gcovr --branches --txt "$html/branches.txt" "$@"; then
		die "gcovr could not make sense of the counters"
	fi
	echo
	echo "Lines:"
	cat "$html/lines.txt"
	echo "Branches:"
	cat "$html/branches.txt"
	echo "line by line: $html/index.html"
}

run_coverage() {
	"$here/deps" gcovr || exit 1
	objects=$build/gcov
	fuzz_seconds=30
	choose_tests
	stages=debug
	describe debug
	dir=$(fetch_kernel debug) || exit 1
	gcov=$objects/kmod-$(release "$dir")
	prepare_stages
	truncate -s 64M "$tmp/debug/disk" || exit 1
	devices="-drive file=$tmp/debug/disk,format=raw,if=virtio"
	run_stages
	unpack_counters "$tmp/debug" "$gcov"
	report_coverage "$gcov" "$dir"
	conclude
}
