// SPDX-License-Identifier: BSD-2-Clause
/* Linked to programs with sanitizers: what those would be told by variables. */

/* No exit status that a test might expect: SIGABRT. */
#define OPTIONS	"abort_on_error=1:color=never:detect_stack_use_after_return=1:" \
		"strict_string_checks=1:print_stacktrace=1"

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return OPTIONS;
}

const char *__ubsan_default_options(void)
{
	return OPTIONS;
}
