# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Tests in shell, as qemu/report reads them.

number=0
failures=0

# check NAME: run the function of that name. What it prints is what to look at should
# it fail.
check() {
	number=$((number + 1))
	if "$1"; then
		echo "ok $number $1"
	else
		failures=$((failures + 1))
		echo "not ok $number $1"
	fi
}

# check_all PROGRAM NAME...
check_all() {
	program=$1
	shift
	echo "@@ start $program"
	echo "1..$#"
	for name; do
		check "$name"
	done
	echo "@@ end $program $((failures > 0))"
	echo "@@ done"
}

# fail MESSAGE...
fail() {
	echo "# $*"
	return 1
}
