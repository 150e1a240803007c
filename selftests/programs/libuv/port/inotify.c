// SPDX-License-Identifier: BSD-2-Clause
/*
 * After a fork, linux-core.c makes the loop's queue anew, and then has inotify watch
 * again what it did. Here that is watched by the queue, as all else.
 */
struct uv_loop_s;

int uv__inotify_fork(struct uv_loop_s *loop, void *old_watchers)
{
	(void)loop;
	(void)old_watchers;
	return 0;
}
