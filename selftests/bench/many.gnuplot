# SPDX-License-Identifier: BSD-2-Clause
#
# What it costs that there are more: a panel for each row of which there are several with
# other numbers. ./plot sets release, panels (how many), and many: a file with a line
# "COLUMNS TABLE TAB ROW" for each, whose data are in many.1 ...

across = panels < 3 ? panels : 3
down = (panels + across - 1) / across
set terminal svg size 380 * across,60 + 285 * down font "sans-serif,11" noenhanced \
	background "#ffffff"

set linetype 1 linecolor rgb 0x2a7f9e linewidth 2 pointtype 7
set linetype 2 linecolor rgb 0xd07a2d linewidth 2 pointtype 7
set linetype 3 linecolor rgb 0x7a7a7a linewidth 1 pointtype 6
set linetype 4 linecolor rgb 0x9a6fb0 linewidth 1 pointtype 6
set linetype 5 linecolor rgb 0x5a9a4a linewidth 1 pointtype 6

set multiplot layout down,across title "More of them (N): what an operation takes," \
	." Linux ".release font "sans-serif,15"
set logscale xy
set format x "%g"
set format y "%.0f"
set key below samplen 2
set lmargin 10
set grid ytics linetype 1 linewidth 1 linecolor rgb 0xe6e6e6
set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
do for [i = 1:panels] {
	about = system(sprintf("sed -n %dp '%s'", i, many))
	columns = int(word(about, 1))
	space = strstrt(about, " ")
	tab = strstrt(about, "\t")
	set title about[space + 1:tab - 1]."\n".about[tab + 1:*] font "sans-serif,11"
	plot for [k = 1:columns] sprintf("%s.%d", many, i) using 1:k + 1 \
		with linespoints linetype k title columnheader(k + 1)
}
unset multiplot
