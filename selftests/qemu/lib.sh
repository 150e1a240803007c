# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # used, or set, where this is sourced
#
# What the parts of the runner and lint share: messages, the ways to apt, how
# to build, and what in a kernel's log means trouble.

# What is fetched stays here, for all trees of this user.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kevent

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "error: $*"
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo; then
		say "sudo $*"
		sudo "$@"
	else
		say "this needs root, and there is no sudo. As root, run: $*"
		return 1
	fi
}

# Refresh the package lists, at most once in a run of a script. While another
# apt does it, this one gives up at once, other than an install.
apt_update() {
	[ -z "$updated" ] || return 1
	updated=yes
	say "refreshing the package lists (apt-get update)"
	give_up=$(($(date +%s) + 300))
	until said=$(as_root env LC_ALL=C apt-get -q -q update </dev/null 2>&1); do
		case $said in
		*'Could not get lock'*) ;;
		*) give_up=0 ;;
		esac
		[ "$(date +%s)" -lt "$give_up" ] || {
			say "$said"
			return 1
		}
		sleep 3
	done
	[ -z "$said" ] || say "$said"
}
updated=

# Print how many MB of memory can still be had, of this machine or of the
# group of processes that we are in.
free_memory() {
	free=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
	group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
	read -r max 2>/dev/null <"$group/memory.max" || max=max
	read -r used 2>/dev/null <"$group/memory.current" || used=0
	# What files are cached there makes room when it is needed.
	files=$(awk '/^(in)?active_file / { mb += $2 / 1048576 }
		END { print int(mb) }' "$group/memory.stat" 2>/dev/null)
	if [ "$max" != max ]; then
		max=$(((max - used) / 1048576 + ${files:-0}))
		[ "$max" -ge "$free" ] || free=$max
	fi
	echo "$free"
}

# need_memory MB WHAT
need_memory() {
	[ "$(free_memory)" -ge "$1" ] || die "not enough memory for $2:" \
		"$(free_memory) MB are free, $1 MB are needed"
}

# need_disk FOLDER MB WHAT
need_disk() {
	room=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "${room:-0}" -ge "$2" ] || {
		say "error: not enough room in $1 for $3:" \
			"${room:-0} MB are free, $2 MB are needed"
		exit $no_room
	}
}
no_room=28	# the status then

# Only one of us at a time builds in $build.
lock_build() {
	exec 8>"$build/.lock"
	flock -n 8 || {
		say "waiting for another run in this tree to end"
		flock 8
	}
}

# run_make ARGUMENT...: as one of the jobs of the make that started us, or else
# with one for each CPU.
run_make() {
	case $MAKEFLAGS in
	*jobserver*) ;;
	*) set -- "-j$(nproc)" "$@" ;;
	esac
	${MAKE:-make} --no-print-directory "$@"
}

# need_compiler FOLDER: the one with which the kernel was compiled whose modules
# are made with that folder.
need_compiler() {
	cc=$(sed -n 's/^CC = .*(CROSS_COMPILE)//p' "$1/.kernelvariables" \
		2>/dev/null)
	have "${cc:=gcc}" || "$top/selftests/qemu/deps" "$cc" || exit 1
}

is_splat() {
	case $1 in
	*BUG:* | *' BUG '* | *WARNING:* | *KASAN* | *UBSAN* | *KFENCE* | \
	*Oops* | *'general protection'* | *ODEBUG* | \
	*'unreferenced object'* | *'possible recursive'* | \
	*'possible circular'* | *'inconsistent lock'* | *'suspicious RCU'* | \
	*'non-static key'* | *'memory leak detector disabled'* | \
	*RCU*stall* | *rcu*stall* | *'soft lockup'* | *'hung task'* | \
	*'blocked for more than'* | *'Objects remaining'* | *'Call Trace'* | \
	*'Kernel panic'*)
		return 0 ;;
	esac
	return 1
}
