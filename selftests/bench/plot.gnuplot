# SPDX-License-Identifier: BSD-2-Clause
#
# The picture that ./plot makes, which sets ratios (a file) and release (of the kernel).

set terminal svg size 860,610 font "sans-serif,13" noenhanced background "#ffffff"

less = 0x2a7f9e
more = 0xd07a2d
dark = 0x222222
gray = 0x666666

# Bars from above, with room for what they are called.
half = 0.36
set yrange [20.8:0.2]
set xrange [0:1.9]
set lmargin at screen 0.335
set rmargin at screen 0.985
set tmargin at screen 0.87
set bmargin at screen 0.12
unset key
set border 0
set ytics scale 0 textcolor rgb dark
set xtics scale 0 0.25 format "%.2f" textcolor rgb gray
set grid xtics linetype 1 linecolor rgb 0xe6e6e6
set arrow from 1,graph 0 to 1,graph 1 nohead front linewidth 1.5 linecolor rgb dark

set label "Instructions that an operation takes: kqueue, compared with epoll" \
	at screen 0.02,0.955 font "sans-serif,17" textcolor rgb dark
set label "epoll = 1" at 1,graph 1.025 center textcolor rgb dark
set label "less: kqueue takes fewer" at 0.86,graph 1.025 right textcolor rgb less
set label "more" at 1.14,graph 1.025 left textcolor rgb more
set label "In brackets: what epoll needs besides, or what is used instead of it. Of an event,"\
	." kqueue also tells how much there is.\nMedians of instructions counted by QEMU,"\
	." Linux ".release."." \
	at screen 0.02,0.05 font "sans-serif,11" textcolor rgb gray

plot ratios using 2:1:(0):2:($1 - half):($1 + half):($2 > 1 ? more : less):ytic(3) \
		with boxxyerror fillstyle solid 1 noborder linecolor rgb variable, \
	ratios using ($2 > 1 ? NaN : $2):1:(sprintf("%.2f", $2)) \
		with labels right offset -0.6,0 textcolor rgb 0xffffff, \
	ratios using ($2 > 1 ? $2 : NaN):1:(sprintf("%.2f", $2)) \
		with labels left offset 0.6,0 textcolor rgb dark
