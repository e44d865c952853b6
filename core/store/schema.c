#include "store/schema.h"

#include "store/open_reading.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Step i brings version i to i + 1. A step that was released is never edited: add another. */
static const char *const steps[] = {
	/* 0 -> 1 */
	"PRAGMA application_id = 1768972653;"

	/* next_id: no id below it is free. Taken in strides, so that most transactions need not write it. */
	"CREATE TABLE sequence ("
	"  only INTEGER PRIMARY KEY CHECK (only = 1),"
	"  next_id INTEGER NOT NULL CHECK (next_id > 0)"
	") STRICT;"
	"INSERT INTO sequence VALUES (1, 2);"

	"CREATE TABLE cluster ("
	"  id INTEGER PRIMARY KEY,"
	"  name TEXT NOT NULL UNIQUE,"
	"  uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL,"
	"  atime INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, btime INTEGER NOT NULL"
	") STRICT;"

	"CREATE TABLE cidr ("
	"  cluster INTEGER NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,"
	"  position INTEGER NOT NULL,"
	"  cidr TEXT NOT NULL,"
	"  node_mask INTEGER NOT NULL CHECK (node_mask BETWEEN 0 AND 126),"
	"  first_key TEXT NOT NULL, last_key TEXT NOT NULL,"
	"  PRIMARY KEY (cluster, position),"
	"  CHECK (length(first_key) = length(last_key) AND first_key <= last_key)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE reserved ("
	"  cluster INTEGER NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,"
	"  position INTEGER NOT NULL,"
	"  range TEXT NOT NULL,"
	"  PRIMARY KEY (cluster, position)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE node ("
	"  id INTEGER PRIMARY KEY,"
	"  cluster INTEGER NOT NULL REFERENCES cluster (id),"
	"  name TEXT NOT NULL,"
	"  uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL,"
	"  atime INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, btime INTEGER NOT NULL,"
	"  UNIQUE (cluster, name),"
	"  UNIQUE (id, cluster)"
	") STRICT;"

	/* given: the address that was leased last and the lease that got it, noted when that lease goes, so that next-fit
	 * goes on from there after a restart. */
	"CREATE TABLE block ("
	"  id INTEGER PRIMARY KEY,"
	"  cluster INTEGER NOT NULL,"
	"  node INTEGER NOT NULL,"
	"  cidr TEXT NOT NULL,"
	"  first_key TEXT NOT NULL, last_key TEXT NOT NULL,"
	"  given TEXT, given_lease INTEGER,"
	"  UNIQUE (cluster, cidr),"
	"  FOREIGN KEY (node, cluster) REFERENCES node (id, cluster),"
	"  CHECK (length(first_key) = length(last_key) AND first_key <= last_key)"
	") STRICT;"
	"CREATE UNIQUE INDEX block_first ON block (cluster, first_key);"
	"CREATE UNIQUE INDEX block_last ON block (cluster, last_key);"
	"CREATE INDEX block_node ON block (node);"
	/* Blocks that are stored don't overlap, so the one that begins last at or before the new one's end tells. Keys of the
	 * two families differ in length. */
	"CREATE TRIGGER block_overlap BEFORE INSERT ON block "
	"WHEN (SELECT last_key FROM block WHERE cluster = NEW.cluster AND first_key <= NEW.last_key"
	"      AND length(first_key) = length(NEW.first_key) ORDER BY first_key DESC LIMIT 1) >= NEW.first_key "
	"BEGIN SELECT RAISE(ABORT, 'block overlaps another'); END;"
	"CREATE TRIGGER block_moved BEFORE UPDATE OF cluster, cidr, first_key, last_key ON block "
	"BEGIN SELECT RAISE(ABORT, 'a block never changes'); END;"

	"CREATE TABLE lease ("
	"  id INTEGER PRIMARY KEY,"
	"  cluster INTEGER NOT NULL,"
	"  node INTEGER NOT NULL,"
	"  name TEXT NOT NULL,"
	"  ip4 TEXT, ip6 TEXT,"
	"  uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL,"
	"  atime INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, btime INTEGER NOT NULL,"
	"  generation INTEGER NOT NULL,"
	"  boot INTEGER NOT NULL REFERENCES boot (id),"
	"  FOREIGN KEY (node, cluster) REFERENCES node (id, cluster),"
	"  CHECK (ip4 IS NOT NULL OR ip6 IS NOT NULL)"
	") STRICT;"
	"CREATE UNIQUE INDEX lease_name ON lease (node, name);"
	"CREATE UNIQUE INDEX lease_ip4 ON lease (cluster, ip4) WHERE ip4 IS NOT NULL;"
	"CREATE UNIQUE INDEX lease_ip6 ON lease (cluster, ip6) WHERE ip6 IS NOT NULL;"

	"CREATE TABLE boot ("
	"  id INTEGER PRIMARY KEY,"
	"  boot_id TEXT NOT NULL UNIQUE"
	") STRICT;"

	/* name without its 'user.'. */
	"CREATE TABLE lease_xattr ("
	"  lease INTEGER NOT NULL REFERENCES lease (id) ON DELETE CASCADE,"
	"  name TEXT NOT NULL,"
	"  value BLOB NOT NULL,"
	"  PRIMARY KEY (lease, name)"
	") STRICT, WITHOUT ROWID;"

	/* Released addresses that rest until this time (nanoseconds since the epoch). */
	"CREATE TABLE resting ("
	"  cluster INTEGER NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,"
	"  address TEXT NOT NULL,"
	"  until INTEGER NOT NULL,"
	"  PRIMARY KEY (cluster, address)"
	") STRICT, WITHOUT ROWID;"

	/* owner: id of a cluster or a node. Absent: inherited, or the default. */
	"CREATE TABLE setting ("
	"  owner INTEGER NOT NULL,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (owner, key)"
	") STRICT, WITHOUT ROWID;",

	/* 1 -> 2 */
	/* ephemeral: lasts while someone holds it, and not into the next mount. */
	"ALTER TABLE lease ADD COLUMN ephemeral INTEGER NOT NULL DEFAULT 0 CHECK (ephemeral IN (0, 1));"

	/* What host-local's layout keeps besides leases: a directory a network, and of each of its ranges the address given
	 * last. */
	"CREATE TABLE network ("
	"  id INTEGER PRIMARY KEY,"
	"  node INTEGER NOT NULL REFERENCES node (id) ON DELETE CASCADE,"
	"  name TEXT NOT NULL,"
	"  UNIQUE (node, name)"
	") STRICT;"
	"CREATE TABLE network_last ("
	"  network INTEGER NOT NULL REFERENCES network (id) ON DELETE CASCADE,"
	"  range INTEGER NOT NULL CHECK (range BETWEEN 0 AND 255),"
	"  address TEXT NOT NULL,"
	"  PRIMARY KEY (network, range)"
	") STRICT, WITHOUT ROWID;",

	/* 2 -> 3 */
	/* What happened, in order: lines of JSON. ip4, ip6: the address (or, of a delegation, the block) that it was about;
	 * cluster and node are ids of what may be gone. By a node there is no index: each is a page more to be written with every
	 * change, and a machine's own mount has one node. */
	"CREATE TABLE history ("
	"  id INTEGER PRIMARY KEY,"
	"  time INTEGER NOT NULL,"
	"  cluster INTEGER, node INTEGER,"
	"  ip4 TEXT, ip6 TEXT,"
	"  line TEXT NOT NULL"
	") STRICT;"
	"CREATE INDEX history_ip4 ON history (ip4) WHERE ip4 IS NOT NULL;"
	"CREATE INDEX history_ip6 ON history (ip6) WHERE ip6 IS NOT NULL;",

	/* 3 -> 4 */
	/* selector: which nodes a controller is to give blocks of this CIDR; text of its own, NULL: any. */
	"ALTER TABLE cidr ADD COLUMN selector TEXT;"

	/* Where many machines share an engine, this is one machine's mirror of what it says. shared: the engine's own id of the
	 * thing; revision: as of when. held, doubt: enum ipam_held and enum node_doubt. */
	"ALTER TABLE cluster ADD COLUMN shared INTEGER;"
	"ALTER TABLE cluster ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;"
	"CREATE UNIQUE INDEX cluster_shared ON cluster (shared) WHERE shared IS NOT NULL;"
	"ALTER TABLE node ADD COLUMN shared INTEGER;"
	"ALTER TABLE node ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE node ADD COLUMN held INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE node ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0;"
	"CREATE UNIQUE INDEX node_shared ON node (shared) WHERE shared IS NOT NULL;"
	/* Which engine, and who this machine is there. */
	"CREATE TABLE engine ("
	"  key TEXT PRIMARY KEY,"
	"  value TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;",

	/* 4 -> 5 */
	"CREATE TABLE label ("
	"  node INTEGER NOT NULL REFERENCES node (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 317 AND key NOT GLOB '*[^-A-Za-z0-9_./]*'),"
	"  value TEXT NOT NULL CHECK (length(value) <= 63 AND value NOT GLOB '*[^-A-Za-z0-9_.]*'),"
	"  PRIMARY KEY (node, key)"
	") STRICT, WITHOUT ROWID;"
	/* What a CHECK would say, which a column that is there can't be given. */
	"CREATE TRIGGER cidr_selector BEFORE INSERT ON cidr "
	"WHEN NOT (length(NEW.selector) BETWEEN 1 AND 4096 AND NEW.selector NOT GLOB '*[^-A-Za-z0-9_./,=!]*') "
	"BEGIN SELECT RAISE(ABORT, 'no selector'); END;"
	"CREATE TRIGGER cidr_selector_changed BEFORE UPDATE OF selector ON cidr "
	"WHEN NOT (length(NEW.selector) BETWEEN 1 AND 4096 AND NEW.selector NOT GLOB '*[^-A-Za-z0-9_./,=!]*') "
	"BEGIN SELECT RAISE(ABORT, 'no selector'); END;",

	/* 5 -> 6 */
	/* services: no block is delegated that the range meets. */
	"ALTER TABLE reserved ADD COLUMN services INTEGER NOT NULL DEFAULT 0 CHECK (services IN (0, 1));",
};

