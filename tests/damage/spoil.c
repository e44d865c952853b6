/* What is wrong with a database: pages, rows, or its log. */
#include "damage.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spoil {
	struct damage *d;
	const struct life *l;
	const struct truth *t;
	struct bytes db;
	uint64_t random;
};

static void say(struct damage *d, const char *text)
{
	size_t n = strlen(d->what);

	snprintf(d->what + n, sizeof d->what - n, "%s%s", n == 0 ? "" : ", ", text);
}

/* ---- pages -------------------------------------------------------------------------------------------------------- */

static unsigned char *page(struct spoil *s, size_t number)
{
	return s->db.data + (number - 1) * s->l->page;
}

static void harm(struct spoil *s, size_t number)
{
	if (number < 1 || number > s->t->pages)
		return;
	s->d->harmed |= BIT(s->t->tree[number]);
	s->d->may_refuse |= number == 1 || s->t->tree[number] == T_SCHEMA;
}

/* Seldom the first, without which nothing can be read. */
static size_t any_page(struct spoil *s)
{
	return random_below(&s->random, 60) == 0 ? 1 : 1 + random_below(&s->random, (unsigned)s->t->pages);
}

enum { WAYS = 8 };

static void spoil_page(struct spoil *s, size_t a, unsigned how)
{
	static const char *const name[WAYS] = { "zeroed", "swapped", "copied", "stale", "bit", "bits", "scribbled", "and on cut off" };
	unsigned size = s->l->page;
	size_t b = any_page(s);
	const struct bytes *old = &s->l->moment[random_below(&s->random, MOMENTS - 1)];
	char text[80];

	harm(s, a);
	if (how == 0) {
		memset(page(s, a), 0, size);
	} else if (how == 1) {
		unsigned char *tmp = malloc(size);

		memcpy(tmp, page(s, a), size);
		memcpy(page(s, a), page(s, b), size);
		memcpy(page(s, b), tmp, size);
		free(tmp);
		harm(s, b);
	} else if (how == 2) {
		memmove(page(s, a), page(s, b), size);
	} else if (how == 3) {
		if (a * size <= old->size)
			memcpy(page(s, a), old->data + (a - 1) * size, size);
		else
			memset(page(s, a), 0, size);
	} else if (how < 6) {
		for (unsigned n = how == 4 ? 1 : 8; n > 0; n--)
			page(s, a)[random_below(&s->random, size)] ^= (unsigned char)(1 << random_below(&s->random, 8));
	} else if (how == 7) {
		for (size_t i = a; i <= s->t->pages; i++)
			harm(s, i);
		if (s->db.size > (a - 1) * size)
			s->db.size = (a - 1) * size + random_below(&s->random, size);
	} else {
		for (unsigned i = 0; i < size; i++)
			page(s, a)[i] = (unsigned char)random_next(&s->random);
	}
	snprintf(text, sizeof text, "page %zu %s", a, name[how]);
	if (how == 1 || how == 2)
		snprintf(text + strlen(text), sizeof text - strlen(text), " with %zu", b);
	say(s->d, text);
	snprintf(s->d->kind, sizeof s->d->kind, "page %s", name[how]);
}

/* ---- statements ---------------------------------------------------------------------------------------------------- */

#define LEASES (BIT(T_LEASE) | BIT(T_LEASE_NAME) | BIT(T_LEASE_IP4) | BIT(T_LEASE_IP6))
#define ENDLESS "WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT "

