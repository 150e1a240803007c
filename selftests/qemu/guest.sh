# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # run, which sources this, has the folders
#
# A guest: its files, its machine, and what it says.

guest_memory=2048	# MB

# What a caller may change:
append=			# more options for the kernel
command=		# what the guest is to run, see init
cpus=2
patience=3600		# seconds for a guest altogether; 0: as long as it takes
extra=			# folders, what is in which a guest gets as well

# copy_programs FROM TO: all programs of the folder FROM, without symbols.
copy_programs() {
	mkdir -p "$2"
	for file in "$1"/*; do
		[ -f "$file" ] || continue
		[ -x "$file" ] || continue
		strip -o "$2/${file##*/}" "$file" 2>/dev/null ||
			cp "$file" "$2" || exit 1
	done
}

# What the programs in the folders below $1 are linked to, if not static.
copy_libraries() {
	ldd "$1"/*/* 2>/dev/null | grep -o '/[^ ]*' | grep -v ':$' | sort -u |
		while IFS= read -r file; do
			mkdir -p "$1/${file%/*}" && cp -L "$file" "$1$file" ||
				exit 1
		done
}

copy_modules() {
	mkdir -p "$2"
	find "$1" -name '*.ko' | while IFS= read -r module; do
		strip -g -o "$2/${module##*/}" "$module" || exit 1
	done || exit 1
}

# Modules of the kernels themselves, for tests: each after those that it needs.
kernel_modules='udp_tunnel ip6_udp_tunnel crc32c_generic libcrc32c sctp tipc vsock
	vmw_vsock_virtio_transport_common vsock_loopback loop crc16 mbcache jbd2 ext4
	overlay fuse'

# copy_kernel_modules FROM TO: those of $kernel_modules that the kernel in FROM has.
copy_kernel_modules() {
	[ -d "$1/lib/modules" ] || return 0
	mkdir -p "$2"
	for module in $kernel_modules; do
		file=$(find "$1/lib/modules/" -name "$module.ko*")
		case $file in
		*.xz) xz -dc "$file" >"$2/$module.ko" || return 1 ;;
		*.ko) cp "$file" "$2" || return 1 ;;
		esac
	done
}

# What the kernel starts when it looks for a module, even before init. There is
# none to be found, but like the real one it closes a file that it has opened.
make_modprobe() {
	cat <<-'END'
	#!/bin/busybox sh
	exec 3<"$0" 3<&-
	exit 1
	END
}

# A file system for tests is made where it is used.
copy_mke2fs() {
	mke2fs=$(PATH=$PATH:/sbin:/usr/sbin; command -v mke2fs) || return 0
	cp -L "$mke2fs" "$1"
}

# make_initrd DIR MODULES FILE [JOB...]: the guest's root file system for the
# kernel in DIR, with the modules below the folder MODULES; each JOB is a line
# of /etc/job, see init.
make_initrd() {
	root=$tmp/root
	kernel=$1 modules=$2 initrd=$3
	shift 3
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/sbin" "$root/etc"
	busybox=$("$here/fetch" busybox)/busybox || exit 1
	cp "$busybox" "$root/bin/busybox" && cp "$here/init" "$root" || exit 1
	make_modprobe >"$root/sbin/modprobe" && chmod +x "$root/sbin/modprobe" ||
		exit 1
	copy_modules "$modules" "$root/lib/modules"
	copy_kernel_modules "$kernel" "$root/lib/modules/kernel" ||
		die "cannot unpack modules of $kernel"
	copy_programs "$build/examples" "$root/examples"
	copy_programs "$build/tools" "$root/tools"
	copy_programs "$build/selftests" "$root/tests"
	copy_programs "$build/bench" "$root/bench"
	copy_programs "$build/fuzz" "$root/fuzz"
	copy_mke2fs "$root/sbin" || exit 1
	copy_libraries "$root" || exit 1
	printf '%s\n' "$@" "kernel_modules='$kernel_modules'" >"$root/etc/job"
	printf '%s\n' "$command" >"$root/etc/command"
	for folder in "$root" $extra; do
		(cd "$folder" && find . | "$busybox" cpio -o -H newc -R 0:0) || exit 1
	done >"$initrd" || die "cannot pack the guest's files into $initrd"
}

