/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included into every file that is compiled with sanitizers: what those would
 * otherwise be told by variables. To end with a status that a test might
 * expect is no option: it has to be SIGABRT.
 */
#ifndef KEVENT_LINT_OPTIONS_H
#define KEVENT_LINT_OPTIONS_H

#define SANITIZER_OPTIONS \
	"abort_on_error=1:color=never:detect_stack_use_after_return=1:" \
	"strict_string_checks=1:print_stacktrace=1"

/* Defined in every file, in some of which nothing else is visible outside. */
#define WEAK	__attribute((weak, visibility("default")))

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

WEAK const char *__asan_default_options(void)
{
	return SANITIZER_OPTIONS;
}

WEAK const char *__ubsan_default_options(void)
{
	return SANITIZER_OPTIONS;
}

#endif /* KEVENT_LINT_OPTIONS_H */