static const struct {
	const char *kind, *sql;
	unsigned harmed;
} statement[] = {
	{ "rows gone", "DELETE FROM lease", LEASES },
	{ "rows gone", "DELETE FROM lease WHERE id % 3 = 0", LEASES },
	{ "rows gone", "DELETE FROM lease; DELETE FROM node; DELETE FROM block; DELETE FROM cluster; DELETE FROM cidr",
	  LEASES | BIT(T_NODE) | BIT(T_BLOCK) | BIT(T_CLUSTER) | BIT(T_CIDR) | BIT(T_OTHER) },
	{ "rows gone", "DELETE FROM node", BIT(T_NODE) | BIT(T_OTHER) },
	{ "rows gone", "DELETE FROM node WHERE name = 'e2'", BIT(T_NODE) | BIT(T_OTHER) },
	{ "rows gone", "DELETE FROM cluster", BIT(T_CLUSTER) | BIT(T_OTHER) },
	{ "rows gone", "DELETE FROM block", BIT(T_BLOCK) | BIT(T_OTHER) },
	{ "rows gone", "DELETE FROM block WHERE id % 2 = 0", BIT(T_BLOCK) | BIT(T_OTHER) },
	{ "rows gone", "DELETE FROM cidr", BIT(T_CIDR) },
	{ "rows gone", "DELETE FROM boot", BIT(T_OTHER) },
	{ "rows gone", "DELETE FROM reserved", BIT(T_RESERVED) },
	{ "rows gone", "DELETE FROM sequence", BIT(T_OTHER) },
	{ "history gone", "DELETE FROM history", BIT(T_HISTORY) },
	{ "history gone", "DELETE FROM history WHERE id % 3 = 0", BIT(T_HISTORY) },
	{ "history gone", "DELETE FROM history WHERE line LIKE '%release%'", BIT(T_HISTORY) },
	{ "history no JSON", "UPDATE history SET line = 'x' || substr(line, 2) WHERE id % 7 = 0", BIT(T_HISTORY) },
	{ "history no JSON", "UPDATE history SET line = replace(line, 'release', 'relaase')", BIT(T_HISTORY) },
	{ "next id", "UPDATE sequence SET next_id = 2", BIT(T_OTHER) },
	{ "next id", "UPDATE sequence SET next_id = 30", BIT(T_OTHER) },
	{ "next id", "UPDATE sequence SET next_id = 9223372036854775807", BIT(T_OTHER) },
	{ "next id", "UPDATE sequence SET next_id = 4611686018427387904 + (SELECT next_id FROM sequence)", BIT(T_OTHER) },
	{ "table gone", "DROP TABLE lease_xattr; DROP TABLE lease", LEASES | BIT(T_OTHER) },
	{ "table gone", "DROP TABLE node", BIT(T_NODE) | BIT(T_OTHER) },
	{ "table gone", "DROP TABLE cluster", BIT(T_CLUSTER) | BIT(T_OTHER) },
	{ "table gone", "DROP TABLE block", BIT(T_BLOCK) | BIT(T_OTHER) },
	{ "table gone", "DROP TABLE cidr", BIT(T_CIDR) },
	{ "table gone", "DROP TABLE history", BIT(T_HISTORY) },
	{ "table gone", "DROP TABLE sequence", BIT(T_OTHER) },
	{ "table gone", "DROP TABLE boot", BIT(T_OTHER) },
	{ "table gone", "DROP TABLE reserved", BIT(T_RESERVED) },
	{ "table gone", "DROP TABLE label", BIT(T_LABEL) },
	{ "table gone", "DROP TABLE setting", BIT(T_SETTING) },
	{ "table gone", "DROP TABLE resting", BIT(T_OTHER) },
	{ "table gone", "DROP TABLE network", BIT(T_OTHER) },
	{ "table gone", "DROP TABLE engine", BIT(T_OTHER) },
	{ "index gone", "DROP INDEX lease_name", BIT(T_LEASE_NAME) },
	{ "index gone", "DROP INDEX lease_ip4", BIT(T_LEASE_IP4) },
	{ "index gone", "DROP INDEX lease_ip6", BIT(T_LEASE_IP6) },
	{ "index gone", "DROP INDEX history_ip4", 0 },
	{ "index gone", "DROP INDEX block_first", BIT(T_OTHER) },
	{ "index gone", "DROP INDEX block_last", BIT(T_OTHER) },
	{ "index gone", "DROP INDEX block_node", BIT(T_OTHER) },
	{ "duplicates",
	  "DROP INDEX lease_ip4; UPDATE lease SET ip4 = (SELECT ip4 FROM lease l WHERE l.cluster = lease.cluster ORDER BY id LIMIT 1) WHERE id % 4 = 0;"
	  "CREATE INDEX lease_ip4 ON lease (cluster, ip4) WHERE ip4 IS NOT NULL",
	  BIT(T_LEASE) | BIT(T_LEASE_IP4) },
	{ "duplicates", "DROP INDEX lease_name; UPDATE lease SET name = 'same'; CREATE INDEX lease_name ON lease (node, name)",
	  BIT(T_LEASE) | BIT(T_LEASE_NAME) },
	{ "nonsense", "UPDATE lease SET ip4 = 'nonsense' || id WHERE id % 5 = 0", BIT(T_LEASE) | BIT(T_LEASE_IP4) },
	{ "nonsense", "UPDATE lease SET ip4 = NULL WHERE ip6 IS NOT NULL AND id % 2 = 0", BIT(T_LEASE) | BIT(T_LEASE_IP4) },
	{ "nonsense", "UPDATE lease SET name = '../' || id", BIT(T_LEASE) | BIT(T_LEASE_NAME) },
	{ "nonsense", "UPDATE lease SET boot = 77 WHERE id % 2 = 0", 0 },
	{ "nonsense", "UPDATE lease SET node = 4711 WHERE id % 3 = 0", BIT(T_LEASE) | BIT(T_LEASE_NAME) },
	{ "nonsense", "UPDATE lease SET cluster = 4711 WHERE id % 3 = 0", BIT(T_LEASE) | BIT(T_LEASE_IP4) | BIT(T_LEASE_IP6) },
	{ "nonsense", "UPDATE node SET name = 'a/' || id WHERE id % 2 = 0", BIT(T_NODE) | BIT(T_OTHER) },
	{ "nonsense", "UPDATE cluster SET name = '../' || id", BIT(T_CLUSTER) | BIT(T_OTHER) },
	{ "nonsense", "UPDATE reserved SET range = 'nonsense'", BIT(T_RESERVED) },
	{ "nonsense", "UPDATE label SET value = 'no label!'", BIT(T_LABEL) },
	{ "nonsense", "UPDATE setting SET value = 'nonsense'", BIT(T_SETTING) },
	{ "nonsense", "UPDATE resting SET address = 'nonsense' || rowid", BIT(T_OTHER) },
	{ "nonsense", "UPDATE cidr SET cidr = 'nonsense'", BIT(T_CIDR) },
	{ "nonsense", "UPDATE cidr SET node_mask = 30", BIT(T_CIDR) },
	{ "nonsense",
	  "DROP TRIGGER block_moved; UPDATE block SET first_key = 'ffffffff', last_key = 'ffffffff' WHERE id = (SELECT min(id) FROM block)",
	  BIT(T_BLOCK) | BIT(T_OTHER) },
	{ "endless view", "DROP TABLE label; CREATE VIEW label AS " ENDLESS "n AS node, n AS key, n AS value FROM x", BIT(T_LABEL) },
	{ "endless view", "DROP TABLE lease_xattr; CREATE VIEW lease_xattr AS " ENDLESS "n AS lease, n AS name, n AS value FROM x",
	  BIT(T_OTHER) },
	{ "endless view",
	  "ALTER TABLE reserved RENAME TO other; CREATE VIEW reserved AS " ENDLESS "n AS cluster, n AS position, n AS range FROM x",
	  BIT(T_RESERVED) },
	{ "trigger", "CREATE TRIGGER evil BEFORE INSERT ON lease BEGIN SELECT RAISE(IGNORE); END; UPDATE sequence SET next_id = 3",
	  BIT(T_OTHER) },
};

