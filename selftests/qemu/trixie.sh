# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # lib.sh and private.sh are sourced before
#
# Packages of the next release of Debian: the newest kernels are made for it,
# and so are the tools that compile modules for them. See private.sh for how apt
# gets them.

suite=trixie
within=$(cd "$(dirname "$0")" && pwd)/within

# What a build needs beside what the kernel's headers depend on.
build_tools='bash binutils coreutils dash diffutils findutils grep gzip make mawk
	perl-base sed xz-utils'

# Have all calls of apt be about that release, with lists of today.
trixie_use() {
	uri=$(archive)
	[ -n "$uri" ] || { apt_update && uri=$(archive); }
	[ -n "$uri" ] || return 1
	private_use $suite "$suite and $suite-backports" \
		"deb [signed-by=$keyring] $uri $suite main" \
		"deb [signed-by=$keyring] $uri $suite-backports main"
}

# The packages that the packages need, but for the kernel's own.
tools_for() {
	apt-cache show --no-all-versions "$@" | sed -n 's/^Depends: //p' |
		tr ',' '\n' | sed 's/^ *//; s/[ |].*//' | grep -v '^linux-' |
		sort -u
}

# Only usr/ is of use. What is named in /etc/alternatives is given its name.
fill_toolchain() {
	say "downloading the tools of $suite that compile for that kernel (85 MB)"
	mkdir -p debs/partial
	apt-get -q -q -y --no-install-recommends --download-only \
		-o Dir::Cache::archives="$PWD/debs" install "$@" \
		</dev/null >&2 || return 1
	say "unpacking them"
	for deb in debs/*.deb; do
		dpkg-deb -x "$deb" . || return 1
	done
	find . -mindepth 1 -maxdepth 1 ! -name usr -exec rm -rf {} + &&
		rm -rf usr/share/doc usr/share/locale usr/share/man &&
		mkdir -p usr/local usr/src && ln -s mawk usr/bin/awk && ln -s . toolchain &&
		"$within" "$PWD" as --version >/dev/null
}

# keep_toolchain PACKAGE...: the folder $toolchain of the cache has all that is
# needed to compile with these headers.
keep_toolchain() {
	tools=$(tools_for "$@")
	# A kernel made by a newer compiler warns of an older one.
	# shellcheck disable=SC2086 # a list of words
	toolchain=toolchain-$suite-$({
		echo $build_tools
		candidates $tools
	} | cksum | cut -d ' ' -f 1)
	[ ! -d "$cache/$toolchain" ] || return 0
	"$within" --possible ||
		die "the newest kernel must be compiled for with a newer" \
			"compiler, which needs a mount namespace: try as" \
			"root, or allow users to have namespaces"
	need_disk "$cache" 500 "the tools of $suite"
	# shellcheck disable=SC2086 # lists of words
	keep "$toolchain" fill_toolchain $tools $build_tools
}
