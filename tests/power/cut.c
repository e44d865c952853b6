/* cut — a database's life is cut off at each write and sync, and what may then be on disk is opened and judged.
 *
 * cut [--lives N] [--steps N] [--seed N] [--sync full|normal] [--failing] [--lie all|db|wal] [--verbose]
 *
 * With sync=full every change that was answered must be there, and of one that wasn't all or nothing; with
 * sync=normal the state must be one that was, no older than the last delegation. `ipamctl check` must find nothing,
 * the history must tell of each lease, and a further lease must be possible. --failing: now and then a sync fails,
 * and the database is opened anew. --lie: the disk ignores syncs, so that there must be losses. Prints the number of
 * cuts; status 1 where something was wrong. */
#include "power.h"

#include "ipamctl/check/database.h"

#include <errno.h>
#include <getopt.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_CHANGES = 4 };

struct test {
	unsigned lives, steps;
	uint64_t seed;
	bool full, normal, failing, verbose;
	enum lie lie;
	char dir[80], life[96], cut[96];
	unsigned long cuts, wrong, failures;
};

/* Where in the work a cut is. */
struct position {
	unsigned step;   /* it is in this one, */
	bool over;       /* or between it and the next */
	unsigned synced; /* the last moment that a delegation that was answered makes durable */
	char acked[8][640];
	unsigned acks;
};

static void clean(const char *dir)
{
	static const char *const suffix[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++) {
		char path[128];

		snprintf(path, sizeof path, "%s/db%s", dir, suffix[i]);
		unlink(path);
	}
}

static void follow(struct position *p, const struct work *w, const struct record *r)
{
	if (r->kind == RECORD_STEP) {
		p->step = r->number;
		p->over = false;
		p->acks = 0;
	} else if (r->kind == RECORD_ACK) {
		if (p->acks < 8 && ((const char *)r->data)[0] != 0)
			snprintf(p->acked[p->acks++], sizeof p->acked[0], "%s", (const char *)r->data);
		if (w->moment[p->step].delegation && !w->moment[p->step].several)
			p->synced = p->step;
	} else if (r->kind == RECORD_END) {
		p->over = true;
		/* Of several changes one was synced, with all before it: those after it weren't. */
		if (w->moment[p->step].delegation)
			p->synced = w->moment[p->step].several ? p->step - 1 : p->step;
	}
}

/* ---- judging ------------------------------------------------------------------------------------------------------ */

static bool neighbours(const struct work *w, const struct moment *m, unsigned after)
{
	const struct moment *a = &w->moment[after], *b = after + 1 < w->moments ? a + 1 : a;

	if (moment_same(m, a) || moment_same(m, b) || (b->several && moment_between(m, a, b)))
		return true;
	/* Of what was refused nobody knows what it would have looked like: it is few lines, a rename's two at most each. */
	return b->refused && moment_distance(a, m) <= 2 * STEP_CHANGES;
}

static bool acked_is_there(const struct work *w, const struct moment *m, const struct position *p)
{
	for (unsigned i = 0; i < p->acks; i++) {
		const char *wanted = moment_line(&w->moment[p->step], p->acked[i]), *got = moment_line(m, p->acked[i]);

		if (wanted == NULL ? got != NULL : got == NULL || strcmp(wanted, got) != 0)
			return false;
	}
	return true;
}

static bool as_promised(const struct work *w, const struct moment *m, const struct position *p, bool full)
{
	static const struct moment nothing;

	if (p->step == 0 && !p->over)
		return moment_same(m, &nothing);
	if (full && p->over)
		return moment_same(m, &w->moment[p->step]);
	if (full)
		return neighbours(w, m, p->step - 1) && acked_is_there(w, m, p);
	for (unsigned i = p->synced; i <= p->step; i++)
		if ((i == p->step && moment_same(m, &w->moment[i])) || (i < p->step && neighbours(w, m, i)))
			return true;
	return false;
}

