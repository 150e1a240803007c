// SPDX-License-Identifier: BSD-2-Clause
/* kevwatch: what it tells is true, whatever happens meanwhile. */
#include "watch.h"

#define PATHS		512
#define PATH_ROOM	256
#define STEPS		2000

/* What there must be, according to what was said. */
struct picture {
	char path[PATHS][PATH_ROOM];
	int n;
	bool wrong;
};

static int find_path(const struct picture *p, const char *path)
{
	int i;

	for (i = 0; i < p->n && strcmp(p->path[i], path); i++)
		;
	return i < p->n ? i : -1;
}

static void must(struct picture *p, bool what, const char *line)
{
	if (!what && !p->wrong)
		printf("# cannot be: %s\n", line);
	p->wrong |= !what;
}

static void add_path(struct picture *p, const char *path)
{
	if (p->n < PATHS)
		snprintf(p->path[p->n++], sizeof(p->path[0]), "%s", path);
}

/* The path, and those of all that is in it. */
static void rename_paths(struct picture *p, const char *from, const char *to)
{
	char rest[PATH_ROOM];
	size_t len = strlen(from);
	int i;

	for (i = 0; i < p->n; i++) {
		if (strncmp(p->path[i], from, len) ||
		    (p->path[i][len] && p->path[i][len] != '/'))
			continue;
		strcpy(rest, p->path[i] + len);
		must(p, strlen(to) + strlen(rest) < PATH_ROOM, to);
		strcpy(p->path[i], to);
		strncat(p->path[i], rest, PATH_ROOM - strlen(to) - 1);
	}
}

/* What it says becomes true. */
static void apply_line(struct picture *p, const char *line)
{
	char from[PATH_ROOM], to[PATH_ROOM];
	int i;

	if (sscanf(line, "renamed %255s -> %255s", from, to) == 2) {
		must(p, find_path(p, from) >= 0, line);
		rename_paths(p, from, to);
	} else if (sscanf(line, "created %255s", to) == 1) {
		must(p, find_path(p, to) < 0, line);
		add_path(p, to);
	} else if (sscanf(line, "deleted %255s", from) == 1) {
		i = find_path(p, from);
		must(p, i >= 0, line);
		if (i >= 0)
			strcpy(p->path[i], p->path[--p->n]);
	}
}

/* Two processes rename, make and remove directories and files, all over each other. */
static void churn(unsigned int seed)
{
	static const char *const names[] = { "a", "b", "c" };
	char path[2][64];
	int i, j, k, depth;

	srand(seed);
	for (i = 0; i < STEPS; i++) {
		for (j = 0; j < 2; j++) {
			strcpy(path[j], "w");
			depth = 1 + rand() % 3;
			for (k = 0; k < depth; k++) {
				strcat(path[j], "/");
				strcat(path[j], names[rand() % 3]);
			}
		}
		switch (rand() % 5) {
		case 0:
			close(open(path[0], O_CREAT | O_WRONLY, 0600));
			break;
		case 1:
			mkdir(path[0], 0700);
			break;
		case 2:
			remove(path[0]);
			break;
		default:
			rename(path[0], path[1]);
		}
	}
	_exit(0);
}

/* Take what it has said by now; false: nothing. */
static bool apply_lines(struct tool *tool, struct picture *p)
{
	char *line = tool->said, *end;

	if (!read_more(tool))
		return false;
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		apply_line(p, line);
	}
	tool->len -= line - tool->said;
	memmove(tool->said, line, tool->len + 1);
	tool->heard = 0;
	return true;
}

/* Is all that in there, and nothing else? */
static bool is_true(const struct picture *p)
{
	FILE *f = popen("find w -mindepth 1", "r");
	char line[PATH_ROOM];
	int n = 0;

	while (fscanf(f, "%255s", line) == 1) {
		n++;
		if (find_path(p, line) >= 0)
			continue;
		printf("# there is %s, of which was nothing said\n", line);
		p = NULL;
		break;
	}
	pclose(f);
	if (p && n != p->n)
		printf("# there are %d, not %d\n", n, p->n);
	return p && n == p->n;
}

/* Whatever happens meanwhile: who does what the lines say has what is there. */
TEST_F(watch, churn)
{
	static const char *const end[] = { "sync/1", "sync/2" };
	static struct picture picture;
	pid_t pid[2];
	int i, left = 2;

	ASSERT_WATCHES("-r", "-e", "created,deleted,renamed", "w", "sync");
	memmove(self->tool.said, self->tool.said + self->tool.heard, 1);
	self->tool.len -= self->tool.heard;
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		if (!pid[i])
			churn(i);
	}
	while (left) {
		apply_lines(&self->tool, &picture);
		for (i = 0; i < 2; i++)
			if (pid[i] && waitpid(pid[i], NULL, WNOHANG)) {
				pid[i] = 0;
				left--;
			}
	}
	/* As in lines(): what is told with the first may come after it. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, mkdir(end[i], 0700));
		ASSERT_TRUE(WAIT_FOR(({
			apply_lines(&self->tool, &picture);
			find_path(&picture, end[i]) >= 0;
		})));
	}
	apply_line(&picture, "deleted sync/1");
	apply_line(&picture, "deleted sync/2");
	EXPECT_FALSE(picture.wrong);
	EXPECT_TRUE(is_true(&picture));
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
}

TEST_HARNESS_MAIN