_Static_assert(sizeof steps / sizeof *steps == SCHEMA_VERSION, "a step for each version");
_Static_assert(SCHEMA_APPLICATION_ID == 1768972653, "the number in the first step");

static int error_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_NOTADB:
		return -EINVAL;
	case SQLITE_CORRUPT:
		return -EUCLEAN;
	case SQLITE_BUSY:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
		return -EROFS;
	default:
		return -EIO;
	}
}

static int get_int(sqlite3 *db, const char *sql, int *out)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		*out = sqlite3_column_int(stmt, 0);
		code = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return error_of(code);
}

/* *version is user_version; 0 for an empty file that may become ours. One that has pages and no schema has lost it. */
static int identify(sqlite3 *db, int *version)
{
	int application = 0, objects = 0, tables = 0, pages = 0;
	int rc = get_int(db, "PRAGMA application_id", &application);

	if (rc == 0)
		rc = get_int(db, "PRAGMA user_version", version);
	if (rc == 0)
		rc = get_int(db, "SELECT count(*) FROM sqlite_schema", &objects);
	if (rc == 0)
		rc = get_int(db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('sequence', 'cluster', 'cidr', 'node', 'lease')",
			     &tables);
	if (rc == 0)
		rc = get_int(db, "PRAGMA page_count", &pages);
	if (rc < 0)
		return rc;
	if (application == 0 && *version == 0 && objects == 0)
		return pages > 1 ? -EUCLEAN : 0;
	if (application != SCHEMA_APPLICATION_ID)
		return tables < 5 ? -EINVAL : -EUCLEAN;
	return *version < 1 ? -EUCLEAN : *version > SCHEMA_VERSION ? -ENOTSUP : 0;
}