enum { STATEMENTS = sizeof statement / sizeof *statement };

static void spoil_rows(struct spoil *s, const char *path, unsigned i)
{
	sqlite3 *db = NULL;
	char *error = NULL;

	bytes_write(path, &s->db);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		abort();
	sqlite3_exec(
		db,
		"PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA legacy_alter_table = ON; PRAGMA journal_mode = MEMORY;"
		"PRAGMA synchronous = OFF",
		NULL, NULL, NULL);
	if (sqlite3_exec(db, statement[i].sql, NULL, NULL, &error) != SQLITE_OK && s->d->what[0] == 0 &&
	    strstr(statement[i].sql, "nonsense") == NULL)
		printf("%s: %s\n", statement[i].sql, error);
	sqlite3_free(error);
	sqlite3_close(db);
	free(s->db.data);
	s->db = bytes_read(path);
	s->d->harmed |= statement[i].harmed;
	say(s->d, statement[i].sql);
	snprintf(s->d->kind, sizeof s->d->kind, "%s", statement[i].kind);
}

/* ---- the log ------------------------------------------------------------------------------------------------------- */

enum { LOG_HEADER = 32, FRAME_HEADER = 24 };

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The page of the frame in which a byte of the log lies is as good as damaged: what comes later than it may be, too, if it isn't read
 * from there. */
