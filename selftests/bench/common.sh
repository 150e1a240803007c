# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # who sources this has $top and $build
#
# What the scripts here share: the guest that counts, and the table it brings back.

# boot_bench NAME OPTIONS QEMU-OPTIONS KERNEL-OPTIONS [COMMAND]: run the benchmark with
# the OPTIONS, then COMMAND, and leave its table in $build/NAME/NAME.csv. With -icount a
# nanosecond of the guest is one instruction: exact, no noise. Several CPUs cannot be
# counted: with CPUS it is time, on whatever the machine has.
boot_bench() {
	csv=$build/$1/$1.csv
	mkdir -p "$build/$1" && rm -f "$csv" || return
	machine="-accel tcg,thread=single -icount shift=0,sleep=off -smp 1 $3"
	[ -z "$CPUS" ] || machine=
	"$top/selftests/qemu/run" exec -n "$1" -b bench-programs -t 3600 \
		-c "${CPUS:-1}" -q "$machine" -a "clocksource=tsc tsc=reliable $4" \
		"bench -c /tmp/csv $2 && sed 's/^/@@ csv /' /tmp/csv${5:+ && $5}" &
	child=$!
	wait $child || return
	child=
	from_guest csv "$1" >"$csv"
}

# For a trap.
stop() {
	[ -z "$child" ] || kill "$child" 2>/dev/null
	wait
	exit 130
}
child=

# from_guest KIND NAME: what the guest NAME had for us, as lines "@@ KIND ...".
from_guest() {
	sed -n "s/^@@ $1 //p" "$build/logs/$2.log"
}

# Bad input has a status of its own.
refuse() {
	say "error: $*"
	exit 2
}

# read_csv FILE: print what csv.c has written, with tabs between the fields: release,
# group, table, row, column, value, and what only a profile needs.
read_csv() {
	[ -r "$1" ] || refuse "there is no file $1"
	awk -v OFS='\t' '
		# Divide the line s into field[]; how many there are, or 0.
		function divide(s,  n, at, part) {
			for (n = 1; ; n++) {
				part = ""
				if (substr(s, 1, 1) == "\"") {
					do {
						s = substr(s, 2)
						at = index(s, "\"")
						if (!at)
							return 0
						part = part substr(s, 1, at)
						s = substr(s, at + 1)
					} while (substr(s, 1, 1) == "\"")
					part = substr(part, 1, length(part) - 1)
				} else {
					match(s, /^[^,]*/)
					part = substr(s, 1, RLENGTH)
					s = substr(s, RLENGTH + 1)
				}
				field[n] = part
				if (s == "")
					return n
				if (substr(s, 1, 1) != ",")
					return 0
				s = substr(s, 2)
			}
		}
		{ sub(/\r$/, "") }
		NR == 1 && /^release,group,table,row,column,value(,|$)/ {
			columns = divide($0)
			next
		}
		!columns || divide($0) != columns || field[6] !~ /^[0-9]+(\.[0-9]+)?$/ {
			bad = NR
			exit
		}
		{
			line = field[1]
			for (i = 2; i <= columns; i++)
				line = line OFS field[i]
			print line
		}
		END {
			if (!bad && NR > 1)
				exit 0
			print bad ? "line " bad " of it is wrong:" : "it is empty:" \
				>"/dev/stderr"
			exit 1
		}' "$1" || refuse "$1 is no table that 'make bench' has written"
}