const char *schema_error(int rc, sqlite3 *db)
{
	switch (rc) {
	case -EINVAL:
		return "not an ipamfs database; if it was one its beginning is damaged: restore a backup";
	case -EUCLEAN:
		return "a damaged ipamfs database; 'ipamctl check --repair' makes another of what can be read, or restore a backup";
	case -ENODATA:
		return "not an ipamfs database: nothing is in it";
	case -ENOTSUP:
		return "made by a newer ipamfs; use that version";
	default:
		return open_error(db);
	}
}

bool schema_is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 || S_ISREG(st.st_mode);
}

int schema_check(sqlite3 *db)
{
	int version = 0;
	int rc = identify(db, &version);

	if (rc == 0 && version == 0)
		rc = -ENODATA;
	return rc == 0 && version < SCHEMA_VERSION ? 1 : rc;
}

int schema_migrate(sqlite3 *db)
{
	char pragma[48];
	int version = 0;
	int rc = identify(db, &version);

	if (rc < 0 || version == SCHEMA_VERSION)
		return rc;
	if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return -EIO;
	rc = identify(db, &version); /* another process may have been here before the lock was ours */
	for (int i = version; rc == 0 && i < SCHEMA_VERSION; i++)
		if (sqlite3_exec(db, steps[i], NULL, NULL, NULL) != SQLITE_OK)
			rc = -EIO;
	snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", SCHEMA_VERSION);
	if (rc == 0 &&
	    (sqlite3_exec(db, pragma, NULL, NULL, NULL) != SQLITE_OK || sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK))
		rc = sqlite3_errcode(db) == SQLITE_FULL ? -ENOSPC : -EIO;
	if (rc < 0)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* ---- is it ours? -------------------------------------------------------------------------------------------------- */

/* SQLite's own tables of statistics are anybody's to make. */
static const char objects[] = "SELECT type, name, tbl_name, coalesce(sql, ''), rootpage > 0 FROM sqlite_schema"
			      " WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY type, name";

static const char *text(sqlite3_stmt *row, int column)
{
	const char *s = (const char *)sqlite3_column_text(row, column);

	return s != NULL ? s : "";
}

/* But for white space. */
static bool same_text(const char *a, const char *b)
{
	static const char white[] = " \t\r\n";

	for (;; a++, b++) {
		a += strspn(a, white);
		b += strspn(b, white);
		if (*a != *b)
			return false;
		if (*a == 0)
			return true;
	}
}

static int order(sqlite3_stmt *a, sqlite3_stmt *b)
{
	int by_type = strcmp(text(a, 0), text(b, 0));

	return by_type != 0 ? by_type : strcmp(text(a, 1), text(b, 1));
}

struct comparing {
	void (*tell)(void *arg, bool foreign, const char *what);
	void *arg;
	int found;
};

static void differs(struct comparing *c, bool foreign, const char *format, sqlite3_stmt *row)
{
	char what[512];

	snprintf(what, sizeof what, format, text(row, 0), text(row, 1));
	c->found++;
	c->tell(c->arg, foreign, what);
}

/* Both in one order. An SQLite code. */
static int merge(struct comparing *c, sqlite3_stmt *ours, sqlite3_stmt *theirs)
{
	int a = sqlite3_step(ours), b = sqlite3_step(theirs);

	while ((a == SQLITE_ROW || a == SQLITE_DONE) && (b == SQLITE_ROW || b == SQLITE_DONE)) {
		int which = a == SQLITE_DONE ? 1 : b == SQLITE_DONE ? -1 : order(ours, theirs);

		if (a == SQLITE_DONE && b == SQLITE_DONE)
			return SQLITE_OK;
		if (which > 0)
			differs(c, true, "%s '%s' in the schema is none of ipamfs'", theirs);
		else if (which < 0)
			differs(c, false, "%s '%s' is missing in the schema", ours);
		else if (strcmp(text(ours, 2), text(theirs, 2)) != 0 || !same_text(text(ours, 3), text(theirs, 3)) ||
			 sqlite3_column_int(ours, 4) != sqlite3_column_int(theirs, 4))
			differs(c, true, "%s '%s' isn't as ipamfs makes it", theirs);
		a = which <= 0 ? sqlite3_step(ours) : a;
		b = which >= 0 ? sqlite3_step(theirs) : b;
	}
	return a != SQLITE_ROW && a != SQLITE_DONE ? a : b;
}

static int make_ours(sqlite3 **out, int version)
{
	int code = sqlite3_open(":memory:", out);

	for (int i = 0; code == SQLITE_OK && i < version; i++)
		code = sqlite3_exec(*out, steps[i], NULL, NULL, NULL);
	return code;
}

int schema_compare(sqlite3 *db, void (*tell)(void *arg, bool foreign, const char *what), void *arg)
{
	struct comparing c = { .tell = tell, .arg = arg };
	sqlite3_stmt *ours = NULL, *theirs = NULL;
	sqlite3 *memory = NULL;
	int version = 0, rc = identify(db, &version), code;

	if (rc < 0)
		return rc;
	code = make_ours(&memory, version);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(memory, objects, -1, &ours, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(db, objects, -1, &theirs, NULL);
	if (code == SQLITE_OK)
		code = merge(&c, ours, theirs);
	sqlite3_finalize(ours);
	sqlite3_finalize(theirs);
	sqlite3_close(memory);
	return code == SQLITE_OK ? c.found : error_of(code);
}
