# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Within a kernel tree: the makefile that kbuild reads. Everywhere else: the
# front door, 'make help' tells what there is.

ifneq ($(KERNELRELEASE)$(obj),)

obj-$(CONFIG_KEVENT) += kmod/

else

KDIR ?= /lib/modules/$(shell uname -r)/build
BUILD ?= build
override BUILD := $(abspath $(BUILD))
# Neither make nor the recipes can cope with spaces there: "clean" would remove
# other folders.
ifneq ($(words $(CURDIR)) $(words $(BUILD)),1 1)
$(error error: the path of this folder, or BUILD, is empty or has a space in it)
endif
PREFIX ?= /usr/local

# The module is built in a folder of its own for each kernel, which has links
# to the sources: what kbuild produces never lands among them.
RELEASE = $(shell cut -d '"' -f 2 $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
MODULE = $(BUILD)/kmod-$(RELEASE)
KBUILD = $(MAKE) -C $(KDIR) M=$(MODULE) CONFIG_KEVENT=m W=$(W) \
	$(if $(W),KCFLAGS=-Werror)
INSTALLED = $(DESTDIR)/lib/modules/$(RELEASE)/updates/kevent.ko

RUN = exec env BUILD=$(BUILD) KERNEL='$(KERNEL)' TEST='$(TEST)' SEED='$(SEED)' \
	selftests/qemu/run

all: lib tools examples man selftests module

module: need_headers
	@mkdir -p $(MODULE)
	@ln -sfn $(CURDIR)/uapi $(BUILD)/uapi
	@find $(MODULE) -type l -delete
	@cd kmod && find . \( -name '*.[ch]' -o -name Kbuild \) ! -name '*.mod.c' | \
		while read -r file; do \
			mkdir -p "$(MODULE)/$${file%/*}" && \
			ln -s "$(CURDIR)/kmod/$$file" "$(MODULE)/$$file"; \
		done
	+$(KBUILD) modules

need_headers:
	@test -n "$(RELEASE)" || { \
		echo "error: no configured kernel in $(KDIR): install the headers" \
			"of the running one (on Debian: apt-get install" \
			"linux-headers-$$(uname -r)), or pass KDIR=<folder>" >&2; \
		exit 1; }

lib:
	$(MAKE) -C userspace BUILD=$(BUILD) lib

examples: lib
	$(MAKE) -C userspace BUILD=$(BUILD) examples

tools: lib
	$(MAKE) -C userspace BUILD=$(BUILD) tools

man:
	$(MAKE) -C userspace BUILD=$(BUILD) man

selftests: lib tools examples
	+dir='$(KSELFTEST)'; \
	[ -n "$$dir" ] || { selftests/qemu/deps uring fuse xz && \
		dir=$$(selftests/qemu/fetch kernel-files); } || exit 1; \
	$(MAKE) -C selftests BUILD=$(BUILD) KSELFTEST="$$dir" all

# io_uring is compared with if it can be had.
bench-programs: lib
	-selftests/qemu/deps uring
	$(MAKE) -C selftests/bench BUILD=$(BUILD)

fuzz-program:
	$(MAKE) -C selftests/fuzz BUILD=$(BUILD)

install: lib tools module
	install -D -m 644 $(MODULE)/kevent.ko $(INSTALLED)
	$(if $(DESTDIR),,depmod $(RELEASE))
	$(MAKE) -C userspace BUILD=$(BUILD) install
	@echo "Installed. Load the module with: modprobe kevent"

uninstall: need_headers
	rm -f $(INSTALLED)
	$(if $(DESTDIR),,depmod $(RELEASE))
	$(MAKE) -C userspace BUILD=$(BUILD) uninstall

deb:
	+@exec env BUILD=$(BUILD) userspace/packaging/build

check check-debug check-all coverage:
	+@$(RUN) $@

check-planted:
	+@exec env BUILD=$(BUILD) NAME='$(NAME)' JOBS='$(JOBS)' selftests/planted/run

check-programs:
	+@exec env BUILD=$(BUILD) KERNEL='$(KERNEL)' PROGRAM='$(PROGRAM)' \
		selftests/programs/run

check-deb:
	+@exec env BUILD=$(BUILD) selftests/packages/run

# make has a variable of this name by itself: "lint".
LINT =
lint:
	+@exec env BUILD=$(BUILD) selftests/lint/run $(ONLY)

# With booting it takes less than a minute, but for the kernel that checks itself.
demo:
	+@$(RUN) exec -n demo demo $(if $(filter debug,$(KERNEL)),-t 240)

shell:
	+@$(RUN) shell

bench:
	+@exec env BUILD=$(BUILD) KERNEL='$(KERNEL)' BENCH='$(BENCH)' \
		CPUS='$(CPUS)' selftests/bench/run

bench-compare:
	@exec env BUILD=$(BUILD) selftests/bench/compare '$(OLD)'

profile-plugin:
	$(MAKE) -C selftests/bench/profile BUILD=$(BUILD)

profile:
	+@exec env BUILD=$(BUILD) KERNEL='$(KERNEL)' BENCH='$(BENCH)' ROW='$(ROW)' \
		COLUMN='$(COLUMN)' ORDER='$(ORDER)' selftests/bench/profile/run

# Draws what a whole "bench" has measured last.
plot:
	@exec env BUILD=$(BUILD) selftests/bench/plot

# Its limit leaves time to boot, and to finish the last round.
fuzz: SECONDS ?= 60
fuzz:
	+@$(RUN) exec -k $(or $(KERNEL),debug) -n fuzz -b fuzz-program \
		-t $$(($(SECONDS) + 600)) \
		"kevent-fuzz -t $(SECONDS) $(if $(SEED),-s $(SEED)) $(FUZZ)"

clean:
	rm -rf $(BUILD)

help:
	@echo "kevent: FreeBSD's kqueue for Linux"
	@echo
	@echo "  make             library, tools, examples, selftests, module (for the running"
	@echo "                   kernel)"
	@echo "  make module      only the module; likewise: lib, tools, examples, man,"
	@echo "                   selftests"
	@echo "  make install     module, library, tools, headers, man pages; and: uninstall."
	@echo "                   Programs for BSDs are then built as kevent-port(7) tells"
	@echo "  make deb         packages for Debian, in build/deb/"
	@echo "  make clean       remove build/, where everything goes that is built"
	@echo
	@echo "In QEMU, with Debian's kernels; what is missing is installed and fetched:"
	@echo "  make demo        a server and all that happens to it: one process, one queue"
	@echo "  make lint        static checks; the tests under AddressSanitizer and UBSAN"
	@echo "  make check       all selftests under the kernels 6.1 and 6.12"
	@echo "  make check-debug the same under a debug kernel, with fuzzer and tests inside"
	@echo "  make check-all   all that, and under the newest and the real-time kernel"
	@echo "  make coverage    which lines of the module the tests reach"
	@echo "  make check-planted  do the tests find bugs? Plants some, one at a time"
	@echo "  make check-programs  do programs of others work? Their own tests, with kqueue;"
	@echo "                   and how many instructions servers take for a request"
	@echo "  make check-deb   the packages: install, upgrade, remove them in a Debian"
	@echo "  make bench       compare with epoll, poll, select and io_uring"
	@echo "  make bench-compare OLD=before.csv  what got slower since then? before.csv is"
	@echo "                   a copy of build/bench/bench.csv, which bench writes"
	@echo "  make profile ROW='write, wait'  in which functions are the instructions that"
	@echo "                   this row of bench counts?"
	@echo "  make plot        draw what bench has measured: selftests/bench/speed.svg"
	@echo "  make fuzz        random use and abuse of the module, checked as far as can be"
	@echo "  make shell       a guest to play in, with the module loaded"
	@echo
	@echo "Variables:"
	@echo "  KDIR=<folder>    build the module for this kernel (headers or build folder)"
	@echo "  KERNEL=6.12      the kernel to boot: 6.1 6.12 6.12-rt newest debug"
	@echo "  BENCH=timer      bench: only these groups, or options (-h shows them)"
	@echo "                   profile: the group of the row, if bench has not run yet"
	@echo "  COLUMN=kevent    profile: only this contender"
	@echo "  ORDER=1          profile: also in the order of execution"
	@echo "  CPUS=4           bench: in time, with so many CPUs (BENCH=producers needs it)"
	@echo "  SECONDS=600      fuzz: for so long (60)"
	@echo "  SEED=1           fuzz: repeat the run with this seed"
	@echo "  FUZZ='-j 8'      fuzz: further options of kevent-fuzz (-h shows them)"
	@echo "  TEST=timer       check...: only these tests (selftests/<room>/<name>.c, kunit,"
	@echo "                   fuzz), or all of a room (TEST=filters)"
	@echo "  KEVENT_RACE_SECONDS=20  check...: let each race last so long, 60 at most"
	@echo "  NAME=double-free check-planted: only these (selftests/planted/<name>.patch)"
	@echo "  PROGRAM=entr     check-programs: only these (selftests/programs/<name>/)"
	@echo "  ONLY=sparse      lint: only these checks (listed in selftests/lint/run)"
	@echo "  W=1              with more warnings, as errors (check always does so)"
	@echo "  PREFIX= DESTDIR= install, uninstall: where to (/usr/local)"
	@echo "  BUILD=<folder>   build there (build)"
	@echo "  KSELFTEST=<dir>  the folder that has kselftest_harness.h (fetched)"

.PHONY: all module need_headers lib tools examples man selftests bench-programs \
	fuzz-program install uninstall deb check check-debug check-all check-planted \
	check-programs check-deb coverage lint demo shell bench bench-compare \
	profile profile-plugin plot fuzz clean help

endif
