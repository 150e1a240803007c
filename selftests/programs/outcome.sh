# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # run, which sources this, has the folders
#
# What has come of programs that were tested in two variants: with kqueue, which is
# judged, and with what they have for Linux. A test that fails both ways is no fault of
# ours: of the emulated machine, of its little root folder, or of the test.

# judge STAGE: print "ok|FAIL|skip|both TEST" for each test with kqueue, and of the guest.
judge() {
	describe "$1"
	awk -v ours="$program-${variants%% *}" -v theirs="$program-${variants##* }" '
		# Is it a test of this variant? Sets test to which, if it is.
		function is_of(variant, name) {
			test = substr(name, length(variant) + 1)
			return index(name, variant) == 1 && test ~ /^(\.|$)/
		}
		NR == FNR { verdict[$2] = $1; next }
		is_of(theirs, $2) { next }
		is_of(ours, $2) && $1 == "FAIL" && verdict[theirs test] == "FAIL" {
			print "both", $2
			next
		}
		{ print $1, $2 }' "$tmp/$1/results" "$tmp/$1/results"
}

# load PROGRAM-VARIANT LOG: print "NUMBER UNIT", if its test has told that.
load() {
	awk -v wanted="$1" '
		/^@@ start / { running = $3 }
		running == wanted && sub(/^# load: /, "") { said = $0 }
		END { print said }' "$2"
}

# loads STAGE: with kqueue, and how that compares with the other variant.
loads() {
	echo "$(load "$program-${variants%% *}" "$logs/$1.log")" \
		"$(load "$program-${variants##* }" "$logs/$1.log")" |
		awk -v other="${variants##* }" '
		NF > 2 && $3 > 0 {
			printf "%s %s, %.2f of that with %s\n", $1, $2, $1 / $3, other
			next
		}
		{ print }'
}

# tally STAGE VARIANT: print how many passed, failed and were skipped.
tally() {
	grep -E "^(ok|FAIL|skip) $program-$2[. ]" "$tmp/$1/results" 2>/dev/null |
		awk '{ count[$1]++ }
		END { printf "%5d %5d %5d", count["ok"], count["FAIL"], count["skip"] }'
}

table_line() {
	printf '%-28s %17s %17s  %s\n' "$@"
}

# table_programs: a line for each, whose numbers are: passed, failed, skipped.
table_programs() {
	echo
	table_line program kqueue 'other variant' load
	for stage in $stages; do
		describe "$stage"
		version=$(cat "$tmp/$stage/version" 2>/dev/null)
		name="$program ${version%%-*} ($kernel)"
		if [ -s "$tmp/$stage/initrd" ]; then
			table_line "$name" "$(tally "$stage" "${variants%% *}")" \
				"$(tally "$stage" "${variants##* }")" "$(loads "$stage")"
		else
			table_line "$name" 'not tested: no' "$(cat "$tmp/$stage/step")" ''
		fi
	done
	echo
}

# list VERDICT TITLE: which tests have come to that.
list() {
	! grep -q "^$1 " "$tmp/judged" || {
		echo "$2"
		sed -n "s/^$1 /  /p" "$tmp/judged"
		echo
	}
}

# The last line, and the status.
conclude_programs() {
	for stage in $stages; do
		is_complete "$tmp/$stage/results" ||
			die "the results of $stage are not complete"
		judge "$stage"
	done >"$tmp/judged"
	table_programs
	list both 'failed with and without kqueue, which says nothing of it (as skipped, below):'
	list FAIL 'failed:'
	echo "logs: $logs"
	echo
	failed=$(count FAIL "$tmp/judged")
	echo "$(count ok "$tmp/judged") passed, $failed failed," \
		"$(($(count skip "$tmp/judged") + $(count both "$tmp/judged"))) skipped"
	[ "$failed" = 0 ]
}