# A kernel without a root file system gets as far as to miss it.
boots_with_kvm() {
	timeout 20 qemu-system-x86_64 -M q35 -cpu max -accel kvm -m 1G \
		-nodefaults -display none -no-reboot -serial stdio \
		-kernel "$1/vmlinuz" -append 'console=ttyS0 panic=-1' \
		</dev/null | grep -q 'Unable to mount root fs'
}

# That there is a /dev/kvm says little: try it, once a boot of this machine, and
# again after an hour, as a "no" may only mean that there was no time or memory.
kvm_works() {
	[ -w /dev/kvm ] && [ -s "$1/vmlinuz" ] || return 1
	find "$cache" -maxdepth 1 -name 'kvm-*' -mmin +60 -delete
	answer=$cache/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [ -s "$answer" ]; then
		:
	elif boots_with_kvm "$1" 2>/dev/null; then
		echo yes >"$answer"
	else
		echo no >"$answer"
	fi
	[ "$(cat "$answer")" = yes ]
}

# choose_accelerator DIR: for guests with kernels such as that in DIR.
choose_accelerator() {
	if kvm_works "$1"; then
		accelerator='-accel kvm'
	else
		# Not thread=multi: QEMU 7.2 then runs stale translations of
		# code that another CPU patches, as ftrace does ("Oops: int3").
		accelerator='-accel tcg,thread=single'
	fi
}

# Print the option that sends the log of the kernel in DIR to a serial port.
# The usual driver takes a lock that must not be taken in an interrupt, as the
# debug kernel sees it: it would complain of itself as soon as it has something
# to say there, and not check any lock after that. The early one takes none, and
# a console by name keeps the usual one from being chosen.
console_option() {
	if has_option "$1" CONFIG_PROVE_RAW_LOCK_NESTING; then
		echo console=null earlyprintk=ttyS0,115200,keep
	else
		echo console=ttyS0
	fi
}

# Where locks can be counted that is left to who wants to know, as it takes time.
lock_option() {
	if has_option "$1" CONFIG_LOCK_STAT; then
		echo lockdep.lock_stat=0
	fi
}

# guest DIR INITRD OPTION...: boot the kernel in DIR. Where the machine is busy, an
# emulated timer is late, for which the kernel would give up (no_timer_check).
guest() {
	kernel=$1/vmlinuz initrd=$2 console=$(console_option "$1")
	locks=$(lock_option "$1")
	shift 2
	# shellcheck disable=SC2086 # lists of words
	exec timeout --foreground "$patience" qemu-system-x86_64 \
		-M q35 -cpu max ${machine:-$accelerator -smp $cpus} \
		-m $guest_memory \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$kernel" -initrd "$initrd" -append "$console $locks \
panic=-1 oops=panic no_timer_check printk.devkmsg=on loglevel=7 $append" "$@"
}
machine=

# guest_lines DIR WORK OPTION...: the same with WORK/initrd; prints what it
# says line by line, kernel messages with "kernel: " in front.
guest_lines() {
	work=$2
	mkfifo "$work/kernel" "$work/user"
	sed -u 's/\r$//; s/^/kernel: /' <"$work/kernel" &
	sed -u 's/\r$//' <"$work/user" &
	(
		dir=$1
		shift 2
		guest "$dir" "$work/initrd" -serial "file:$work/kernel" \
			-serial "file:$work/user" "$@"
	) </dev/null >&2 &
	echo $! >"$work/pid"
	wait $!
	rm -f "$work/pid"
	# Should it not even have opened them, nobody else will.
	exec 6<>"$work/kernel" 7<>"$work/user" 6>&- 7>&-
	wait
}

# watch WORK LOG SECONDS: stop the guest if LOG has not grown for so long.
watch() {
	while sleep 5 >/dev/null 2>&1 && [ -d "$1" ]; do
		age=$(($(date +%s) - $(stat -c %Y "$2")))
		[ $age -lt "$3" ] || [ ! -s "$1/pid" ] || {
			say "the guest has said nothing for $age s: stopping it"
			kill "$(cat "$1/pid")"
		}
	done
}

# All guests have a folder in $tmp, with the process id in the file pid.
cleanup() {
	for child in $children $(cat "$tmp"/*/pid 2>/dev/null); do
		kill "$child" 2>/dev/null
	done
	# Who still waits that a guest opens these has to end, too.
	for fifo in "$tmp"/*/kernel "$tmp"/*/user; do
		[ ! -p "$fifo" ] || : 6<>"$fifo"
	done
	rm -rf "$tmp" ${builtin:+"$builtin"}
}
children=
builtin=	# the kernel with the module built in, if this run may make one
