# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # run, which sources this, has the folders
#
# Stages: a stage is one guest that runs tests, and what came of it. All that
# is known about the stage S lies in $tmp/S:
#   folder   link to that of its kernel
#   initrd   the guest's files; when it is there, all is ready to boot
#   results  "ok|FAIL|skip TEST MILLISECONDS" for each test, in the end for kernel.log
#   seconds  how long the guest ran

debug_stages='debug debug-4cpus debug-builtin'
fuzz_seconds=120
most_races=20	# no test program has more

# The debug kernel runs everything with two CPUs. Again with four, only what may
# depend on their number: how threads meet. And again with the module built in,
# only what may depend on that: what is done when the kernel starts or a module
# loads, what hooks and symbols are found, each kind of source once. check-all
# leaves out nothing.
for_4cpus='kunit queue closing races pollfree'
for_builtin='kunit interface filters closing resources module'

# describe STAGE: set what that stage boots, and with what.
describe() {
	cpus=2 limit=120 kernel=$1 wanted=$tests leaks='' again=''
	case $1 in
	debug*) kernel=debug limit=900 wanted="kunit $tests" ;;
	esac
	limit=$((limit + most_races * KEVENT_RACE_SECONDS))
	case $1 in
	debug-4cpus) cpus=4 leaks=unloaded again=$for_4cpus ;;
	debug-builtin) leaks=loaded again=$for_builtin ;;
	debug)
		leaks='loaded unloaded'
		[ "$mode" = check ] || wanted="$wanted fuzz" ;;
	esac
	[ -z "$again" ] || [ "$mode" = check-all ] || wanted=$(meant "$again")
	wanted=${TEST:-$wanted}
	# It finishes the round that has begun, or finds that this one hangs.
	fuzz_limit=$((fuzz_seconds + 180 + limit))
}

# meant WORDS: print the tests that these mean, each once. A word is a test, or a
# room with all that are in it. What is neither is printed with a question mark.
meant() {
	echo "$1" | tr ' ,' '\n' | awk '
		BEGIN { tests["kunit"] = "kunit"; tests["fuzz"] = "fuzz" }
		NR == FNR { tests[$1] = tests[$1] " " $2; tests[$2] = $2; next }
		/./ { print ($0 in tests) ? tests[$0] : "?" $0 }' \
			"$tmp/list" - |
		tr ' ' '\n' | awk 'NF && !seen[$0]++' | paste -s -d ' '
}

# How long each race lasts, instead of a second or two.
choose_race_seconds() {
	case ${KEVENT_RACE_SECONDS:=0} in
	[0-9] | [1-5][0-9] | 60) ;;
	*) die "KEVENT_RACE_SECONDS=$KEVENT_RACE_SECONDS: that is not how long," \
		"0 to 60" ;;
	esac
}

# Sets $tests to the names of all selftests, room by room, and TEST to those that
# are to run.
choose_tests() {
	choose_race_seconds
	${MAKE:-make} -s --no-print-directory -C "$top/selftests" list \
		>"$tmp/list" || exit 1
	sort -o "$tmp/list" "$tmp/list"
	tests=$(cut -d ' ' -f 2 "$tmp/list" | paste -s -d ' ')
	TEST=$(meant "$TEST")
	unknown=${TEST#*'?'}
	case $TEST in
	*'?'*) die "TEST=${unknown%% *} is unknown; there are: kunit fuzz" \
		"$tests; and the rooms" \
		"$(cut -d ' ' -f 1 "$tmp/list" | uniq | paste -s -d ' ')" ;;
	esac
}

choose_stages() {
	stages=$(echo "${KERNEL:-$1}" | tr ', ' '[\n*]' | awk '!seen[$0]++')
	for stage in $stages; do
		case " $known $debug_stages " in
		*" $stage "*) ;;
		*) die "KERNEL=$stage is unknown; there are: $known" ;;
		esac
	done
}

choose_seed() {
	: "${SEED:=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}"
}

# --- Preparing ------------------------------------------------------------

# The stage cannot take place: a failure, which ends all but check-all.
cannot() {
	[ "$mode" = check-all ] || exit 1
	say "$1: not run, see above"
	echo "FAIL $1.kernel" >"$tmp/$1/results"
}

# get_kernel STAGE: fetch or build what it boots.
get_kernel() {
	dir=$(fetch_kernel "$kernel") || exit 1
	ln -s "$dir" "$tmp/$1/folder"
}

# build_modules STAGE: sets $modules to their folder. Several stages may have
# the same: make is quick then.
build_modules() {
	dir=$(readlink "$tmp/$1/folder")
	if [ "$1" = debug-builtin ]; then
		say "building the module into the debug kernel"
		dir=$builtin
		"$here/debug-kernel" builtin "$dir" || exit 1
		ln -sfn "$dir" "$tmp/$1/folder"
		modules=$dir/build/drivers/misc/kevent/kmod
	else
		say "building the module for $(release "$dir"), with W=1"
		make_module make_strict "$dir" "BUILD=$objects" \
			${gcov:+GCOV_PROFILE=y}
		modules=$objects/kmod-$(release "$dir")
	fi
}

