# SPDX-License-Identifier: BSD-2-Clause
#
# Puts programs and the table of their costs into a page, in place of the lines
#
#	.\" PROGRAM name	the program, as it is in name.c
#	.\" PAIRS		a row of tbl(1) for each pair of programs in pairs.h
#
# folder= is where they are; programs= is how many there are, of which each must be
# in the page once, and belong to a pair.

function fail(text)
{
	print "programs.awk: " text >"/dev/stderr"
	failed = 1
	exit 1
}

# To be seen as it is, and to be copied as it is.
function literal(text)
{
	gsub(/\t/, "    ", text)
	if (length(text) > 73)
		fail("too long for a terminal: " text)
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	gsub(/'/, "\\(aq", text)
	gsub(/`/, "\\(ga", text)
	gsub(/\^/, "\\(ha", text)
	gsub(/~/, "\\(ti", text)
	return text == "" || text ~ /^\./ ? "\\&" text : text
}

# From the first #include on: what is above is about the file.
function program(name,   file, line, begun)
{
	file = folder "/" name ".c"
	print ".P\n.EX"
	while ((getline line <file) > 0) {
		begun = begun || line ~ /^#include/
		if (begun)
			print literal(line)
	}
	close(file)
	print ".EE"
	if (!begun)
		fail("there is no " file)
	if (seen[name]++)
		fail(name " is there twice")
	shown++
}

# PAIR(name, "text", 1, 2, 3, 4); becomes name;text;1;2;3;4
function pairs(   file, line, part)
{
	file = folder "/pairs.h"
	while ((getline line <file) > 0) {
		if (line !~ /^PAIR/)
			continue
		gsub(/^PAIR\(|\);$/, "", line)
		split(line, part, /, "|", /)
		gsub(/, /, ";", part[3])
		print part[1] ";" part[2] ";" part[3]
		named[part[1] "-epoll"]
		named[part[1] "-kqueue"]
	}
	close(file)
}

$1 == ".\\\"" && $2 == "PROGRAM" { program($3); next }
$1 == ".\\\"" && $2 == "PAIRS" { pairs(); next }
{ print }

END {
	if (failed)
		exit 1
	for (name in named)
		if (!(name in seen))
			fail(name " is not in the page")
	for (name in seen)
		if (!(name in named))
			fail(name " is in no pair")
	if (shown != programs)
		fail(shown " programs are in the page, of " programs)
}
