# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # ../http.sh, which ./test sources too, reads and has some
#
# haproxy's own tests. Those in the other folders are about what requests say, and what is
# made of that, not about when something happens; emulated, they would take an hour.
reg_tests='checks connection http-messaging mcli peers seamless-reload server'

# Print the tests, as "reg-tests/FOLDER/NAME.vtc".
list_reg_tests() {
	for folder in $reg_tests; do
		find "reg-tests/$folder" -name '*.vtc'
	done | sort
}

suite_size=$(list_reg_tests | wc -l)

# verdict TEST: what is in the log about it: sets $status to 0 or 1, and $why to why it has
# not been run.
verdict() {
	status=1 why=
	case $(grep -E "TEST $1 | $1 because " "$work/trace" | tail -n 1) in
	*' passed ('*) status=0 ;;
	*' skipped'*) status=0 why='it says that something is missing' ;;
	*' because '*)
		status=0
		why=$(sed -n "s|.* $1 because ||p" "$work/trace" | tail -n 1) ;;
	esac
}

# In 2.6 an event of EVFILT_WRITE makes fd_update_events() forget that there is something
# to read, but not that the end comes after it: if one of EVFILT_READ was in front of it,
# what a server says before it was asked anything is lost. Here that order is usual.
is_forgotten() {
	[ "$variant-$1" = kqueue-checks/smtp-check.vtc ] && status=0 &&
		why='what is to be read is forgotten when it can write as well'
}

# Its own script chooses which tests can be run with what was built, and runs them. (As it
# has it, varnishtest gives each 10 seconds.)
suite() {
	mkdir "$work/reg-tests"
	# shellcheck disable=SC2046,SC2086 # lists of words
	TMPDIR=$work/reg-tests VTEST_PROGRAM=varnishtest VTEST_TIMEOUT=30 HAPROXY_ARGS='' \
		sh scripts/run-regtests.sh --v $(printf 'reg-tests/%s ' $reg_tests) \
		>"$work/trace" 2>&1 </dev/null
	# A test that fails may leave one behind.
	pkill -KILL -x haproxy || :
	for test in $(list_reg_tests); do
		verdict "$test"
		name=${test#reg-tests/}
		is_forgotten "$name" || :
		result "$(echo "${name%.vtc}" | tr / :)" "$why"
	done
	[ "$failed" = 0 ] || sed -n '/# Gathering results #/,$s/^/# /p' "$work/trace"
}
