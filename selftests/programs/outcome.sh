# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # run, which sources this, has the folders
#
# What has come of programs that were tested in two variants: with kqueue, which is
# judged, and with what they have for Linux. A test that fails both ways is no fault of
# ours: of the emulated machine, of its little root folder, or of the test. But the tests
# called "cost..." are ours, and measure both: they may not fail.

# judge STAGE: print "ok|FAIL|skip|both TEST" for each test with kqueue, and of the guest.
judge() {
	describe "$1"
	awk -v ours="$program-${variants%% *}" -v theirs="$program-${variants##* }" '
		# Is it a test of this variant? Sets test to which, if it is.
		function is_of(variant, name) {
			test = substr(name, length(variant) + 1)
			return index(name, variant) == 1 && test ~ /^(\.|$)/
		}
		# Is it one that measures?
		function measures() {
			return test ~ /^\.cost[.-]/
		}
		NR == FNR { verdict[$2] = $1; next }
		is_of(theirs, $2) && !(measures() && $1 == "FAIL") { next }
		is_of(ours, $2) && !measures() &&
		$1 == "FAIL" && verdict[theirs test] == "FAIL" {
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

# title STAGE: print how the tables call it.
title() {
	version=$(cat "$tmp/$1/version" 2>/dev/null)
	echo "$program ${version%%-*} ($kernel)"
}

# table_programs: a line for each, whose numbers are: passed, failed, skipped.
table_programs() {
	echo
	table_line program kqueue 'other variant' load
	for stage in $stages; do
		describe "$stage"
		name=$(title "$stage")
		if [ -s "$tmp/$stage/initrd" ]; then
			table_line "$name" "$(tally "$stage" "${variants%% *}")" \
				"$(tally "$stage" "${variants##* }")" "$(loads "$stage")"
		else
			table_line "$name" 'not tested: no' "$(cat "$tmp/$stage/step")" ''
		fi
	done
	echo
}

# costs STAGE NAME: for each load whose costs were told, "NAME|LOAD|KQUEUE|OTHER|RATIO|OF ALL",
# the last two of which need both.
costs() {
	awk -v ours="$program-${variants%% *}" -v theirs="$program-${variants##* }" \
		-v name="$2" '
		function told(variant) {
			return (variant, what) in server ? server[variant, what] : "-"
		}
		function ratio(kind) {
			return told(ours) > 0 && told(theirs) > 0 ? \
				sprintf("%.2f", kind[ours, what] / kind[theirs, what]) : "-"
		}
		/^@@ start / { running = $3 }
		sub(/^# cost: /, "") {
			what = $0
			sub(/^[0-9]+ [0-9]+ /, "", what)
			if (!seen[what]++)
				loads[++count] = what
			server[running, what] = $1
			all[running, what] = $2
		}
		END {
			for (i = 1; i <= count; i++) {
				what = loads[i]
				print name "|" what "|" told(ours) "|" told(theirs) "|" \
					ratio(server) "|" ratio(all)
			}
		}' "$logs/$1.log"
}

cost_line() {
	printf '%-28s %-30s %9s %9s %6s %6s\n' "$@"
}

# table_costs: what a request costs the server, and how that compares; also with the client
# and the rest, among which is what wakes the server.
table_costs() {
	for stage in $stages; do
		describe "$stage"
		[ ! -s "$tmp/$stage/initrd" ] || costs "$stage" "$(title "$stage")"
	done >"$tmp/costs"
	[ -s "$tmp/costs" ] || return 0
	cost_line "instructions of the server" 'for a request' kqueue other ratio 'of all'
	while IFS='|' read -r name what ours theirs ratio of_all; do
		cost_line "$name" "$what" "$ours" "$theirs" "$ratio" "$of_all"
	done <"$tmp/costs"
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
	table_costs
	list both 'failed with and without kqueue, which says nothing of it (as skipped, below):'
	list FAIL 'failed:'
	echo "logs: $logs"
	echo
	failed=$(count FAIL "$tmp/judged")
	echo "$(count ok "$tmp/judged") passed, $failed failed," \
		"$(($(count skip "$tmp/judged") + $(count both "$tmp/judged"))) skipped"
	[ "$failed" = 0 ]
}
