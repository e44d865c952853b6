/* What must be true after a repair. */
#include "damage.h"

#include "base/cidr.h"
#include "ipam.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 120 /* seconds, on a machine that has other things to do; what never ends is longer */ };

struct trial {
	const struct damage *d;
	const struct truth *t;
	uint64_t seed;
	unsigned wrongs;
	char *report;
	sqlite3 *db;
};

static void wrong(struct trial *j, const char *format, ...)
{
	va_list ap;

	if (j->wrongs++ > 4)
		return;
	printf("WRONG seed %llu (%s): ", (unsigned long long)j->seed, j->d->what);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

/* Its output, and its exit status; -1: it didn't end, or not by itself. */
static int run(const char *ipamctl, const char *path, bool repair, char **out)
{
	FILE *pipe;
	char command[700];
	size_t size = 0, room = 0;
	int status;

	snprintf(command, sizeof command, "timeout -s KILL %d '%s' check --quiet %s '%s' 2>&1", PATIENCE, ipamctl, repair ? "--repair" : "",
		 path);
	pipe = popen(command, "r");
	if (pipe == NULL)
		abort();
	*out = NULL;
	do {
		if (size + 4096 > room) {
			room = room * 2 + 8192;
			*out = realloc(*out, room);
		}
		size += fread(*out + size, 1, 4000, pipe);
		(*out)[size] = 0;
	} while (!feof(pipe));
	status = pclose(pipe);
	return WIFEXITED(status) && WEXITSTATUS(status) < 126 ? WEXITSTATUS(status) : -1;
}

static bool whole(const struct trial *j, enum tree tree)
{
	return (j->d->harmed & (BIT(tree) | BIT(T_SCHEMA))) == 0;
}

static bool ask(struct trial *j, const char *sql, int64_t cluster, const char *ip, char a[64], char b[64])
{
	sqlite3_stmt *stmt = NULL;
	bool found;

	if (sqlite3_prepare_v2(j->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
		wrong(j, "%s", sqlite3_errmsg(j->db));
		return false;
	}
	sqlite3_bind_int64(stmt, 1, cluster);
	sqlite3_bind_text(stmt, 2, ip, -1, SQLITE_STATIC);
	found = sqlite3_step(stmt) == SQLITE_ROW;
	if (found && a != NULL) {
		snprintf(a, 64, "%s", (const char *)sqlite3_column_text(stmt, 0));
		snprintf(b, 64, "%s", (const char *)sqlite3_column_text(stmt, 1));
	}
	sqlite3_finalize(stmt);
	return found;
}

static bool is_reserved(struct trial *j, int64_t cluster, const char *ip)
{
	sqlite3_stmt *stmt = NULL;
	struct cidr_range r;
	bool found = false;
	uint8_t family;
	u128 addr;

	if (cidr_parse_addr(ip, strlen(ip), &family, &addr) < 0 ||
	    sqlite3_prepare_v2(j->db, "SELECT range FROM reserved WHERE cluster = ?", -1, &stmt, NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_int64(stmt, 1, cluster);
	while (!found && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *s = (const char *)sqlite3_column_text(stmt, 0);

		found = cidr_parse_range(s, strlen(s), &r) == 0 && r.family == family && r.first <= addr && addr <= r.last;
	}
	sqlite3_finalize(stmt);
	return found;
}

#define HOLDER(ip) "SELECT n.name, l.name FROM lease l JOIN node n ON n.id = l.node WHERE l.cluster = ?1 AND l." ip " = ?2"

/* No address that a whole copy tells is free, or another's. */
static void judge_held(struct trial *j, const struct held *h, unsigned family)
{
	bool row = whole(j, T_LEASE), index = whole(j, family == 0 ? T_LEASE_IP4 : T_LEASE_IP6),
	     past = whole(j, T_HISTORY) && h->past[family];
	char node[64], name[64];
	const char *ip = h->ip[family];

	if (ip[0] == 0 || !(row || index || past))
		return;
	if (!ask(j, family == 0 ? HOLDER("ip4") : HOLDER("ip6"), h->cluster, ip, node, name)) {
		if (!is_reserved(j, h->cluster, ip))
			wrong(j, "%s of %s/%s/%s is free (told by%s%s%s)", ip, h->cluster_name, h->node, h->name, row ? " its row" : "",
			      index ? " the index" : "", past ? " the history" : "");
		else if (strstr(j->report, ip) == NULL && strstr(j->report, "can't be read: reserved") == NULL)
			wrong(j, "%s of %s/%s is reserved without a word", ip, h->node, h->name);
		return;
	}
	if (strcmp(name, h->name) != 0 && (row || past || (index && whole(j, T_LEASE_NAME))))
		wrong(j, "%s of %s/%s is held by %s/%s", ip, h->node, h->name, node, name);
	if (strcmp(node, h->node) != 0 && (whole(j, T_NODE) || past))
		wrong(j, "%s of %s/%s is held in node %s (%s)", ip, h->node, h->name, node, name);
}

/* What the history tells, whatever became of its table, is there or is told. */
static void judge_lists(struct trial *j)
{
	if (!whole(j, T_HISTORY) || j->t->trimmed)
		return;
	for (size_t i = 0; i < j->t->lists; i++) {
		char *copy = strdup(j->t->list[i]), *table = strtok(copy, "\t"), *a = strtok(NULL, "\t"), *b = strtok(NULL, "\t"), *sql;
		sqlite3_stmt *stmt = NULL;
		bool there;

		sql = sqlite3_mprintf(strcmp(table, "reserved") == 0 ? "SELECT 1 FROM reserved WHERE range = %Q" :
				      strcmp(table, "label") == 0    ? "SELECT 1 FROM label WHERE key = %Q AND value = %Q" :
				      strcmp(table, "setting") == 0  ? "SELECT 1 FROM setting WHERE key = %Q AND value = %Q" :
				      strcmp(table, "cidr") == 0     ? "SELECT 1 FROM cidr WHERE cidr = %Q" :
				      strcmp(table, "block") == 0    ? "SELECT 1 FROM block WHERE cidr = %Q" :
				      strcmp(table, "node") == 0     ? "SELECT 1 FROM node WHERE name = %Q" :
								       "SELECT 1 FROM cluster WHERE name = %Q",
				      a, b);
		there = sqlite3_prepare_v2(j->db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW;
		if (!there && strstr(j->report, a) == NULL)
			wrong(j, "%s '%s' '%s' is gone without a word", table, a, b == NULL ? "" : b);
		sqlite3_finalize(stmt);
		sqlite3_free(sql);
		free(copy);
	}
}

/* Each lease that a whole copy tells is there with all it had, or there is a line about it. */
static void judge_leases(struct trial *j)
{
	for (size_t i = 0; i < j->t->n; i++) {
		const struct held *h = &j->t->held[i];

		judge_held(j, h, 0);
		judge_held(j, h, 1);
		if (!whole(j, T_LEASE) && !whole(j, T_LEASE_NAME) && !(whole(j, T_HISTORY) && (h->past[0] || h->past[1])))
			continue;
		if (!ask(j, "SELECT n.name, l.name FROM lease l JOIN node n ON n.id = l.node WHERE l.cluster = ?1 AND l.name = ?2",
			 h->cluster, h->name, (char[64]){ 0 }, (char[64]){ 0 }) &&
		    strstr(j->report, h->name) == NULL && (h->ip[0][0] == 0 || strstr(j->report, h->ip[0]) == NULL))
			wrong(j, "lease %s/%s is gone without a word", h->node, h->name);
	}
}

static void judge_ids(struct trial *j)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(
		    j->db,
		    "SELECT (SELECT next_id FROM sequence) > max(id) AND (SELECT next_id FROM sequence) < 1 << 49 FROM (SELECT id FROM lease UNION"
		    " SELECT id FROM node UNION SELECT id FROM block UNION SELECT 1)",
		    -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW || sqlite3_column_int(stmt, 0) != 1)
		wrong(j, "the next id isn't one");
	sqlite3_finalize(stmt);
}

static bool same_lines(char **a, size_t n, char **b, size_t m, size_t *at)
{
	for (*at = 0; *at < n && *at < m; ++*at)
		if (strcmp(a[*at], b[*at]) != 0)
			return false;
	return n == m;
}

/* What was given tells as much, as SQLite reads it. */
static bool as_given(const struct bytes *before, const char *path, char **line, size_t n)
{
	char given[300], **list;
	sqlite3 *db = NULL;
	size_t m, at;
	bool same;

	snprintf(given, sizeof given, "%s.given", path);
	bytes_write(given, before);
	if (sqlite3_open(given, &db) != SQLITE_OK)
		abort();
	list = dump(db, &m);
	sqlite3_close(db);
	same = same_lines(line, n, list, m, &at);
	dump_free(list, m);
	return same;
}

/* Status 0: all is as it was before the damage, or what was given is. */
static void judge_unchanged(struct trial *j, const struct bytes *before, const char *path)
{
	struct bytes after = bytes_read(path);
	size_t n, at;
	char **line;

	if (before->size == after.size && memcmp(before->data, after.data, after.size) == 0) {
		free(after.data);
		return;
	}
	free(after.data);
	line = dump(j->db, &n);
	if (!same_lines(line, n, j->t->line, j->t->lines, &at) && !as_given(before, path, line, n))
		wrong(j, "exit 0, and it isn't as it was: '%s' is '%s'", at < j->t->lines ? j->t->line[at] : "", at < n ? line[at] : "");
	dump_free(line, n);
}

/* As a mount does. */
static void judge_open(struct trial *j, const char *path)
{
	struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_NORMAL, .keep_after_boot = true };
	struct ipam_error error;
	struct ipam *ipam;

	if (ipam_open(path, &options, &ipam, &error) < 0)
		wrong(j, "it can't be mounted: %s", error.text);
	else
		ipam_close(ipam);
}

static void remove_beside(const char *path)
{
	char command[600];

	snprintf(command, sizeof command, "rm -f '%s' '%s'.* '%s'-*", path, path, path);
	if (system(command) != 0)
		abort();
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A log that was cut tells of less: what it tells is the truth then. */
static void truth_of_cut(struct truth *t, const char *path)
{
	char copy[256], wal[256], from[256];
	struct bytes db = bytes_read(path), log;

	snprintf(copy, sizeof copy, "%s.cut", path);
	snprintf(wal, sizeof wal, "%s.cut-wal", path);
	snprintf(from, sizeof from, "%s-wal", path);
	log = bytes_read(from);
	bytes_write(copy, &db);
	bytes_write(wal, &log);
	truth_take(t, copy);
	free(db.data);
	free(log.data);
}

unsigned judge(const struct damage *d, const struct truth *t, const char *path, const char *ipamctl, uint64_t seed, double *seconds)
{
	struct trial j = { .d = d, .t = t, .seed = seed };
	struct bytes before = bytes_read(path);
	struct truth cut = { 0 };
	char *text = NULL;
	double begun;
	int status;

	if (d->cut) {
		truth_of_cut(&cut, path);
		j.t = &cut;
	}
	begun = now();
	status = run(ipamctl, path, true, &j.report);
	*seconds = now() - begun;
	if (status < 0 || status > 1) {
		wrong(&j, "it ended with %d: %s", status, j.report);
	} else if (status == 1 && strstr(j.report, "made anew") == NULL && strstr(j.report, "the log that it left is missing") == NULL) {
		struct bytes after = bytes_read(path);

		if (before.size != after.size || memcmp(before.data, after.data, after.size) != 0)
			wrong(&j, "it was refused, and something changed: %s", j.report);
		if (!d->may_refuse)
			wrong(&j, "it was refused: %s", j.report);
		free(after.data);
	} else {
		if (sqlite3_open(path, &j.db) != SQLITE_OK)
			abort();
		judge_leases(&j);
		if (strstr(j.report, "made anew") != NULL)
			judge_lists(&j);
		judge_ids(&j);
		if (status == 0)
			judge_unchanged(&j, &before, path);
		sqlite3_close(j.db);
		status = run(ipamctl, path, false, &text);
		if (status != 0 && strstr(text, "no cluster") == NULL)
			wrong(&j, "the check of what came out ends with %d: %s", status, text);
		free(text);
		judge_open(&j, path);
	}
	if (getenv("SHOW_REPORT") != NULL)
		printf("%s", j.report);
	free(j.report);
	free(before.data);
	if (d->cut)
		truth_free(&cut);
	remove_beside(path);
	return j.wrongs;
}
