/* Damaged databases by seed: each is repaired and judged.
 *
 *     damage IPAMCTL [--seed N] [--count N] [--seconds N] [--sweep pages|rows|log] */
#include "damage.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { KINDS = 64, CASES_A_LIFE = 100 };

static struct {
	char kind[40];
	unsigned cases, wrong;
	double longest;
} seen[KINDS];

static void count(const char *kind, unsigned wrongs, double seconds)
{
	int i = 0;

	while (seen[i].kind[0] != 0 && strcmp(seen[i].kind, kind) != 0 && i < KINDS - 1)
		i++;
	snprintf(seen[i].kind, sizeof seen[i].kind, "%s", kind);
	seen[i].cases++;
	seen[i].wrong += wrongs > 0;
	if (seconds > seen[i].longest)
		seen[i].longest = seconds;
}

static void new_life(struct life *l, struct truth *t, const char *dir, uint64_t seed)
{
	char path[300];

	life_make(l, dir, seed);
	snprintf(path, sizeof path, "%s/truth.db", dir);
	bytes_write(path, &l->moment[MOMENTS - 1]);
	truth_take(t, path);
	unlink(path);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 't' },
		{ "sweep", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t seed = 1, most = UINT64_MAX, cases = 0, wrongs = 0;
	time_t begun = time(NULL), seconds = 0;
	/* In memory, where there is such a place: no disk is asked to sync thousands of databases. */
	char shm[] = "/dev/shm/ipamfs-damage.XXXXXX", tmp[] = "/tmp/ipamfs-damage.XXXXXX", *dir = shm, path[300];
	struct life life = { .page = 0 };
	struct truth truth = { .n = 0 };
	enum sweep sweep = SWEEP_NONE;
	int o;

	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (o == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (o == 'c')
			most = strtoull(optarg, NULL, 10);
		else if (o == 't')
			seconds = atoi(optarg);
		else if (o == 'w')
			sweep = optarg[0] == 'p' ? SWEEP_PAGES : optarg[0] == 'r' ? SWEEP_ROWS : SWEEP_LOG;
		else
			return 2;
	}
	if (argc - optind != 1 || (mkdtemp(dir) == NULL && mkdtemp(dir = tmp) == NULL))
		return 2;
	snprintf(path, sizeof path, "%s/ipam.db", dir);
	for (uint64_t i = 0; i < most && (seconds == 0 || time(NULL) - begun < seconds); i++) {
		struct damage d;
		double took = 0;
		unsigned w;

		/* A seed by itself makes the same case again. */
		if (i == 0 || (sweep == SWEEP_NONE && (seed + i) % CASES_A_LIFE == 0)) {
			if (life.page != 0) {
				life_free(&life);
				truth_free(&truth);
			}
			new_life(&life, &truth, dir, (seed + i) / CASES_A_LIFE);
		}
		if (sweep == SWEEP_NONE)
			damage_make(&d, &life, &truth, path, (seed + i) * 7919);
		else if (!damage_next(&d, &life, &truth, path, sweep, (unsigned)i))
			break;
		w = judge(&d, &truth, path, argv[optind], seed + i, &took);
		count(d.kind, w, took);
		wrongs += w > 0;
		cases++;
		fflush(stdout);
	}
	if (life.page != 0) {
		life_free(&life);
		truth_free(&truth);
	}
	for (int i = 0; i < KINDS && seen[i].kind[0] != 0; i++)
		printf("%-24s %6u cases, %u wrong, the longest %.1f s\n", seen[i].kind, seen[i].cases, seen[i].wrong, seen[i].longest);
	printf("%llu cases from seed %llu, %llu wrong\n", (unsigned long long)cases, (unsigned long long)seed, (unsigned long long)wrongs);
	if (rmdir(dir) < 0)
		perror(dir);
	return wrongs > 0;
}
