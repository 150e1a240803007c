# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # report sources this
#
# The results of tests inside of the kernel, out of its log. A suite, its
# cases and what parameters make of a case are indented by four more each:
#
#   [    9.012345]     # Subtest: the suite
#   [    9.012345]     1..2
#   [    9.012345]     ok 1 a case
#   [    9.012345]         # Subtest: another case
#   [    9.012345]         ok 1 with a parameter
#   [    9.012345]     ok 2 another case
#   [    9.012345] ok 1 the suite
#
# Messages of others may stand between them.

kunit=			# yes: between the marks that the guest sets
kunit_expected=		# yes: the guest has said that it starts
kunit_ended=		# ... and the log has its end
suites=0		# suites that ended
suite=			# the one that runs, ...
suite_plan=		# ... how many cases it announced, ...
cases=0			# ... how many there were, ...
cases_bad=0		# ... and were "not ok"
case_name=		# the one whose parameters are tried
parameters=0		# results of the current case's parameters, ...
parameters_bad=0	# ... and how many of those were "not ok"

kunit_message() {
	case $1 in
	*'kevent-guest: kunit-start') kunit=yes ;;
	*'kevent-guest: kunit-end '*)
		kunit='' kunit_ended=yes
		kunit_total "${1##* }" ;;
	*) [ -z "$kunit" ] || kunit_line "${1#*\] }" ;;
	esac
}

kunit_line() {
	case $1 in
	'    # Subtest: '*)
		suite=${1#*: } suite_plan='' cases=0 cases_bad=0
		parameters=0 parameters_bad=0 ;;
	'        # Subtest: '*) case_name=${1#*: } ;;
	'    1..'*) suite_plan=${1#*1..} ;;
	'        ok '[0-9]* | '        not ok '[0-9]*) kunit_parameter "${1#        }" ;;
	'    ok '[0-9]* | '    not ok '[0-9]*) kunit_case "${1#    }" ;;
	'ok '[0-9]* | 'not ok '[0-9]*) kunit_suite "$1" ;;
	esac
}

kunit_parameter() {
	split_result "$1"
	parameters=$((parameters + 1)) tests=$((tests + 1))
	[ "$outcome" != FAIL ] || parameters_bad=$((parameters_bad + 1))
	verdict "$outcome" "kunit.$suite.$case_name.$what" "$remark"
}

# A case that has parameters counts by them, unless it failed without them.
kunit_case() {
	split_result "$1"
	cases=$((cases + 1))
	[ "$outcome" != FAIL ] || cases_bad=$((cases_bad + 1))
	if [ $parameters = 0 ] ||
	    { [ "$outcome" = FAIL ] && [ $parameters_bad = 0 ]; }; then
		tests=$((tests + 1))
		verdict "$outcome" "kunit.$suite.$what" "$remark"
	fi
	parameters=0 parameters_bad=0
}

kunit_suite() {
	split_result "$1"
	suites=$((suites + 1))
	if [ "$cases" != "$suite_plan" ]; then
		verdict FAIL "kunit.$what" \
			"$cases results of ${suite_plan:-an unknown number of} tests"
	elif [ "$outcome" = FAIL ] && [ $cases_bad = 0 ]; then
		verdict FAIL "kunit.$what"
	fi
	suite_plan='' cases=0 cases_bad=0
}

# All of the suites that the kernel knows must have ended.
kunit_total() {
	if [ "$suites" = 0 ]; then
		verdict FAIL kunit "not a single result"
	elif [ "$suites" != "$1" ]; then
		verdict FAIL kunit "$suites of $1 suites ended"
	fi
}

# At the end of all.
kunit_check() {
	[ "$kunit_expected" = "$kunit_ended" ] ||
		verdict FAIL kunit "the guest stopped while this ran"
}
