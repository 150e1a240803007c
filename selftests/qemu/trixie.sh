# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # lib.sh, which is sourced before, has $cache
#
# Packages of the next release of Debian: the newest kernels are made for it,
# and so are the tools that compile modules for them. apt looks them up and
# downloads them from the archive that this machine uses anyway, but with lists
# and settings of its own in the cache. The machine's are left alone.

suite=trixie
within=$(cd "$(dirname "$0")" && pwd)/within
private=$cache/apt-$suite
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# What a build needs beside what the kernel's headers depend on.
build_tools='bash binutils coreutils dash diffutils findutils grep gzip make mawk
	perl-base sed xz-utils'

# Print where this machine's apt has Debian from. It knows which of its sources
# that is once it has their lists.
# shellcheck disable=SC2016 # apt-get expands it
archive() {
	apt-get indextargets --format '$(REPO_URI)' 'ORIGIN: Debian' \
		'LABEL: Debian' 'COMPONENT: main' 2>/dev/null |
		grep -E '^(https?|file|copy|mirror)' | head -n 1
}

# From the machine's settings, what tells how to reach the archive.
print_settings() {
	apt-config dump | grep '^Acquire::'
	cat <<-END
		#clear Acquire::Languages;
		Acquire::Languages "none";
		Acquire::GzipIndexes "true";
		#clear APT::Architectures;
		APT::Architectures { "amd64"; };
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		Dir::Etc::main "/dev/null";
		Dir::Etc::parts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::Etc::sourcelist "$private/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::State "$private";
		Dir::State::status "$private/status";
		Dir::Cache "$private";
		Dir::Cache::srcpkgcache "";
	END
}

# Refresh the lists of that release, at most once in a run.
trixie_update() {
	[ -z "$trixie_updated" ] || return 1
	trixie_updated=yes
	say "refreshing the package lists of $suite and $suite-backports"
	apt-get -q -q update </dev/null >&2 && : >"$private/updated" && return
	say "the lists of $suite cannot be had, see above. Should a key be" \
		"missing: apt-get install debian-archive-keyring"
	return 1
}
trixie_updated=

# Have all calls of apt be about that release, with lists of today.
trixie_use() {
	uri=$(archive)
	[ -n "$uri" ] || { apt_update && uri=$(archive); }
	[ -n "$uri" ] || return 1
	# An older file is left alone: apt's cache is good for that one only.
	mkdir -p "$private/lists/partial" "$private/archives/partial" &&
		: >>"$private/status" &&
		print_settings >"$private/apt.conf" || return 1
	for word in $suite $suite-backports; do
		echo "deb [signed-by=$keyring] $uri $word main"
	done >"$private/sources.list"
	export APT_CONFIG="$private/apt.conf"
	[ -n "$(find "$private/updated" -mtime -1 2>/dev/null)" ] ||
		trixie_update || :
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