build_stage() {
	build_modules "$1"
	for ko in sample/kevent_sample meddle/kevent_meddle tests/kevent_test; do
		case $ko in
		tests/*) has_option "$dir" CONFIG_KUNIT || continue ;;
		esac
		[ -f "$modules/$ko.ko" ] || die "$ko.ko was not built"
	done
	make_initrd "$dir" "$modules" "$tmp/$1/initrd" mode=check \
		"limit=$limit" "tests='$wanted'" \
		"fuzz='-t $fuzz_seconds -s $SEED'" "fuzz_limit=$fuzz_limit" \
		"leaks='$leaks'" "gcov='$gcov'" \
		"race_seconds=$KEVENT_RACE_SECONDS"
}
gcov=

# All programs; or those that are to run, with which others build faster.
build_programs() {
	targets='lib tools examples man selftests fuzz-program'
	if [ -n "$TEST" ]; then
		targets='lib selftests'
		case " $TEST " in
		*' fuzz '*) targets="$targets fuzz-program" ;;
		esac
	fi
	say "building $targets, with W=1"
	# shellcheck disable=SC2086 # a list of words
	make_strict build-user.log $targets TEST="$TEST"
}

# prepare_stages: all that is needed before the first one boots.
prepare_stages() {
	"$here/deps" cc m32 uring fuse ext4 module w1 xz qemu || exit 1
	choose_seed
	lock
	builtin=$build/linux-builtin
	for stage in $stages; do
		mkdir "$tmp/$stage" || exit 1
		describe "$stage"
		(get_kernel "$stage") || cannot "$stage"
	done
	fetch_harness
	build_programs
	for stage in $stages; do
		describe "$stage"
		[ ! -e "$tmp/$stage/folder" ] || (build_stage "$stage") ||
			cannot "$stage"
	done
}

# --- Booting --------------------------------------------------------------

# run_stage STAGE: boot it, and judge what it says.
run_stage() {
	describe "$1"
	work=$tmp/$1 log=$logs/$1.log silence=$limit
	say "booting $1: $(release "$work/folder"), $cpus CPUs"
	case " $wanted " in
	*' fuzz '*)
		silence=$fuzz_limit
		say "$1: fuzzing for $fuzz_seconds s, SEED=$SEED" ;;
	esac
	begin=$(date +%s)
	: >"$log"
	watch "$work" "$log" $((silence + 60)) 8>&- &
	watcher=$!
	# shellcheck disable=SC2086 # a list of words
	guest_lines "$work/folder" "$work" $devices 2>"$work/qemu" |
		"$here/report" "$1" "$log" "$work/results"
	kill $watcher
	cat "$work/qemu" >&2
	echo $(($(date +%s) - begin)) >"$work/seconds"
}
devices=	# more options for QEMU

# Run those stages that nobody has taken yet, one after the other.
lane() {
	for stage in $stages; do
		[ -s "$tmp/$stage/initrd" ] || continue
		mkdir "$tmp/$stage/taken" 2>/dev/null || continue
		run_stage "$stage"
	done
}

# A guest keeps one CPU of this machine busy: two at the same time, if there
# is memory for them. What QEMU itself takes is small against a guest.
run_stages() {
	guests=$(($(free_memory) / (guest_memory + 100)))
	[ $guests -gt 0 ] || need_memory $((guest_memory + 100)) "a guest"
	[ $guests -le 2 ] || guests=2
	for stage in $stages; do
		[ ! -s "$tmp/$stage/initrd" ] || break
	done
	choose_accelerator "$tmp/$stage/folder"
	while [ $guests -gt 0 ]; do
		guests=$((guests - 1))
		lane &
		children="$children $!"
	done
	wait
}

# --- The outcome ----------------------------------------------------------

# count WORD FILE...: how many lines of the results start with WORD.
count() {
	word=$1
	shift
	cat "$@" 2>/dev/null | grep -c "^$word "
}

# table: a line for each stage.
table() {
	printf '\n%-42s %7s %7s %8s %8s\n' kernel passed failed skipped time
	for stage in $stages; do
		work=$tmp/$stage
		name=$stage
		[ ! -e "$work/folder" ] ||
			name="$stage ($(release "$work/folder"))"
		seconds=-
		[ ! -s "$work/seconds" ] || seconds="$(cat "$work/seconds") s"
		printf '%-42s %7d %7d %8d %8s\n' "$name" \
			"$(count ok "$work/results")" \
			"$(count FAIL "$work/results")" \
			"$(count skip "$work/results")" "$seconds"
	done
	echo
}

# table_rooms: a line for each room, of all stages together.
table_rooms() {
	printf '%-42s %7s %7s %8s %8s\n' room passed failed skipped time
	cat "$tmp"/*/results | awk '
		NR == FNR { room[$2] = $1; next }
		{
			split($2, name, ".")
			what = name[1]
			if (what in room)
				what = room[what]
			else if (what != "kunit" && what != "fuzz")
				what = "the kernel as a whole"
			seen[what]
			count[what, $1]++
			ms[what] += $3
		}
		END {
			for (what in seen)
				printf "%-42s %7d %7d %8d %6d s\n", what,
					count[what, "ok"], count[what, "FAIL"],
					count[what, "skip"], ms[what] / 1000
		}' "$tmp/list" - | sort
	echo
}

# Does the file $1 end with what report writes last, or with a failure?
is_complete() {
	case $(tail -n 1 "$1" 2>/dev/null) in
	'ok kernel.log '* | 'FAIL '*) return 0 ;;
	esac
	return 1
}

# The last line, and the status.
conclude() {
	for stage in $stages; do
		is_complete "$tmp/$stage/results" ||
			die "the results of $stage are not complete"
	done
	table
	table_rooms
	echo "logs: $logs"
	echo
	failed=$(count FAIL "$tmp"/*/results)
	echo "$(count ok "$tmp"/*/results) passed, $failed failed," \
		"$(count skip "$tmp"/*/results) skipped"
	[ "$failed" = 0 ]
}

# --- The modes ------------------------------------------------------------

check_stages() {
	choose_tests
	choose_stages "$1"
	prepare_stages
	run_stages
	conclude
}

run_check() {
	check_stages '6.1 6.12'
}

run_check_debug() {
	check_stages "$debug_stages"
}

run_check_all() {
	check_stages "6.1 6.12 6.12-rt newest $debug_stages"
}
