# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # lib.sh, which is sourced before, has $cache
#
# The cache: what is fetched or built once, for all trees of this user. What
# has its final name there is whole.

# lock_cache NAME: the only one that fills the cache with things called NAME,
# until this script ends. What an interrupted one left behind goes away.
lock_cache() {
	unfinished=$cache/.tmp$1
	mkdir -p "$cache" 2>/dev/null || die "the cache cannot be in $cache: set" \
		"XDG_CACHE_HOME to a folder that can be written to"
	exec 9>"$cache/.lock$1" || exit 1
	flock -n 9 || {
		say "waiting for another '$(basename "$0")' to end"
		flock 9
	}
	rm -rf "$unfinished".*
}

# keep NAME COMMAND...: have COMMAND fill the folder NAME of the cache. It is
# there whole or not at all, whatever happens meanwhile.
keep() {
	name=$1
	shift
	[ ! -d "$cache/$name" ] || return 0
	tmp=$(mktemp -d "$unfinished.XXXXXX") && chmod 755 "$tmp" || return 1
	(cd "$tmp" && "$@")
	case $? in
	0) mv "$tmp" "$cache/$name" && return ;;
	"$no_room" | "$no_use") exit 1 ;;	# another attempt would not help
	esac
	rm -rf "$tmp"
	return 1
}
no_use=29	# the status of a COMMAND that would fail again
tmp=
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM

# The newest folder of the cache whose name starts with $1.
newest_cached() {
	found=$(find "$cache" -maxdepth 1 -name "$1*" | sort -V | tail -n 1)
	[ -n "$found" ] || return 1
	say "apt has no newer one to download: using ${found##*/} from the cache"
	echo "$found"
}

# Print "VERSION PACKAGE" for each of the packages that can be downloaded.
candidates() {
	apt-cache show --no-all-versions "$@" 2>/dev/null |
		awk '/^Package:/ { package = $2 }
		     /^Version:/ { version = $2 }
		     /^$/ { print version, package }'
}

# apt-get as if nothing were installed here, without leaving traces.
apt_for_root() {
	apt-get -q -q -y --no-install-recommends -o Dir::State::status=/dev/null \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o APT::Sandbox::User=root -o Debug::NoLocking=true "$@"
}

# Print what would be installed where nothing is.
needed() {
	apt_for_root --simulate install "$@" 2>/dev/null | grep '^Inst ' | sort
}

# How many MB these packages take, packed and unpacked.
package_size() {
	apt-cache show "$@" | awk '
		/^Size:/ { bytes += $2 }
		/^Installed-Size:/ { bytes += $2 * 1024 }
		END { print int(bytes / 1048576) + 1 }'
}

# Download the packages (NAME=VERSION) into the current folder.
download() {
	need_disk "$cache" "$(package_size "$@")" "${1%%=*}"
	say "downloading $*"
	apt-get -q -q -o APT::Sandbox::User=root download "$@" >&2
}

# Unpack the packages that lie in the current folder.
unpack() {
	for deb in *.deb; do
		dpkg-deb -x "$deb" . || return 1
	done
	rm -f ./*.deb
}

# Print, as a tar file, the package of the kernel's source that lies in the
# current folder. Should that fail half-way, it is for the tar that reads this
# to notice.
kernel_source() {
	dpkg-deb --fsys-tarfile ./linux-source-*.deb |
		tar -xO ./usr/src/linux-source-6.1.tar.xz | xz -T0 -dc
}
