// SPDX-License-Identifier: BSD-2-Clause
/*
 * kevwatch: what it tells of files and directories, whatever it is called, and when.
 *
 * It watches two directories, "w" and "sync", below the one that we are in. In the
 * second nothing happens but what shows that everything before was told of. While it
 * is held, as many things as one likes happen at once, as far as it can see.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include "tool.h"

FIXTURE(watch)
{
	struct tool tool;
	int marks;
	char folder[32];
};

FIXTURE_SETUP(watch)
{
	mkdir("/tmp", 01777);
	strcpy(self->folder, "/tmp/kevwatch.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	ASSERT_EQ(0, chdir(self->folder));
	ASSERT_EQ(0, mkdir("w", 0700));
	ASSERT_EQ(0, mkdir("sync", 0700));
	self->tool.pid = 0;
}

FIXTURE_TEARDOWN(watch)
{
	char command[64];

	end_tool(&self->tool);
	if (chdir("/"))
		return;
	snprintf(command, sizeof(command), "rm -rf %s", self->folder);
	if (system(command))
		fprintf(stderr, "# cannot remove %s\n", self->folder);
}

/* --- What happens -------------------------------------------------------------- */

static bool create(const char *path)
{
	return !close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0600));
}

static bool write_to(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | flags, 0600);
	ssize_t len = strlen(text);
	bool ok = write(fd, text, len) == len;

	close(fd);
	return ok;
}

static bool append(const char *path)
{
	return write_to(path, O_APPEND, "more");
}

static bool shell(const char *command)
{
	return !system(command);
}

/* --- The program --------------------------------------------------------------- */

#define START(...)								\
	start_tool(&self->tool, "kevwatch",					\
		   (const char *const[]){ __VA_ARGS__, NULL })

/* Start it, and wait until it watches. */
#define ASSERT_WATCHES(...) do {						\
	START(__VA_ARGS__);							\
	ASSERT_SAYS("kevwatch: watching");					\
} while (0)

static bool hold(const struct tool *tool)
{
	int status;

	return !kill(tool->pid, SIGSTOP) &&
	       waitpid(tool->pid, &status, WUNTRACED) == tool->pid &&
	       WIFSTOPPED(status);
}

static bool go_on(const struct tool *tool)
{
	return !kill(tool->pid, SIGCONT);
}

/* Where the line begins that tells of this mark, or NULL. */
static char *make_mark(struct tool *tool, int mark)
{
	char *begin = tool->said + tool->heard, *line, name[32];

	snprintf(name, sizeof(name), "sync/%04d", mark);
	if (mkdir(name, 0755) || !line_with(tool, name))
		return NULL;
	line = strstr(begin, name);
	while (line > begin && line[-1] != '\n')
		line--;
	return line;
}

/*
 * All that it has said since the last time, about what has happened by now. It tells
 * together of what has happened together, as far as it can see, which may be the first
 * mark and something before that; but not the second.
 */
static const char *lines(struct tool *tool, int *marks)
{
	char *begin = tool->said + tool->heard, *first, *last, *end;

	first = make_mark(tool, ++*marks);
	last = make_mark(tool, ++*marks);
	if (!first || !last)
		return "?";
	*last = '\0';
	end = strchr(first, '\n') + 1;
	memmove(first, end, strlen(end) + 1);
	return begin;
}

#define EXPECT_LINES(text)							\
	EXPECT_STREQ(text, lines(&self->tool, &self->marks))

/* It is told to end, does so well, and has nothing more to say. */
#define EXPECT_ENDS() do {							\
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));				\
	EXPECT_STREQ("", self->tool.said + self->tool.heard);			\
} while (0)

/* --- Files --------------------------------------------------------------------- */

/* What happens to a file in a directory, in a line each. */
TEST_F(watch, file)
{
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(create("w/a"));
	EXPECT_LINES("created w/a\n");
	ASSERT_TRUE(append("w/a"));
	EXPECT_LINES("extended w/a\n");
	ASSERT_TRUE(write_to("w/a", 0, "LESS"));
	EXPECT_LINES("written w/a\n");
	ASSERT_EQ(0, chmod("w/a", 0640));
	EXPECT_LINES("attributes w/a\n");
	ASSERT_EQ(0, utimensat(AT_FDCWD, "w/a", NULL, 0));
	EXPECT_LINES("attributes w/a\n");
	ASSERT_EQ(0, link("w/a", "elsewhere"));
	EXPECT_LINES("linked w/a\n");
	ASSERT_EQ(0, rename("w/a", "w/b"));
	EXPECT_LINES("renamed w/a -> w/b\n");
	ASSERT_TRUE(append("w/b"));
	EXPECT_LINES("extended w/b\n");
	ASSERT_EQ(0, unlink("w/b"));
	EXPECT_LINES("deleted w/b\n");
	EXPECT_ENDS();
}

