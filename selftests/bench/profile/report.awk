# SPDX-License-Identifier: BSD-2-Clause
#
# usage: awk -v view=flat|order -v load=N -v pass=LENGTH -f report.awk
#	what=modules FILE what=kernel FILE what=user FILE what=counts FILE
#
# Finds the function to which each address belongs. The last file is what the plugin has
# written, the others are where the module was each time it was loaded, and the symbols
# of the kernel and of the program, sorted.

# The lower 48 bits are exact, and say all.
function value(hex,  i, v) {
	for (i = length(hex) - 11; i <= length(hex); i++)
		v = 16 * v + index("0123456789abcdef", substr(hex, i, 1)) - 1
	return v
}

# The last of the sorted a[1..n] that is not above x, or 0.
function last_below(a, n, x,  low, high, mid) {
	low = 0
	high = n
	while (low < high) {
		mid = int((low + high + 1) / 2)
		if (a[mid] <= x)
			low = mid
		else
			high = mid - 1
	}
	return low
}

function user_name(x,  i) {
	i = last_below(user, nuser, x)
	if (i && i < nuser)
		return user_symbol[i] " [bench]"
	return x > vdso ? "[vdso]" : "[user]"
}

# Code may have gone until the symbols were read: a function of a module is not longer
# than two pages.
function kernel_name(x,  i) {
	if (x + moved >= module_begin && x + moved < module_end)
		x += moved
	i = last_below(kernel, nkernel, x)
	if (!i || kernel_symbol[i] == "_etext" ||
	    (kernel_symbol[i] ~ /\]$/ && x - kernel[i] > 8192))
		return "?"
	return kernel_symbol[i]
}

function name_of(hex) {
	if (hex in known)
		return known[hex]
	if (substr(hex, 1, 1) == "0")
		return known[hex] = user_name(value(hex))
	return known[hex] = kernel_name(value(hex))
}

# Where a function begins, it has been called.
function begins(hex,  x) {
	x = value(hex)
	if (substr(hex, 1, 1) == "0")
		return user[last_below(user, nuser, x)] == x
	if (x + moved >= module_begin && x + moved < module_end)
		x += moved
	return kernel[last_below(kernel, nkernel, x)] == x
}

function step(name) {
	if (name == current) {
		run++
		return
	}
	if (run)
		printf "%12d  %s\n", run, current
	current = name
	run = 1
}

BEGIN {
	vdso = 127 * 2 ^ 40
	sorted = "sort -s -k 1,1nr"
}

what == "modules" { module[modules++] = value($1) }

# Those that only say where padding begins would take the place of what is meant.
what == "kernel" && $3 !~ /^__pfx_/ {
	kernel[++nkernel] = value($1)
	kernel_symbol[nkernel] = $3 ($4 ? " " $4 : "")
	if ($4 == "[kevent]") {
		if (!module_begin)
			module_begin = kernel[nkernel]
		module_end = kernel[nkernel] + 4096
	}
}

what == "user" {
	user[++nuser] = value($1)
	user_symbol[nuser] = $3
}

what != "counts" { next }

FNR == 1 { moved = module[modules - 1] - module[load] }

$1 == "end" || (view == "flat" && FNR == 1) { next }

view == "order" {
	step(name_of($1))
	next
}

{
	name = name_of($1)
	count[name] += $2
	if (begins($1))
		calls[name] += $2
}

# Another program may have come into the place of this one, and is not known.
function forget_user_names(  name, n) {
	for (name in count) {
		if (name !~ / \[bench\]$/)
			continue
		n += count[name]
		delete count[name]
	}
	count["[user]"] += n
}

END {
	if (view == "order") {
		step("")
		exit
	}
	if ("begin_new_exec" in count)
		forget_user_names()
	for (name in count) {
		percent = 100 * count[name] / pass
		if (percent >= 0.05) {
			printf "%12d %6.1f %6s  %s\n", count[name], percent, calls[name],
				name | sorted
		} else {
			few += count[name]
			functions++
		}
	}
	close(sorted)
	if (few)
		printf "%12d %6.1f %6s  (%d more, of less than 0.05 %% each)\n",
			few, 100 * few / pass, "", functions
}
