# SPDX-License-Identifier: BSD-2-Clause
#
# One program of all .c files of a folder, whose Makefile includes this and sets
# PROGRAM, where the result goes below build/; INCLUDES; LIBS. Static, so that it
# also runs in a guest that has nothing else.
#
# BUILD=<dir>  where the results go (absolute; default ../../build)
# W=1          more warnings, and each is an error
# V=1          show the commands

SRC := $(patsubst %/,%,$(dir $(abspath $(firstword $(MAKEFILE_LIST)))))
TOP := $(abspath $(SRC)/../..)
BUILD ?= $(TOP)/build
RESULT := $(BUILD)/$(PROGRAM)
OUT := $(patsubst %/,%,$(dir $(RESULT)))
FLAGS := $(BUILD)/.$(notdir $(OUT))-flags
W ?=

SRCS := $(wildcard $(SRC)/*.c)
OBJS := $(patsubst $(SRC)/%.c,$(OUT)/obj/%.o,$(SRCS))
HEADERS := $(wildcard $(SRC)/*.h $(TOP)/uapi/linux/*.h \
	$(TOP)/userspace/include/sys/*.h)

CFLAGS ?= -O2 -g
STATIC ?= -static
WARN := -Wall -Wextra
ifneq ($(W),)
WARN += -Werror -Wshadow -Wstrict-prototypes -Wold-style-definition \
	-Wmissing-prototypes -Wwrite-strings -Wundef
endif
ALL_CFLAGS = $(CFLAGS) -std=gnu11 $(WARN) -pthread -D_GNU_SOURCE $(INCLUDES)

ifneq ($(V),1)
Q := @
endif

$(RESULT): $(OBJS) $(LIBS)
	$(if $(Q),@printf '  %-7s %s\n' LD $(@:$(BUILD)/%=%))
	$(Q)$(CC) $(ALL_CFLAGS) $(STATIC) -o $@ $^ $(LDLIBS)

$(OUT)/obj/%.o: $(SRC)/%.c $(HEADERS) $(SRC)/Makefile $(SRC)/../program.mk \
		$(FLAGS)
	@mkdir -p $(@D)
	$(if $(Q),@printf '  %-7s %s\n' CC $(@:$(BUILD)/%=%))
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

include $(SRC)/../flags.mk

clean:
	rm -rf $(OUT) $(FLAGS)

.PHONY: clean
.DELETE_ON_ERROR:
