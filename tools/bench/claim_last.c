#include "base/cidr.h"
#include "bench.h"
#include "commands.h"
#include "registry/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BITS = 20,           /* a /12 of IPv4 addresses */
	POOL_CLAIMS = 10000, /* in one go */
	POOL_ROUNDS = 30,
	MOUNT_ROUNDS = 2000,
};

/* ---- the pool alone --------------------------------------------------------------------------------------- */

/* Nanoseconds to claim the next address and release it again: kept if less than the least so far, since whatever else
 * the machine does adds to it. */
static int claim_release(struct pool *p, double *least)
{
	uint64_t begin = bench_now();
	double ns;
	u128 slot;
	int rc = 0;

	for (int i = 0; rc == 0 && i < POOL_CLAIMS; i++) {
		rc = pool_claim_next(p, &slot);
		if (rc == 0)
			rc = pool_release(p, slot);
	}
	ns = (double)(bench_now() - begin) / POOL_CLAIMS;
	if (ns < *least)
		*least = ns;
	return rc;
}

static int measure_pool(FILE *record)
{
	const struct cidr prefix = { (u128)0x0a100000, CIDR_V4, 32 - BITS };
	struct pool empty = { 0 }, full = { 0 };
	double first = 1e9, last = 1e9;
	u128 slot;
	int rc = pool_init(&empty, &prefix, 32);

	if (rc == 0)
		rc = pool_init(&full, &prefix, 32);
	while (rc == 0 && pool_free(&full) > 0)
		rc = pool_claim_next(&full, &slot);
	/* The one hole lies before the cursor from the second claim on: the search goes to the end and comes round. */
	if (rc == 0)
		rc = pool_release(&full, (u128)1 << (BITS - 1));
	for (int round = 0; rc == 0 && round < POOL_ROUNDS; round++) {
		rc = claim_release(&empty, &first);
		if (rc == 0)
			rc = claim_release(&full, &last);
	}
	pool_close(&empty);
	pool_close(&full);
	if (rc < 0)
		return bench_fail(rc, "claiming from a pool");
	printf("claim and release in the pool of a /12: first address %.0f ns, last free one %.0f ns, %.2f times\n", first, last,
	       last / first);
	bench_record(record, last / first, "claim-last.pool");
	return 0;
}

/* ---- through a mount -------------------------------------------------------------------------------------- */

struct place {
	const char *node; /* a directory below the mount that `generate` made */
	int dir;
	uint32_t ns[MOUNT_ROUNDS];
};

static int claim_one(struct place *p, int round)
{
	uint64_t begin;
	char name[32];
	int fd;

	snprintf(name, sizeof name, "claim-%d", round);
	begin = bench_now();
	fd = openat(p->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || close(fd) < 0)
		return -errno;
	p->ns[round] = (uint32_t)(bench_now() - begin);
	return unlinkat(p->dir, name, 0) < 0 ? -errno : 0;
}

static int measure_places(int mount, struct place *place, FILE *record)
{
	double first, last;
	int rc = 0;

	for (int i = 0; rc == 0 && i < 2; i++) {
		place[i].dir = openat(mount, place[i].node, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (place[i].dir < 0)
			rc = bench_fail(-errno, "%s (of `ipamfs-bench generate`)", place[i].node);
	}
	/* In turn, so that drift hits both. */
	for (int round = 0; rc == 0 && round < MOUNT_ROUNDS; round++) {
		for (int i = 0; rc == 0 && i < 2; i++) {
			int error = claim_one(&place[i], round);

			if (error < 0)
				rc = bench_fail(error, "claiming in %s", place[i].node);
		}
	}
	if (rc != 0)
		return rc;
	first = bench_percentile(place[0].ns, MOUNT_ROUNDS, 0.5) / 1e3;
	last = bench_percentile(place[1].ns, MOUNT_ROUNDS, 0.5) / 1e3;
	printf("create+close in the mount, p50: first address %.1f us, last free one %.1f us, %.2f times\n", first, last, last / first);
	bench_record(record, last / first, "claim-last.mount");
	return 0;
}

static int measure_mount(const char *path, FILE *record)
{
	struct place *place = calloc(2, sizeof *place);
	int mount = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 1;

	if (place == NULL || mount < 0) {
		bench_fail(-errno, "%s", path);
	} else {
		place[0] = (struct place){ .node = "empty/node-00000", .dir = -1 };
		place[1] = (struct place){ .node = "full/node-00000", .dir = -1 };
		rc = measure_places(mount, place, record);
		for (int i = 0; i < 2; i++)
			if (place[i].dir >= 0)
				close(place[i].dir);
	}
	if (mount >= 0)
		close(mount);
	free(place);
	return rc;
}

int cmd_claim_last(int argc, char **argv)
{
	static const struct option options[] = { { "record", required_argument, NULL, 'r' }, { 0 } };
	const char *path = NULL;
	FILE *record = NULL;
	int c, rc;

	while ((c = getopt_long(argc, argv, "r:", options, NULL)) == 'r')
		path = optarg;
	if (c != -1 || argc - optind > 1) {
		fputs("usage: ipamfs-bench claim-last [-r FILE] [MOUNT]\n"
		      "MOUNT has the clusters `empty` and `full` of `generate`, each with one node of a /12; in the\n"
		      "full one a single address is free. Without it the pool of libipam alone is measured.\n",
		      stderr);
		return 2;
	}
	if (path != NULL && (record = bench_record_open(path)) == NULL)
		return 1;
	rc = measure_pool(record);
	if (rc == 0 && argc > optind)
		rc = measure_mount(argv[optind], record);
	bench_record_close(record);
	return rc;
}
