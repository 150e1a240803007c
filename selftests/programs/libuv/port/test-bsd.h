/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests that expect of Linux what only inotify does: that names come with events. */
#include "uv.h"
#undef __linux__
