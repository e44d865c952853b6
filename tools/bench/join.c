/* The time until many nodes have their blocks, made at once from many mounts, beside that of as many bare transactions of the same
 * shape: through the same gateway, by as many connections that are kept, and nothing done with the answers. */
#include "bench.h"
#include "commands.h"
#include "etcd/etcd.h"
#include "ipam.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 128, CALL_MS = 30000 };

struct join {
	const char *endpoints, *prefix;
	unsigned count, clients, round;
	_Atomic unsigned next, failed;
	int64_t cluster; /* the revision of what every transaction compares */
};

struct client {
	pthread_t thread;
	struct join *j;
	const char *dir; /* a cluster's, in a mount; or NULL */
	struct etcd *etcd;
	int rc;
	struct ipam_error error;
};

static void name_of(const struct join *j, unsigned i, char out[64])
{
	snprintf(out, 64, "join-%u-%05u", j->round, i);
}

/* ---- by the mounts: mkdir, and rmdir when that was measured ---------------------------------------------------------- */

static int tree_step(struct client *c, unsigned i, bool make)
{
	char name[64], path[512];

	name_of(c->j, i, name);
	snprintf(path, sizeof path, "%s/%s", c->dir, name);
	for (int tries = 0; tries < 20; tries++) {
		if ((make ? mkdir(path, 0755) : rmdir(path)) == 0)
			return 0;
		/* An answer that came too late: what was asked may have been done. */
		if (errno == (make ? EEXIST : ENOENT) && tries > 0)
			return 0;
		if (errno != EHOSTUNREACH && !(errno == ENOENT && tries == 0))
			return -errno;
		atomic_fetch_add(&c->j->failed, 1);
		usleep(100000);
	}
	return -errno;
}

/* ---- bare: a record and two blocks, made where there are none ------------------------------------------------------------ */

static struct etcd_key text_key(const char *s)
{
	return (struct etcd_key){ s, strlen(s) };
}

static int bare_step(struct client *c, unsigned i, bool make)
{
	static const char block[] = "{\"node\":\"0123456789abcdef\"}", kinds[] = "n46";
	char name[64], key[3][256], value[192], cluster[256];
	struct etcd_txn *txn = etcd_txn_new();
	int64_t revision;
	int rc;

	if (txn == NULL)
		return -ENOMEM;
	name_of(c->j, i, name);
	snprintf(cluster, sizeof cluster, "%s/bare/cluster", c->j->prefix);
	snprintf(value, sizeof value,
		 "{\"id\":\"0123456789abcdef\",\"machine\":\"\",\"uid\":0,\"gid\":0,\"mode\":493,"
		 "\"made\":1700000000000000000,"
		 "\"cidrs\":\"10.244.%u.0/24\\nfd00:10:244:%x::/64\\n\",\"settings\":\"\"}",
		 i & 255, i);
	if (make)
		etcd_if_revision(txn, text_key(cluster), (struct etcd_key){ 0 }, c->j->cluster);
	for (int k = 0; k < 3; k++) {
		snprintf(key[k], sizeof key[k], "%s/bare/state/%c/0123456789abcdef/%s", c->j->prefix, kinds[k], name);
		if (make) {
			etcd_if_revision(txn, text_key(key[k]), (struct etcd_key){ 0 }, 0);
			etcd_put(txn, text_key(key[k]), k == 0 ? text_key(value) : text_key(block), 0);
		} else {
			etcd_delete(txn, text_key(key[k]), (struct etcd_key){ 0 });
		}
	}
	rc = etcd_commit(c->etcd, txn, CALL_MS, NULL, NULL, &revision, &c->error);
	etcd_txn_free(txn);
	return rc == 1 ? 0 : rc == 0 ? -EEXIST : rc;
}

/* ---- all at once ----------------------------------------------------------------------------------------------------------- */

struct run {
	struct client *client;
	bool make;
};

static void *work(void *arg)
{
	const struct run *run = arg;
	struct client *c = run->client;
	unsigned i;

	while (c->rc == 0 && (i = atomic_fetch_add(&c->j->next, 1)) < c->j->count)
		c->rc = c->dir != NULL ? tree_step(c, i, run->make) : bare_step(c, i, run->make);
	return NULL;
}

