# SPDX-License-Identifier: BSD-2-Clause
#
# Makes $(FLAGS), on which depends what is to be built anew when the compiler or
# its flags change. Paths are not in it: what was built for one copy of the tree
# is good for another.

$(FLAGS): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(WARN) $(STATIC) $(LDLIBS)' | cmp -s - $@ || \
		echo '$(CC) $(CFLAGS) $(WARN) $(STATIC) $(LDLIBS)' >$@

.PHONY: FORCE
