#include "generate.h"

#include "base/cidr.h"
#include "bench.h"
#include "commands.h"
#include "db.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Leases begin behind the network address and the gateway. */
enum { FIRST_LEASE = 2 };

static int add_cluster(struct bench_db *b, const struct generate *g, const struct cidr *cidr)
{
	char sql[1024], first[33], last[33];

	b->boot = bench_db_id(b);
	b->cluster = bench_db_id(b);
	cidr_print_key(CIDR_V4, cidr->base, first);
	cidr_print_key(CIDR_V4, cidr_last(cidr), last);
	sqlite3_snprintf(
		sizeof sql, sql,
		"INSERT INTO boot VALUES (%lld, 'generated-%lld');"
		"INSERT INTO cluster (id, name, uid, gid, mode, atime, mtime, ctime, btime) VALUES (%lld, %Q, 0, 0, 493, 0, 0, 0, 0);"
		"INSERT INTO cidr (cluster, position, cidr, node_mask, first_key, last_key)"
		" VALUES (%lld, 0, %Q, %u, %Q, %Q)",
		b->boot, b->boot, b->cluster, g->cluster, b->cluster, g->cidr, g->mask, first, last);
	return bench_db_exec(b, sql);
}

static int add_node(struct bench_db *b, sqlite3_stmt *node, sqlite3_stmt *block, uint32_t number, const struct cidr *c)
{
	char name[16], text[CIDR_TEXT], first[33], last[33];
	int rc;

	b->node = bench_db_id(b);
	snprintf(name, sizeof name, "node-%05u", number);
	sqlite3_bind_int64(node, 1, b->node);
	sqlite3_bind_int64(node, 2, b->cluster);
	sqlite3_bind_text(node, 3, name, -1, SQLITE_TRANSIENT);
	rc = bench_db_step(b, node);
	if (rc < 0)
		return rc;
	cidr_print(c, text);
	cidr_print_key(CIDR_V4, c->base, first);
	cidr_print_key(CIDR_V4, cidr_last(c), last);
	sqlite3_bind_int64(block, 1, bench_db_id(b));
	sqlite3_bind_int64(block, 2, b->cluster);
	sqlite3_bind_int64(block, 3, b->node);
	sqlite3_bind_text(block, 4, text, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(block, 5, first, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(block, 6, last, -1, SQLITE_TRANSIENT);
	return bench_db_step(b, block);
}

static int add_leases(struct bench_db *b, const struct generate *g, uint32_t base)
{
	char name[32];
	int rc = 0;

	b->addr = base + FIRST_LEASE;
	for (uint32_t i = 0; rc == 0 && i < g->leases; i++) {
		if (b->addr - base - FIRST_LEASE == g->skip)
			b->addr++;
		snprintf(name, sizeof name, "lease-%07u", i);
		rc = bench_db_insert(b, name);
	}
	return rc;
}

static int add_nodes(struct bench_db *b, const struct generate *g, const struct cidr *cidr)
{
	sqlite3_stmt *node = NULL, *block = NULL;
	int rc = bench_db_prepare(
		b,
		"INSERT INTO node (id, cluster, name, uid, gid, mode, atime, mtime, ctime, btime) VALUES (?, ?, ?, 0, 0, 493, 0, 0, 0, 0)",
		&node);

	if (rc == 0)
		rc = bench_db_prepare(b,
				      "INSERT INTO block (id, cluster, node, cidr, first_key, last_key)"
				      " VALUES (?, ?, ?, ?, ?, ?)",
				      &block);
	for (uint32_t i = 0; rc == 0 && i < g->nodes; i++) {
		struct cidr part = { cidr->base + ((u128)i << (32 - g->mask)), CIDR_V4, (uint8_t)g->mask };

		rc = add_node(b, node, block, i, &part);
		if (rc == 0)
			rc = add_leases(b, g, (uint32_t)part.base);
		if (i % 1024 == 0 && isatty(STDERR_FILENO))
			fprintf(stderr, "\rgenerating: %u of %u nodes\033[K", i, g->nodes);
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	sqlite3_finalize(node);
	sqlite3_finalize(block);
	return rc;
}

static int check(const struct generate *g, struct cidr *cidr)
{
	if (cidr_parse(g->cidr, strlen(g->cidr), cidr) < 0 || cidr->family != CIDR_V4)
		return bench_fail(0, "'%s' is no IPv4 prefix", g->cidr), -EINVAL;
	if (g->mask < cidr->len || g->mask > 30 || (uint64_t)g->nodes > UINT64_C(1) << (g->mask - cidr->len))
		return bench_fail(0, "%s has no %u blocks of /%u", g->cidr, g->nodes, g->mask), -EINVAL;
	if ((uint64_t)g->leases + (g->skip >= 0 ? 1 : 0) > (UINT64_C(1) << (32 - g->mask)) - FIRST_LEASE - 1)
		return bench_fail(0, "a /%u has no %u addresses to lease", g->mask, g->leases), -EINVAL;
	return 0;
}

int generate(const char *path, const struct generate *g)
{
	struct bench_db *b = NULL;
	struct cidr cidr;
	int rc = check(g, &cidr);

	if (rc == 0)
		rc = bench_db_open(path, &b);
	if (rc < 0)
		return rc;
	/* Nothing here has to survive a crash. A cache for the indexes, or inserting into them is a read each. */
	rc = bench_db_exec(b, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA cache_size = -1048576;"
			      "BEGIN IMMEDIATE");
	if (rc == 0)
		rc = add_cluster(b, g, &cidr);
	if (rc == 0)
		rc = add_nodes(b, g, &cidr);
	if (rc == 0)
		rc = bench_db_keep_ids(b);
	if (rc == 0)
		rc = bench_db_exec(b, "COMMIT");
	bench_db_close(b);
	return rc;
}

int cmd_generate(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cluster", required_argument, NULL, 'c' },
		{ "cidr", required_argument, NULL, 'C' },
		{ "mask", required_argument, NULL, 'm' },
		{ "nodes", required_argument, NULL, 'n' },
		{ "leases", required_argument, NULL, 'l' },
		{ "skip", required_argument, NULL, 's' },
		{ 0 },
	};
	struct generate g = { "bench", "10.0.0.0/8", 24, 256, 100, -1 };
	double n = 0;
	int c, rc = 0;

	while (rc == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			g.cluster = optarg;
		else if (c == 'C')
			g.cidr = optarg;
		else if (c == '?')
			rc = -EINVAL;
		else
			rc = bench_number(argv[optind - 1], optarg, 0, 16777216, &n);
		if (c == 'm')
			g.mask = (unsigned)n;
		else if (c == 'n')
			g.nodes = (uint32_t)n;
		else if (c == 'l')
			g.leases = (uint32_t)n;
		else if (c == 's')
			g.skip = (int64_t)n;
	}
	if (rc < 0 || argc - optind != 1) {
		fputs("usage: ipamfs-bench generate [--cluster NAME] [--cidr CIDR] [--mask N] [--nodes N]\n"
		      "                             [--leases N] [--skip N] FILE\n",
		      stderr);
		return 2;
	}
	return generate(argv[optind], &g) < 0 ? 1 : 0;
}
