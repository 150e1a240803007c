# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh # the test that sources this has servers
#
# What a request costs: how many instructions, of the server and of all.
#
# A nanosecond of the guest is one instruction (see run), and the kernel tells for how many
# of them a thread has run, itself or the kernel for it, and whatever has interrupted it:
# that is what it took. But both CPUs have the same clock, so that while one runs, what
# the other does counts as well: only one is left meanwhile.
#
# The script that sources this has
#
#	servers		prints the processes that serve

other_cpu=/sys/devices/system/cpu/cpu1/online

# Print how many sockets the servers have. (Files may stay open, to be used again.)
sockets() {
	for pid in $(servers); do
		ls -l "/proc/$pid/fd"
	done | grep -c 'socket:\['
}

# Print how many instructions the servers have taken, and, after that, all processes. It is
# exact for those that wait. (Of a CPU, the seventh number is for how long it was used.)
spent() {
	sum=0
	for pid in $(servers); do
		for task in "/proc/$pid/task"/*; do
			read -r ns _ <"$task/schedstat" || return 1
			sum=$((sum + ns))
		done
	done
	[ $sum -gt 0 ] || return 1
	while read -r name _ _ _ _ _ _ ns _; do
		[ "$name" != cpu0 ] || echo "$sum $ns"
	done </proc/schedstat
}

# have_left COUNT: the clients have: the servers have no more sockets than that. It may
# take them some time.
have_left() {
	deadline=$(($(date +%s) + 30))
	until [ "$(sockets)" -le "$1" ]; do
		[ "$(date +%s)" -lt $deadline ] || return 1
		sleep 0.05
	done
}

# measure_request WHAT REQUESTS COMMAND [ARGUMENT...]: COMMAND REQUESTS ARGUMENT... has the
# servers answer so many, and prints how many they were. What has to be done once, has been
# when that is measured. Prints "SERVERS ALL WHAT". What is in it of connecting, and of
# starting the client, the requests have to outnumber.
measure_request() (
	what=$1 wanted=$2 command=$3
	shift 3
	trap 'echo 1 >$other_cpu' EXIT
	echo 0 >$other_cpu && idle=$(sockets) &&
		"$command" $((wanted / 10)) "$@" >/dev/null && have_left "$idle" &&
		before=$(spent) && answers=$("$command" "$wanted" "$@") &&
		have_left "$idle" && after=$(spent) && [ "$answers" -ge "$wanted" ] &&
		echo "$(((${after% *} - ${before% *}) / answers))" \
			"$(((${after#* } - ${before#* }) / answers)) $what"
)
