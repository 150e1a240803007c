# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # set in lib.sh, and used by others
#
# What this machine's sources of packages do not offer: packages of another
# release, sources. apt looks them up and downloads them from the archive that this
# machine uses anyway, but with lists and settings of its own in the cache. The
# machine's are left alone.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# targets FORMAT FILTER...: a line for each list of Debian's packages that this
# machine's apt has. It knows which of its sources are Debian once it has those.
targets() {
	format=$1
	shift
	apt-get indextargets --format "$format" 'CREATED-BY: Packages' \
		'ORIGIN: Debian' 'COMPONENT: main' "$@" 2>/dev/null |
		grep -E '(^| )(https?|file|copy|mirror)' | awk '!seen[$0]++'
}

# Print where this machine's apt has Debian from.
# shellcheck disable=SC2016 # apt-get expands it
archive() {
	targets '$(REPO_URI)' 'LABEL: Debian' | head -n 1
}

# Print those of the machine's settings that tell how to reach the archive.
print_access() {
	apt-config dump | grep '^Acquire::'
}

print_settings() {
	print_access
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

# private_use NAME WHAT SOURCE...: from here on, have all calls of apt be about these
# sources, with lists of today. WHAT tells people what they are.
private_use() {
	private=$cache/apt-$1 contents=$2
	shift 2
	# An older file is left alone: apt's cache is good for that one only.
	mkdir -p "$private/lists/partial" "$private/archives/partial" &&
		: >>"$private/status" &&
		print_settings >"$private/apt.conf" &&
		printf '%s\n' "$@" >"$private/sources.list" || return 1
	export APT_CONFIG="$private/apt.conf"
	[ -n "$(find "$private/updated" -mtime -1 2>/dev/null)" ] ||
		private_update || :
}

# Refresh these lists, at most once in a run.
private_update() {
	[ "$private_updated" != "$private" ] || return 1
	private_updated=$private
	say "refreshing the package lists of $contents"
	apt-get -q -q update </dev/null >&2 && : >"$private/updated" && return
	say "the lists of $contents cannot be had, see above. Should a key be" \
		"missing: apt-get install debian-archive-keyring"
	return 1
}
private_updated=
