// SPDX-License-Identifier: BSD-2-Clause
/*
 * kevent-fuzz: random, but repeatable, use and abuse of /dev/kevent.
 *
 * It opens, watches and closes only what it has made itself, below a folder of
 * its own in /tmp and on loopback, and leaves nothing behind.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_RUN	30	/* seconds, after which everything must have worked */
#define PROGRESS	10	/* seconds */

struct options opt = { .seconds = 10, .threads = 4, .round = -1 };

static const struct round_kind round_kinds[] = {
	{ "model", round_model }, { "deal", round_deal },
	{ "ends", round_ends }, { "storm", round_storm },
};

static const struct round_kind *kind_of(uint64_t round)
{
	static const unsigned char wheel[] = { 0, 1, 0, 2, 0, 3, 0, 1, 0, 2, 3, 3 };

	return &round_kinds[wheel[round % ARRAY_SIZE(wheel)]];
}

static void usage(FILE *to)
{
	fprintf(to, "Usage: kevent-fuzz [-t seconds] [-s seed] [-j threads] [-r round] [-v]\n"
		"Uses /dev/kevent at random and checks what comes of it.\n"
		"  -t  for so long (%ld); a round that has begun is finished\n"
		"  -s  the seed, to repeat a run (default: another one each time)\n"
		"  -j  threads in each round that has several, 1 to %d (%d)\n"
		"  -r  only this round of the seed, then stop\n"
		"  -v  tell of each round\n", opt.seconds, THREADS_MAX, opt.threads);
}

static unsigned long long parse(char option, const char *arg, unsigned long long max)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(arg, &end, 0);
	if (*arg && *arg != '-' && !*end && !errno && n <= max)
		return n;
	fprintf(stderr, "kevent-fuzz: -%c %s: that is not a number up to %llu\n", option,
		arg, max);
	exit(2);
}

static void parse_options(int argc, char **argv)
{
	int c;

	opt.seed = now_ms() ^ (uint64_t)getpid() << 32;
	while ((c = getopt(argc, argv, "t:s:j:r:vh")) != -1) {
		switch (c) {
		case 't':
			opt.seconds = parse('t', optarg, 10000000);
			break;
		case 's':
			opt.seed = parse('s', optarg, UINT64_MAX);
			break;
		case 'j':
			opt.threads = parse('j', optarg, THREADS_MAX);
			break;
		case 'r':
			opt.round = parse('r', optarg, INT64_MAX);
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc || !opt.threads) {
		usage(stderr);
		exit(2);
	}
}

static void __noreturn give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void prepare(void)
{
	int kq = queue_open(O_CLOEXEC);

	if (kq < 0)
		give_up("/dev/kevent cannot be opened (is the module loaded?)");
	close(kq);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		give_up("memory");
	snprintf(opt.folder, sizeof(opt.folder), "/tmp/kevent-fuzz-XXXXXX");
	if (!mkdtemp(opt.folder))
		give_up("a folder in /tmp");
}

/* There are only files in it, all of them ours. */
static void remove_folder(void)
{
	DIR *dir = opendir(opt.folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(opt.folder);
}

static int errors_seen(void)
{
	int i, n = 0;

	for (i = 0; i < ERRNOS; i++)
		n += !!shared->errors[i];
	return n;
}

static void show_progress(long long ms, uint64_t rounds)
{
	printf("# %lld s: %llu rounds, %lu calls, %lu events, %d different errors\n",
	       ms / 1000, (unsigned long long)rounds, shared->calls, shared->events,
	       errors_seen());
	fflush(stdout);
}

static bool run_round(uint64_t round)
{
	const struct round_kind *kind = kind_of(round);
	long long start = now_ms();

	if (supervise(kind, round)) {
		if (opt.verbose)
			printf("# round %llu (%s): %lld ms\n", (unsigned long long)round,
			       kind->name, now_ms() - start);
		return true;
	}
	printf("# round %llu (%s) has failed; to repeat it: kevent-fuzz -s %llu -j %d -r %llu\n",
	       (unsigned long long)round, kind->name, (unsigned long long)opt.seed,
	       opt.threads, (unsigned long long)round);
	return false;
}

/* Returns whether all rounds were good. */
static bool run_all(void)
{
	long long start = now_ms(), told = start, end = start + opt.seconds * 1000;
	uint64_t round = 0;

	do {
		if (!run_round(round++))
			return false;
		if (now_ms() - told >= PROGRESS * 1000) {
			told = now_ms();
			show_progress(told - start, round);
		}
	} while (now_ms() < end);
	show_progress(now_ms() - start, round);
	return true;
}

int main(int argc, char **argv)
{
	bool good;

	if (argc == 2 && !strcmp(argv[1], "--executed"))
		return life_main();
	if (argc == 2 && !strcmp(argv[1], "--nothing"))
		return 0;
	parse_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# seed %llu, %d threads\n",
	       (unsigned long long)opt.seed, opt.threads);
	prepare();
	sources_find();
	if (!counters_watch())
		printf("# others have queues open: what rounds leave behind is not checked\n");
	good = opt.round >= 0 ? run_round(opt.round) : run_all();
	good = statistics_show(good && opt.round < 0 && opt.seconds >= LONG_RUN) && good;
	remove_folder();
	printf("1..1\n%s 1 fuzz\n", good ? "ok" : "not ok");
	return !good;
}
