# SPDX-License-Identifier: BSD-2-Clause
#
# The pictures of ratios that ./plot makes, which sets ratios (a file) and release (of
# the kernel), and may set these:
if (!exists("places")) places = 20		# lines, from above
if (!exists("names")) names = 288.1		# pixels for what they are called
if (!exists("longest")) longest = 1.9		# what is more ends there
if (!exists("heading")) heading = \
	"Instructions that an operation takes: kqueue, compared with epoll"
if (!exists("one")) one = "epoll = 1"

width = int(572 + names)
line = 22.2
height = int(153 + line * (places + 0.6))
set terminal svg size width,height font "sans-serif,13" noenhanced background "#ffffff"

less = 0x2a7f9e
more = 0xd07a2d
dark = 0x222222
gray = 0x666666

# Bars from above, with room for what they are called.
half = 0.36
set yrange [places + 0.8:0.2]
set xrange [0:longest]
set lmargin at screen names / (width + 0.0)
set rmargin at screen 0.985
set tmargin at screen 1 - 79.3 / height
set bmargin at screen 73.2 / height
unset key
set border 0
set ytics scale 0 textcolor rgb dark
set xtics scale 0 0.25 format "%.2f" textcolor rgb gray
set grid xtics linetype 1 linecolor rgb 0xe6e6e6
set arrow from 1,graph 0 to 1,graph 1 nohead front linewidth 1.5 linecolor rgb dark

set label heading at screen 0.02,1 - 27.5 / height font "sans-serif,17" textcolor rgb dark
above = 1 + 11.4 / (height - 152.5)
set label one at 1,graph above center textcolor rgb dark
set label "less: kqueue takes fewer" at 0.86,graph above right textcolor rgb less
set label "more" at 1.14,graph above left textcolor rgb more
set label "In brackets: what epoll needs besides, or what is used instead of it. Of an event,"\
	." kqueue also tells how much there is.\nMedians of instructions counted by QEMU,"\
	." Linux ".release."." \
	at screen 0.02,30.5 / height font "sans-serif,11" textcolor rgb gray

end(ratio) = ratio < longest ? ratio : longest
inside(ratio) = ratio <= 1 || ratio >= longest
plot ratios using (end($2)):1:(0):(end($2)):($1 - half):($1 + half):($2 > 1 ? more : less):ytic(3) \
		with boxxyerror fillstyle solid 1 noborder linecolor rgb variable, \
	ratios using (inside($2) ? end($2) : NaN):1:(sprintf("%.2f", $2)) \
		with labels right offset -0.6,0 textcolor rgb 0xffffff, \
	ratios using (inside($2) ? NaN : $2):1:(sprintf("%.2f", $2)) \
		with labels left offset 0.6,0 textcolor rgb dark