/* To cut a file is to write it, and to cut it first is nothing of its own. */
TEST_F(watch, cut)
{
	ASSERT_TRUE(write_to("w/a", O_CREAT, "12345"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_EQ(0, truncate("w/a", 3));
	EXPECT_LINES("written w/a\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(write_to("w/a", O_TRUNC, "1"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("written w/a\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(write_to("w/a", O_TRUNC, "1234567"));
	ASSERT_EQ(0, chmod("w/a", 0644));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("extended w/a\nattributes w/a\n");
	EXPECT_ENDS();
}

/* Another name in there has come, of a file that is told to be linked. */
TEST_F(watch, two_names)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_EQ(0, link("w/a", "w/b"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("created w/b\nlinked w/a\n");
	ASSERT_TRUE(append("w/a"));
	EXPECT_LINES("extended w/a\nextended w/b\n");
	ASSERT_EQ(0, unlink("w/a"));
	EXPECT_LINES("deleted w/a\n");
	EXPECT_ENDS();
}

/* What is watched is not opened: a FIFO has no reader by that. */
TEST_F(watch, fifo)
{
	ASSERT_EQ(0, mkfifo("w/old", 0600));
	ASSERT_WATCHES("w", "sync");
	ASSERT_EQ(0, mkfifo("w/new", 0600));
	ASSERT_EQ(0, symlink("nowhere", "w/link"));
	EXPECT_LINES("created w/link\ncreated w/new\n");
	EXPECT_EQ(-1, open("w/old", O_WRONLY | O_NONBLOCK));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, open("w/new", O_WRONLY | O_NONBLOCK));
	EXPECT_EQ(ENXIO, errno);
	ASSERT_EQ(0, chmod("w/new", 0640));
	EXPECT_LINES("attributes w/new\n");
	EXPECT_ENDS();
}

/* A file alone, by a path of its own. */
TEST_F(watch, alone)
{
	ASSERT_TRUE(create("f"));
	ASSERT_TRUE(create("other"));
	ASSERT_WATCHES("f", "sync");
	ASSERT_TRUE(append("other"));
	ASSERT_TRUE(append("f"));
	EXPECT_LINES("extended f\n");
	EXPECT_ENDS();
}

/* --- Directories --------------------------------------------------------------- */

/* Without -r, what is in directories below is not told. */
TEST_F(watch, flat)
{
	ASSERT_EQ(0, mkdir("w/d", 0700));
	ASSERT_TRUE(create("w/d/f"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(create("w/d/g"));
	ASSERT_TRUE(append("w/d/f"));
	ASSERT_EQ(0, chmod("w/d", 0750));
	EXPECT_LINES("attributes w/d\n");
	ASSERT_EQ(0, rename("w/d", "w/e"));
	EXPECT_LINES("renamed w/d -> w/e\n");
	EXPECT_ENDS();
}

/* What was made in a new directory before anybody could watch that is told, too. */
TEST_F(watch, nested)
{
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mkdir -p w/a/b/c; touch w/a/b/c/d w/a/x"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("created w/a\ncreated w/a/b\ncreated w/a/x\n"
		     "created w/a/b/c\ncreated w/a/b/c/d\n");
	ASSERT_TRUE(append("w/a/b/c/d"));
	EXPECT_LINES("extended w/a/b/c/d\n");
	ASSERT_TRUE(create("w/a/b/e"));
	EXPECT_LINES("created w/a/b/e\n");
	EXPECT_ENDS();
}

/* What was there before is watched, and is no news. */
TEST_F(watch, old)
{
	ASSERT_TRUE(shell("mkdir -p w/a/b; touch w/a/b/c"));
	ASSERT_WATCHES("--recursive", "w/", "sync");
	EXPECT_LINES("");
	ASSERT_TRUE(append("w/a/b/c"));
	EXPECT_LINES("extended w/a/b/c\n");
	EXPECT_ENDS();
}

/* What is in a directory that is deleted goes first. */
TEST_F(watch, deleted)
{
	ASSERT_TRUE(shell("mkdir -p w/a/b; touch w/a/1 w/a/b/2"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("rm -r w/a"));
	ASSERT_TRUE(go_on(&self->tool));
	ASSERT_SAYS("deleted w/a/b/2");
	ASSERT_SAYS("deleted w/a/b");
	EXPECT_NE(NULL, strstr(self->tool.said, "deleted w/a/1"));
	EXPECT_LINES("deleted w/a\n");
	EXPECT_ENDS();
}

/* --- Renaming ------------------------------------------------------------------ */

/* A directory that has got another name is watched on, with paths that are true. */
TEST_F(watch, followed)
{
	ASSERT_TRUE(shell("mkdir -p w/a/b; touch w/a/b/f"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_EQ(0, rename("w/a", "w/z"));
	EXPECT_LINES("renamed w/a -> w/z\n");
	ASSERT_TRUE(append("w/z/b/f"));
	EXPECT_LINES("extended w/z/b/f\n");
	ASSERT_TRUE(create("w/z/b/g"));
	EXPECT_LINES("created w/z/b/g\n");
	ASSERT_EQ(0, rename("w/z/b", "w/b"));
	EXPECT_LINES("renamed w/z/b -> w/b\n");
	ASSERT_EQ(0, rename("w/b/f", "w/z/f"));
	EXPECT_LINES("renamed w/b/f -> w/z/f\n");
	EXPECT_ENDS();
}

/* Written and renamed before anybody looks, it has the new name only. */
TEST_F(watch, name_first)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(append("w/a"));
	ASSERT_EQ(0, rename("w/a", "w/b"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("renamed w/a -> w/b\nextended w/b\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(append("w/b"));
	ASSERT_EQ(0, unlink("w/b"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("extended w/b\ndeleted w/b\n");
	EXPECT_ENDS();
}

/* Between two directories that were given, and into one that is new. */
TEST_F(watch, between)
{
	ASSERT_TRUE(shell("mkdir v; touch v/f"));
	ASSERT_WATCHES("-r", "w", "v", "sync");
	ASSERT_EQ(0, rename("v/f", "w/f"));
	EXPECT_LINES("renamed v/f -> w/f\n");
	ASSERT_TRUE(append("w/f"));
	EXPECT_LINES("extended w/f\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mkdir -p v/n/m; mv w/f v/n/m/g"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("created v/n\ncreated v/n/m\nrenamed w/f -> v/n/m/g\n");
	EXPECT_ENDS();
}

/* Out of a directory that is deleted then. */
TEST_F(watch, saved)
{
	ASSERT_TRUE(shell("mkdir -p w/a/b; touch w/a/b/f"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mv w/a/b/f w/f; rm -r w/a"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("renamed w/a/b/f -> w/f\ndeleted w/a/b\ndeleted w/a\n");
	EXPECT_ENDS();
}

/* What is renamed over is deleted, first. */
TEST_F(watch, over)
{
	ASSERT_TRUE(shell("touch w/a w/b; mkdir w/old w/new; touch w/old/f w/new/f"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_EQ(0, rename("w/a", "w/b"));
	EXPECT_LINES("deleted w/b\nrenamed w/a -> w/b\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("rm -r w/old; mv w/new w/old"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("deleted w/old/f\ndeleted w/old\nrenamed w/new -> w/old\n");
	EXPECT_ENDS();
}

/* A name is free before another one gets it; in a circle, one has to go for that. */
TEST_F(watch, rotated)
{
	ASSERT_TRUE(shell("touch w/log w/log.1 w/log.2"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mv w/log.1 w/log.2; mv w/log w/log.1; touch w/log"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("deleted w/log.2\nrenamed w/log.1 -> w/log.2\n"
		     "renamed w/log -> w/log.1\ncreated w/log\n");
	ASSERT_EQ(0, renameat2(AT_FDCWD, "w/log.1", AT_FDCWD, "w/log.2",
			       RENAME_EXCHANGE));
	EXPECT_LINES("deleted w/log.2\nrenamed w/log.1 -> w/log.2\ncreated w/log.1\n");
	EXPECT_ENDS();
}

/* What moves out is told where to, and nothing more; what moves in has come. */
TEST_F(watch, out_and_in)
{
	char line[128];

	ASSERT_TRUE(shell("mkdir w/d; touch w/d/f"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_EQ(0, rename("w/d", "out"));
	snprintf(line, sizeof(line), "renamed w/d -> %s/out\n", self->folder);
	EXPECT_LINES(line);
	ASSERT_TRUE(create("out/g"));
	ASSERT_TRUE(append("out/f"));
	EXPECT_LINES("");
	ASSERT_EQ(0, rename("out", "w/e"));
	EXPECT_LINES("created w/e\ncreated w/e/f\ncreated w/e/g\n");
	ASSERT_TRUE(append("w/e/f"));
	EXPECT_LINES("extended w/e/f\n");
	EXPECT_ENDS();
}

/* A name that is used again is another file's, even if it was renamed away and back. */
TEST_F(watch, again)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("rm w/a; touch w/a"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("deleted w/a\ncreated w/a\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mv w/a w/b; mv w/b w/a"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("");
	ASSERT_TRUE(append("w/a"));
	EXPECT_LINES("extended w/a\n");
	EXPECT_ENDS();
}

/* --- At any time --------------------------------------------------------------- */

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

/* --- Paths that are lost and found again --------------------------------------- */

/* An editor writes a new file and renames it over the old one. */
TEST_F(watch, renamed_over)
{
	int i;

	ASSERT_TRUE(create("f"));
	ASSERT_WATCHES("f", "sync");
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(write_to("f.tmp", O_CREAT, "new"));
		ASSERT_EQ(0, rename("f.tmp", "f"));
		EXPECT_LINES("deleted f\ncreated f\n");
		ASSERT_TRUE(append("f"));
		EXPECT_LINES("extended f\n");
	}
	EXPECT_ENDS();
}

/* Another one renames the old one first, and removes it later. */
TEST_F(watch, backed_up)
{
	char line[128];

	ASSERT_TRUE(create("f"));
	ASSERT_WATCHES("f", "sync");
	ASSERT_EQ(0, rename("f", "f~"));
	snprintf(line, sizeof(line), "renamed f -> %s/f~\n", self->folder);
	EXPECT_LINES(line);
	ASSERT_TRUE(create("f"));
	EXPECT_LINES("created f\n");
	ASSERT_EQ(0, unlink("f~"));
	ASSERT_TRUE(append("f"));
	EXPECT_LINES("extended f\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mv f f~; echo >f; rm f~"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("deleted f\ncreated f\n");
	ASSERT_EQ(0, chmod("f", 0644));
	EXPECT_LINES("attributes f\n");
	EXPECT_ENDS();
}

/* What is deleted is waited for; a directory is watched again with all that is in it. */
TEST_F(watch, comes_back)
{
	ASSERT_TRUE(shell("mkdir d; touch d/1"));
	ASSERT_WATCHES("-r", "d", "sync");
	ASSERT_TRUE(shell("rm -r d"));
	ASSERT_SAYS("deleted d/1");
	EXPECT_LINES("deleted d\n");
	ASSERT_TRUE(create("unrelated"));
	EXPECT_LINES("");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mkdir -p d/e; touch d/e/2"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("created d\ncreated d/e\ncreated d/e/2\n");
	ASSERT_TRUE(append("d/e/2"));
	EXPECT_LINES("extended d/e/2\n");
	EXPECT_ENDS();
}

/* A directory that was given and has got another name is followed, too, and back. */
TEST_F(watch, top_renamed)
{
	char line[160];

	ASSERT_TRUE(shell("mkdir d; touch d/1"));
	ASSERT_WATCHES("d", "sync");
	ASSERT_EQ(0, rename("d", "e"));
	snprintf(line, sizeof(line), "renamed d -> %s/e\n", self->folder);
	EXPECT_LINES(line);
	ASSERT_TRUE(append("e/1"));
	snprintf(line, sizeof(line), "extended %s/e/1\n", self->folder);
	EXPECT_LINES(line);
	ASSERT_EQ(0, rename("e", "d"));
	snprintf(line, sizeof(line), "renamed %s/e -> d\n", self->folder);
	EXPECT_LINES(line);
	ASSERT_TRUE(append("d/1"));
	EXPECT_LINES("extended d/1\n");
	EXPECT_ENDS();
}

/* What was given and moves into a directory that is watched is something in there. */
TEST_F(watch, top_moved)
{
	ASSERT_TRUE(shell("mkdir d; touch d/1 f"));
	ASSERT_WATCHES("-r", "d", "f", "w", "sync");
	ASSERT_EQ(0, rename("d", "w/d"));
	EXPECT_LINES("renamed d -> w/d\n");
	ASSERT_TRUE(append("w/d/1"));
	EXPECT_LINES("extended w/d/1\n");
	ASSERT_EQ(0, rename("f", "w/d/f"));
	EXPECT_LINES("renamed f -> w/d/f\n");
	ASSERT_EQ(0, mkdir("d", 0700));
	EXPECT_LINES("created d\n");
	ASSERT_TRUE(append("w/d/f"));
	EXPECT_LINES("extended w/d/f\n");
	EXPECT_ENDS();
}

/* If the directory goes as well, nothing can come back. */
TEST_F(watch, nothing_left)
{
	ASSERT_TRUE(shell("mkdir d; touch d/f"));
	ASSERT_WATCHES("d/f");
	ASSERT_TRUE(shell("rm -r d"));
	EXPECT_EQ(1, ended(&self->tool));
	ASSERT_SAYS("deleted d/f");
	ASSERT_SAYS("d/f: will not notice if it appears again");
	ASSERT_SAYS("kevwatch: nothing is left to watch");
	EXPECT_STREQ("", self->tool.said + self->tool.heard);
}

/* --- What is told, and how ----------------------------------------------------- */

/* Whatever a file is called, a line is a line, and has what a terminal can show. */
TEST_F(watch, plain)
{
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(create("w/a\nb\\ \033[1m\303\244"));
	EXPECT_LINES("created w/a\\nb\\\\ \\033[1m\303\244\n");
	EXPECT_ENDS();
}

#define BYTES	"w/\377x\300\200\355\240\200\303"
#define SHOWN	"w/\\ufffdx\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"
#define ESCAPED	"\"w/\\\"\\\\\\u000a\\u0001\303\244\360\237\230\200\""
#define HEX	"772fff78c080eda080c3"

/* JSON is UTF-8; other bytes are told as such. */
TEST_F(watch, json)
{
	ASSERT_WATCHES("--json", "w", "sync");
	ASSERT_TRUE(create("w/\"\\\n\001\303\244\360\237\230\200"));
	EXPECT_LINES("{\"event\":\"created\",\"type\":\"file\",\"path\":" ESCAPED "}\n");
	ASSERT_EQ(0, mkdir(BYTES, 0700));
	EXPECT_LINES("{\"event\":\"created\",\"type\":\"directory\",\"path\":\"" SHOWN
		     "\",\"path_hex\":\"" HEX "\"}\n");
	ASSERT_EQ(0, rename(BYTES, "w/d"));
	EXPECT_LINES("{\"event\":\"renamed\",\"type\":\"directory\",\"from\":\"" SHOWN
		     "\",\"from_hex\":\"" HEX "\",\"path\":\"w/d\"}\n");
	EXPECT_ENDS();
}

/* Only what is asked for is told, and use of files only if it is. */
TEST_F(watch, events)
{
	int fd;

	ASSERT_TRUE(write_to("w/a", O_CREAT, "text"));
	ASSERT_WATCHES("-e", "created,opened,closed,closed-write,read", "w", "sync");
	fd = open("w/a", O_RDONLY);
	EXPECT_LINES("opened w/a\n");
	ASSERT_EQ(1, read(fd, &(char){ 0 }, 1));
	EXPECT_LINES("read w/a\n");
	close(fd);
	EXPECT_LINES("closed w/a\n");
	ASSERT_TRUE(append("w/a"));
	ASSERT_SAYS("closed-write w/a");
	ASSERT_EQ(0, chmod("w/a", 0640));
	EXPECT_LINES("");
	EXPECT_ENDS();
}

/* To who does not ask for renaming, something goes and something comes. */
TEST_F(watch, not_renamed)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("--events=created,deleted", "w", "sync");
	ASSERT_EQ(0, rename("w/a", "w/b"));
	EXPECT_LINES("deleted w/a\ncreated w/b\n");
	ASSERT_TRUE(append("w/b"));
	EXPECT_LINES("");
	EXPECT_ENDS();
}

/* Growth is told as writing to who asks for that only. */
TEST_F(watch, written)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("-e", "written,created", "w", "sync");
	ASSERT_TRUE(append("w/a"));
	EXPECT_LINES("written w/a\n");
	EXPECT_ENDS();
}

/* --- The command --------------------------------------------------------------- */

#define COMMAND	"echo run $KEVWATCH_COUNT $KEVWATCH_PATHS; read status <go; exit $status"

/* It runs once for all that happens at a time, and once more for all that comes. */
TEST_F(watch, runs)
{
	ASSERT_EQ(0, mkfifo("go", 0600));
	ASSERT_WATCHES("-x", COMMAND, "-d", "1", "w");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("touch w/1 w/2 w/3"));
	ASSERT_TRUE(go_on(&self->tool));
	ASSERT_SAYS("created w/3");
	ASSERT_SAYS("run 3 w/1 w/2 w/3");
	ASSERT_TRUE(create("w/5"));
	ASSERT_SAYS("created w/5");
	ASSERT_TRUE(create("w/4"));
	ASSERT_SAYS("created w/4");
	ASSERT_TRUE(append("w/5"));
	ASSERT_SAYS("extended w/5");
	ASSERT_TRUE(write_to("go", 0, "3\n"));
	ASSERT_SAYS("kevwatch: the command exited with 3");
	ASSERT_SAYS("run 2 w/4 w/5");
	ASSERT_TRUE(write_to("go", 0, "0\n"));
	ASSERT_SAYS("kevwatch: the command exited with 0");
	EXPECT_ENDS();
}

/* What comes within the delay is one run, and neither sooner nor later. */
TEST_F(watch, delay)
{
	long long begin;

	ASSERT_WATCHES("-x", "echo run $KEVWATCH_COUNT; kill -9 $$", "--delay=2000", "w");
	begin = ts_ms();
	ASSERT_TRUE(create("w/1"));
	ASSERT_SAYS("created w/1");
	ASSERT_TRUE(create("w/2"));
	ASSERT_SAYS("created w/2");
	ASSERT_SAYS("run 2");
	EXPECT_LE(2000, ts_ms() - begin);
	ASSERT_SAYS("kevwatch: the command was killed by signal 9 (Killed)");
	EXPECT_ENDS();
}

/* The command has signals, descriptors and limits as they were. */
TEST_F(watch, inherited)
{
	struct rlimit limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 123;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_WATCHES("-d", "0", "-q", "-x",
		       "echo limit $(ulimit -n); echo fds $(ls /proc/self/fd | wc -l); "
		       "grep -E 'Sig(Blk|Ign)' /proc/self/status; echo end", "w");
	ASSERT_TRUE(create("w/1"));
	ASSERT_SAYS("limit 123");
	ASSERT_SAYS("fds 4");
	ASSERT_SAYS("0000000000000000");
	ASSERT_SAYS("0000000000000000");
	ASSERT_SAYS("end");
	ASSERT_SAYS("exited with 0");
	EXPECT_ENDS();
}

/* --- Limits -------------------------------------------------------------------- */

/* Without descriptors for all files, directories are watched, which is said once. */
TEST_F(watch, few_descriptors)
{
	struct rlimit limit = { .rlim_cur = 16, .rlim_max = 32 };

	ASSERT_TRUE(shell("for i in $(seq 40); do touch w/$i; done"));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	START("-r", "w", "sync");
	ASSERT_SAYS("the limit is reached, RLIMIT_NOFILE is 32");
	ASSERT_SAYS("kevwatch: watching");
	ASSERT_TRUE(shell("mkdir -p w/a/b/c/d/e/f; >w/a/b/c/d/e/f/g"));
	ASSERT_SAYS("created w/a/b/c/d/e/f/g");
	EXPECT_LINES("");
	ASSERT_TRUE(shell("for i in $(seq 40); do mv w/$i w/a/b/$i; done"));
	ASSERT_SAYS("renamed w/40 -> w/a/b/40");
	EXPECT_LINES("");
	ASSERT_TRUE(shell("rm -r w/a"));
	ASSERT_SAYS("deleted w/a\n");
	EXPECT_ENDS();
}

#define MAX_FILES	KQ_PARAM("max_user_files")

/* The same where the module does not let one user watch so many files. */
TEST_F(watch, few_files)
{
	long max = read_number(MAX_FILES);

	ASSERT_TRUE(shell("for i in $(seq 20); do touch w/$i; done"));
	ASSERT_EQ(0, write_number(MAX_FILES, 10));
	START("-r", "w", "sync");
	EXPECT_NE(NULL, line_with(&self->tool,
				  "the limit is reached, the module's max_user_files is 10"));
	EXPECT_NE(NULL, line_with(&self->tool, "kevwatch: watching"));
	EXPECT_TRUE(shell("mkdir -p w/a/b/c; >w/a/b/c/d"));
	EXPECT_NE(NULL, line_with(&self->tool, "created w/a/b/c/d"));
	EXPECT_LINES("");
	EXPECT_ENDS();
	ASSERT_EQ(0, write_number(MAX_FILES, max));
}

/* --- The end ------------------------------------------------------------------- */

/* A path that is not there is named; the rest is watched, and the status says so. */
TEST_F(watch, missing)
{
	START("w", "no/such", "sync");
	ASSERT_SAYS("cannot watch no/such: No such file or directory");
	ASSERT_SAYS("kevwatch: watching");
	ASSERT_TRUE(create("w/1"));
	EXPECT_LINES("created w/1\n");
	EXPECT_EQ(1, stopped(&self->tool, SIGINT));
	START("no/such");
	EXPECT_EQ(1, ended(&self->tool));
	START("/proc/self/fd/1");
	EXPECT_EQ(1, ended(&self->tool));
	ASSERT_SAYS("cannot watch /proc/self/fd/1: Invalid argument");
}

#define NOBODY	65534

/* What may not be read is named, and only its name is watched. */
TEST_F(watch, unreadable)
{
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_TRUE(shell("chmod 755 . w sync; mkdir -m 700 w/closed; >w/open; chmod 644 w/open"));
	ASSERT_TRUE(create("w/secret"));
	ASSERT_EQ(0, seteuid(NOBODY));
	START("-r", "w", "sync");
	ASSERT_EQ(0, seteuid(0));
	ASSERT_SAYS("cannot watch w/closed: Permission denied");
	ASSERT_SAYS("cannot watch w/secret: Permission denied");
	ASSERT_SAYS("kevwatch: watching");
	ASSERT_TRUE(append("w/secret"));
	ASSERT_TRUE(create("w/closed/f"));
	EXPECT_LINES("");
	ASSERT_TRUE(append("w/open"));
	EXPECT_LINES("extended w/open\n");
	ASSERT_EQ(0, rename("w/secret", "w/known"));
	EXPECT_LINES("renamed w/secret -> w/known\n");
	ASSERT_EQ(0, rename("w/closed", "w/shut"));
	EXPECT_LINES("renamed w/closed -> w/shut\n");
	EXPECT_ENDS();
}

/* Asked to end, it does, and has said all that it had to say. */
TEST_F(watch, ends)
{
	ASSERT_WATCHES("w");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(create("w/1"));
	ASSERT_EQ(0, kill(self->tool.pid, SIGINT));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_EQ(0, ended(&self->tool));
	ASSERT_SAYS("created w/1");
}

/* When nobody reads what it says, that is the end, too. */
TEST_F(watch, unread)
{
	ASSERT_WATCHES("w");
	ASSERT_EQ(0, close(self->tool.out));
	ASSERT_TRUE(create("w/1"));
	EXPECT_EQ(0, ended(&self->tool));
}

/* Wrong usage is told, with 2; -h, with 0. */
TEST_F(watch, usage)
{
	START("-h");
	EXPECT_EQ(0, ended(&self->tool));
	ASSERT_SAYS("Usage: kevwatch");
	START("w", "-z");
	EXPECT_EQ(2, ended(&self->tool));
	START("-r");
	EXPECT_EQ(2, ended(&self->tool));
	START("-e", "created,vanished", "w");
	EXPECT_EQ(2, ended(&self->tool));
	ASSERT_SAYS("there is no event 'vanished'");
	START("-e", "", "w");
	EXPECT_EQ(2, ended(&self->tool));
	START("-d", "soon", "w");
	EXPECT_EQ(2, ended(&self->tool));
	ASSERT_SAYS("-d soon: not a number of milliseconds");
}

TEST_HARNESS_MAIN