/* An address is held from `allocate` to `release` and never otherwise. */
static const char history_sql[] =
	"WITH told AS (SELECT cluster, ip, sum(CASE event WHEN 'allocate' THEN 1 WHEN 'release' THEN -1 ELSE 0 END) AS held FROM"
	" (SELECT cluster, ip4 AS ip, json_extract(line, '$.event') AS event FROM history WHERE ip4 IS NOT NULL UNION ALL"
	"  SELECT cluster, ip6, json_extract(line, '$.event') FROM history WHERE ip6 IS NOT NULL) GROUP BY cluster, ip),"
	" is_held AS (SELECT cluster, ip4 AS ip FROM lease WHERE ip4 IS NOT NULL UNION ALL SELECT cluster, ip6 FROM lease WHERE ip6 IS NOT NULL)"
	" SELECT 'history', ip FROM told WHERE held NOT IN (0, 1) OR held != (SELECT count(*) FROM is_held i"
	"  WHERE i.cluster = told.cluster AND i.ip = told.ip)"
	" UNION ALL SELECT 'no history', ip FROM is_held WHERE ip NOT IN (SELECT ip FROM told)";

static void history_differs(struct check *c, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	check_finding(c, "%s of %s", check_text(row, 0), check_text(row, 1));
}

static unsigned long findings(const char *path)
{
	struct check c = { .quiet = true };

	if (sqlite3_open_v2(path, &c.db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		printf("    %s\n", sqlite3_errmsg(c.db));
		return 1;
	}
	check_database(&c);
	check_rows(&c, history_sql, history_differs, NULL);
	sqlite3_close(c.db);
	return c.findings;
}

static int one_more(struct ipam *ipam)
{
	struct ipam_wait *wait = ipam_wait_new();
	uint64_t *cluster = NULL, *node = NULL;
	size_t clusters = 0, nodes = 0;
	int rc = -ENOENT;

	ipam_children(ipam, IPAM_ROOT, IPAM_ROOT_ID, &cluster, &clusters);
	if (clusters > 0)
		ipam_children(ipam, IPAM_CLUSTER, cluster[0], &node, &nodes);
	ipam_make(ipam, nodes > 0 ? IPAM_LEASE : IPAM_CLUSTER, nodes > 0 ? node[0] : IPAM_ROOT_ID, "one-more", IPAM_EXCLUSIVE, &owner,
		  ipam_by_self(), ipam_wait_done, wait);
	rc = ipam_wait(wait, NULL);
	free(cluster);
	free(node);
	return rc == -ENOSPC ? 0 : rc;
}

/* What is wrong with what was left, or NULL. */
static const char *judge(struct test *t, const struct work *w, const struct position *p, bool full)
{
	struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_NORMAL, .create = true, .keep_ephemeral = true };
	struct ipam_error error;
	struct moment m = { 0 };
	const char *wrong = NULL;
	struct ipam *ipam;
	char path[128];
	int rc;

	snprintf(path, sizeof path, "%s/db", t->cut);
	if (ipam_open(path, &options, &ipam, &error) < 0) {
		printf("    %s\n", error.text);
		return "it can't be opened";
	}
	moment_take(ipam, &m);
	if (!as_promised(w, &m, p, full)) {
		wrong = "the state isn't what was promised";
		if (t->verbose) {
			if (p->step > 0)
				moment_tell(&w->moment[p->step - 1], &m);
			printf("    against the next:\n");
			moment_tell(&w->moment[p->step], &m);
		}
	}
	rc = one_more(ipam);
	if (rc < 0 && wrong == NULL)
		wrong = "nothing can be leased any more";
	ipam_close(ipam);
	moment_free(&m);
	if (findings(path) > 0)
		wrong = "its check has findings";
	return wrong;
}

/* ---- cutting ------------------------------------------------------------------------------------------------------ */

static void cut(struct test *t, struct disk *d, enum cut how, const struct record *next, const struct work *w, const struct position *p,
		bool full, size_t at)
{
	static const char *const name[CUTS] = { "nothing", "all", "torn", "writes", "sectors", "file" };
	const char *wrong;

	clean(t->cut);
	disk_build(d, how, next, t->cut);
	wrong = judge(t, w, p, full);
	t->cuts++;
	if (wrong == NULL)
		return;
	t->wrong++;
	if (t->wrong <= 20 || t->verbose)
		printf("sync=%s seed %llu, cut %zu (%s) in step %u: %s\n", full ? "full" : "normal", (unsigned long long)t->seed, at,
		       name[how], p->step, wrong);
}