static int all(struct join *j, struct client *client, bool make, double *seconds)
{
	struct run run[MOST];
	uint64_t begin = bench_now();
	unsigned n = 0;
	int rc = 0;

	atomic_store(&j->next, 0);
	for (; rc == 0 && n < j->clients; n += rc == 0) {
		run[n] = (struct run){ &client[n], make };
		rc = -pthread_create(&client[n].thread, NULL, work, &run[n]);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(client[i].thread, NULL);
		if (client[i].rc < 0)
			rc = (bench_fail(client[i].rc, "%s %s", client[i].dir != NULL ? client[i].dir : "bare", client[i].error.text),
			      client[i].rc);
	}
	*seconds = (double)(bench_now() - begin) / 1e9;
	return rc;
}

static int open_bare(struct join *j, struct client *bare)
{
	const struct etcd_options options = { .endpoints = j->endpoints };
	char key[256];
	struct etcd_txn *txn;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < j->clients; i++) {
		bare[i] = (struct client){ .j = j };
		rc = etcd_new(&options, &bare[i].etcd, &bare[i].error);
	}
	txn = rc == 0 ? etcd_txn_new() : NULL;
	if (txn == NULL)
		return rc < 0 ? rc : -ENOMEM;
	snprintf(key, sizeof key, "%s/bare/cluster", j->prefix);
	etcd_put(txn, text_key(key), text_key("{}"), 0);
	rc = etcd_commit(bare[0].etcd, txn, CALL_MS, NULL, NULL, &j->cluster, &bare[0].error);
	etcd_txn_free(txn);
	if (rc < 0)
		bench_fail(rc, "%s", bare[0].error.text);
	return rc < 0 ? rc : 0;
}

static int rounds(struct join *j, struct client *tree, struct client *bare, unsigned n, double *ours, double *floor)
{
	double ignored;
	int rc = 0;

	for (j->round = 0; rc == 0 && j->round < n; j->round++) {
		double a = 0, b = 0;

		rc = all(j, tree, true, &a);
		if (rc == 0)
			rc = all(j, bare, true, &b);
		if (rc == 0)
			rc = all(j, tree, false, &ignored);
		if (rc == 0)
			rc = all(j, bare, false, &ignored);
		*ours += a;
		*floor += b;
	}
	return rc;
}

int cmd_join(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "rounds", required_argument, NULL, 'R' },
		{ "record", required_argument, NULL, 'r' },
		{ 0 },
	};
	static struct client tree[MOST], bare[MOST];
	static struct join j;
	double count = 1000, n = 1, ours = 0, floor = 0;
	const char *path = NULL;
	FILE *record;
	int c, rc = 0;

	while (rc == 0 && (c = getopt_long(argc, argv, "n:r:", options, NULL)) != -1) {
		if (c == 'n')
			rc = bench_number("--count", optarg, 1, 60000, &count);
		else if (c == 'R')
			rc = bench_number("--rounds", optarg, 1, 100, &n);
		else if (c == 'r')
			path = optarg;
		else
			rc = -EINVAL;
	}
	if (rc < 0 || argc - optind < 3 || argc - optind - 2 > MOST) {
		fputs("usage: ipamfs-bench join [-n COUNT] [--rounds N] [-r FILE] ENDPOINTS PREFIX CLUSTER-DIR...\n", stderr);
		return 2;
	}
	j = (struct join){
		.endpoints = argv[optind], .prefix = argv[optind + 1], .count = (unsigned)count, .clients = (unsigned)(argc - optind - 2)
	};
	for (unsigned i = 0; i < j.clients; i++)
		tree[i] = (struct client){ .j = &j, .dir = argv[optind + 2 + (int)i] };
	rc = open_bare(&j, bare);
	if (rc == 0)
		rc = rounds(&j, tree, bare, (unsigned)n, &ours, &floor);
	for (unsigned i = 0; i < j.clients; i++)
		etcd_free(bare[i].etcd);
	if (rc < 0)
		return 1;
	printf("%6.0f nodes by %u mounts: %.2f s until all have their blocks, %.0f/s; bare transactions %.2f s: %.2f times theirs; "
	       "%u answers too late\n",
	       count, j.clients, ours / n, count * n / ours, floor / n, ours / floor, atomic_load(&j.failed));
	record = bench_record_open(path);
	if (path != NULL && record == NULL)
		return 1;
	bench_record(record, ours / n, "join.%.0f.seconds", count);
	bench_record(record, ours / floor, "join.%.0f.ratio", count);
	bench_record_close(record);
	return 0;
}