static void harm_frame(struct spoil *s, size_t at)
{
	size_t frame = FRAME_HEADER + s->l->page;

	if (at < LOG_HEADER)
		return;
	at = LOG_HEADER + (at - LOG_HEADER) / frame * frame;
	if (at + frame <= s->l->log.size)
		harm(s, get32(s->l->log.data + at));
}

static void spoil_log(struct spoil *s, const char *path, size_t at, unsigned how)
{
	struct bytes log = bytes_copy(&s->l->log);
	static const char *const name[] = { "cut", "bit", "zeroed", "scribbled" };
	char wal[256], text[80];

	if (how == 0) {
		log.size = at;
		s->d->cut = true;
	} else if (how == 1) {
		at += random_below(&s->random, 512);
		log.data[at] ^= (unsigned char)(1 << random_below(&s->random, 8));
		harm_frame(s, at);
	} else {
		for (size_t i = at; i < at + 512; i++)
			log.data[i] = how == 2 ? 0 : (unsigned char)random_next(&s->random);
		harm_frame(s, at);
		harm_frame(s, at + 511);
	}
	s->d->broken_log = how != 0;
	snprintf(wal, sizeof wal, "%s-wal", path);
	bytes_write(path, &s->l->db);
	bytes_write(wal, &log);
	free(log.data);
	snprintf(text, sizeof text, "log %s at %zu of %zu", name[how], at, s->l->log.size);
	say(s->d, text);
	snprintf(s->d->kind, sizeof s->d->kind, "log %s", name[how]);
}

static void any_spoiled_page(struct spoil *s)
{
	size_t page_number = any_page(s);

	spoil_page(s, page_number, random_below(&s->random, WAYS));
}

static void any_rows(struct spoil *s, const char *path)
{
	spoil_rows(s, path, random_below(&s->random, STATEMENTS));
}

static struct spoil begin(struct damage *d, const struct life *l, const struct truth *t, const char *path, uint64_t seed)
{
	char wal[256];

	*d = (struct damage){ .harmed = 0 };
	snprintf(wal, sizeof wal, "%s-wal", path);
	unlink(wal);
	return (struct spoil){ .d = d, .l = l, .t = t, .random = seed, .db = bytes_copy(&l->moment[MOMENTS - 1]) };
}

void damage_make(struct damage *d, const struct life *l, const struct truth *t, const char *path, uint64_t seed)
{
	struct spoil s = begin(d, l, t, path, seed);
	unsigned kind = random_below(&s.random, 10);

	if (kind >= 8) {
		size_t at = 512 * (size_t)random_below(&s.random, (unsigned)(l->log.size / 512));

		spoil_log(&s, path, at, random_below(&s.random, 4));
	} else {
		if (kind >= 4)
			any_rows(&s, path);
		if (kind < 4 || kind == 7)
			any_spoiled_page(&s);
		if (kind == 2 || kind == 3)
			any_spoiled_page(&s);
		if (kind == 6)
			any_rows(&s, path);
		if (kind == 2 || kind == 3 || kind == 6 || kind == 7)
			snprintf(d->kind, sizeof d->kind, "two: %s", kind < 4 ? "pages" : kind == 6 ? "rows" : "rows, page");
		bytes_write(path, &s.db);
	}
	free(s.db.data);
}

bool damage_next(struct damage *d, const struct life *l, const struct truth *t, const char *path, enum sweep sweep, unsigned number)
{
	unsigned most = sweep == SWEEP_PAGES ? (unsigned)t->pages * WAYS :
			sweep == SWEEP_ROWS  ? STATEMENTS :
					       (unsigned)(l->log.size / 512) * 2;
	struct spoil s;

	if (number >= most)
		return false;
	s = begin(d, l, t, path, number);
	if (sweep == SWEEP_LOG) {
		spoil_log(&s, path, (size_t)number / 2 * 512, number % 2);
	} else {
		if (sweep == SWEEP_PAGES)
			spoil_page(&s, 1 + number / WAYS, number % WAYS);
		else
			spoil_rows(&s, path, number);
		bytes_write(path, &s.db);
	}
	free(s.db.data);
	return true;
}