/* At a sync each kind of disk that may be left, elsewhere one of them. */
static void live(struct test *t, uint64_t seed, bool full)
{
	struct random random = { seed ^ 0xc07 };
	struct disk *d = disk_new(seed, t->lie);
	struct position p = { .over = false };
	struct work w = { 0 };
	const struct record *r;
	size_t n;

	t->seed = seed;
	clean(t->life);
	work_run(&w, t->life, seed, full ? IPAM_SYNC_FULL : IPAM_SYNC_NORMAL, t->steps, t->failing);
	r = record_list(&n);
	for (size_t i = 0; i < n; i++) {
		bool mark = r[i].kind == RECORD_STEP || r[i].kind == RECORD_END;

		if (r[i].kind == RECORD_SYNC || r[i].kind == RECORD_ACK || r[i].kind == RECORD_FAILED_SYNC)
			for (int how = 0; how < CUTS; how++)
				cut(t, d, how, &r[i], &w, &p, full, i);
		else if (!mark)
			cut(t, d, random_below(&random, CUTS), &r[i], &w, &p, full, i);
		disk_apply(d, &r[i]);
		follow(&p, &w, &r[i]);
	}
	cut(t, d, CUT_NOTHING, NULL, &w, &p, full, n);
	t->failures += w.failures;
	disk_free(d);
	work_free(&w);
	record_clear();
}

static int parse(struct test *t, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "lives", required_argument, NULL, 'l' }, { "steps", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'r' },  { "sync", required_argument, NULL, 'y' },
		{ "failing", no_argument, NULL, 'f' },     { "lie", required_argument, NULL, 'i' },
		{ "verbose", no_argument, NULL, 'v' },     { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (c == 'l')
			t->lives = (unsigned)atoi(optarg);
		else if (c == 's')
			t->steps = (unsigned)atoi(optarg);
		else if (c == 'r')
			t->seed = strtoull(optarg, NULL, 10);
		else if (c == 'y')
			*(strcmp(optarg, "full") == 0 ? &t->normal : &t->full) = false;
		else if (c == 'f')
			t->failing = true;
		else if (c == 'i')
			t->lie = strcmp(optarg, "db") == 0 ? LIE_DB : strcmp(optarg, "wal") == 0 ? LIE_WAL : LIE_ALL;
		else if (c == 'v')
			t->verbose = true;
		else
			return 2;
	return 0;
}

int main(int argc, char **argv)
{
	struct test t = { .lives = 1, .steps = 40, .seed = 1, .full = true, .normal = true };
	const char *tmp = getenv("TMPDIR");
	uint64_t seed;

	if (parse(&t, argc, argv) != 0)
		return 2;
	/* In memory where that can be: the disk is a model. */
	if (snprintf(t.dir, sizeof t.dir, "%s/ipamfs-power.XXXXXX",
		     tmp != NULL                   ? tmp :
		     access("/dev/shm", W_OK) == 0 ? "/dev/shm" :
						     "/tmp") >= (int)sizeof t.dir ||
	    mkdtemp(t.dir) == NULL)
		return 2;
	snprintf(t.life, sizeof t.life, "%s/life", t.dir);
	snprintf(t.cut, sizeof t.cut, "%s/cut", t.dir);
	if (mkdir(t.life, 0700) < 0 || mkdir(t.cut, 0700) < 0)
		return 2;
	record_register();
	seed = t.seed;
	for (unsigned i = 0; i < t.lives; i++) {
		if (t.full)
			live(&t, seed + i, true);
		if (t.normal)
			live(&t, seed + i, false);
	}
	clean(t.life);
	clean(t.cut);
	rmdir(t.life);
	rmdir(t.cut);
	rmdir(t.dir);
	printf("%lu cuts, %lu refused changes, %lu wrong\n", t.cuts, t.failures, t.wrong);
	return t.wrong > 0;
}
