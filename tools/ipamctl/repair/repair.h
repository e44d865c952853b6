/* repair — what the parts of `ipamctl check --repair` share: the damaged database, the new one, and what is to be told. */
#ifndef IPAMCTL_REPAIR_H
#define IPAMCTL_REPAIR_H

#include "ipamctl/check/check.h"
#include "ipamctl/repair/log.h"

#include <stdio.h>

/* What is told, and listed in the report beside the database. */
enum tell { TELL_KEPT, TELL_LOST, TELL_UNCERTAIN, TELLS };

#define REPAIR_STEP 1000 /* instructions of SQLite's machine */

/* A table or an index: what is read by itself. */
enum repair_source {
	CLUSTER,
	CLUSTER_NAME,
	NODE,
	NODE_NAME,
	NODE_ID,
	BLOCK,
	BLOCK_CIDR,
	BLOCK_FIRST,
	BLOCK_LAST,
	BLOCK_NODE,
	LEASE,
	LEASE_NAME,
	LEASE_IP4,
	LEASE_IP6,
	BOOT,
	BOOT_ID,
	NETWORK,
	NETWORK_NAME,
	HISTORY,
	HISTORY_IP4,
	HISTORY_IP6,
	SEQUENCE,
	CIDR,
	RESERVED,
	LABEL,
	XATTR,
	RESTING,
	SETTING,
	LAST,
	ENGINE,
	SOURCES,
};

struct repair {
	sqlite3 *from, *to; /* a copy of the damaged one; the new one */
	sqlite3 *ours;      /* an empty one: how it should look */
	struct repair_log log;
	bool schema_same;
	int64_t size;  /* of the copy */
	int64_t steps; /* that reading may still take */
	bool json, quiet;
	FILE *report;
	uint64_t told[TELLS];
	char **line[TELLS];
	int error;           /* negative errno: the new one could not be written */
	bool whole[SOURCES]; /* read to its end, and in order */
	/* What is known in full, by one of its copies (the table, an index) at least. */
	bool leases, address[CIDR_FAMILIES], blocks, history;
};

void repair_tell(struct repair *r, enum tell how, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Run statements of the new one; an error ends the repair. */
void repair_do(struct repair *r, const char *sql);
/* For each row of a query of the new one. */
void repair_rows(struct repair *r, const char *sql, void (*fn)(struct repair *r, sqlite3_stmt *row, void *arg), void *arg);
/* Run a statement with the values of a row. SQLITE_DONE, or an error that the caller judges. */
int repair_put(struct repair *r, const char *sql, sqlite3_stmt *row);

/* Reading begins: it may take as many steps as the size allows. */
void repair_steps(struct repair *r);
/* Tell a line for each row of a query: its first column. */
void repair_tell_rows(struct repair *r, enum tell how, const char *sql);

/* The functions that the statements use (sql_functions.c): is_name(KIND, x), address(FAMILY, x), prefix(x), prefix_length(x),
 * first_key(x), last_key(x), key_of(ADDRESS), prefix_of(FIRST KEY, LAST KEY), contains(PREFIX, ADDRESS), block_of(ADDRESS, LENGTH),
 * range(x): NULL for what is none; leasable(PREFIX, GATEWAY, ADDRESS), in_range(RANGE, ADDRESS), range_key(RANGE, LAST),
 * is_setting(KEY, x), is_label(KEY, x), is_selector(x). */
int repair_functions(sqlite3 *db);
/* All that can be read, into tables for it of the new one, named s_TABLE and i_INDEX (salvage.c). */
void repair_read(struct repair *r);
/* What the history tells, in tables named h_... (past.c). */
void repair_past(struct repair *r);
/* At the end: the history of the new one says what its rows say (past.c). */
void repair_close_past(struct repair *r);
/* Which ids were given: r->to's sequence goes on behind them. Clusters, nodes, CIDRs, blocks (merge.c). */
void repair_merge(struct repair *r);
/* Leases, and what is theirs (lease.c). */
void repair_leases(struct repair *r);
/* What belongs to clusters and nodes (rest.c). Reserved ranges come after the leases: these count. */
void repair_settings(struct repair *r);
void repair_rest(struct repair *r);
/* Addresses that somebody may hold, though no lease is known: reserved (uncertain.c). */
void repair_doubt(struct repair *r);
/* Whatever isn't as it was found, and was not told yet (diff.c). */
void repair_diff(struct repair *r);

/* Of values that were found: those of the type, or another. */
#define INT(x, otherwise) "iif(typeof(" x ") = 'integer', " x ", " otherwise ")"
#define OWNER(s, mode) INT(s ".uid", "0") ", " INT(s ".gid", "0") ", " INT(s ".mode", mode)
#define NOW "CAST(strftime('%s') AS INTEGER) * 1000000000"
#define TIMES(s) INT(s ".atime", NOW) ", " INT(s ".mtime", NOW) ", " INT(s ".ctime", NOW) ", " INT(s ".btime", NOW)
/* Of a row's candidates for a value, the one that has most votes: id, the values, votes. */
#define BEST(table, columns, where, source)                                                                                                \
	"CREATE TEMP TABLE " table " AS SELECT " columns ", max(votes) AS votes FROM (SELECT " columns                                     \
	", sum(weight) AS votes FROM (" source ") WHERE " where " GROUP BY " columns ") GROUP BY id;"                                      \
	"CREATE INDEX temp." table "_id ON " table " (id);"
/* Of a table's rows with an id, the first of those that are otherwise than said in the fewest ways. */
#define ROW_OF(table, of, otherwise)                                                                                                       \
	"(SELECT min((" otherwise ") * (1 << 40) + x.rowid) & ((1 << 40) - 1) FROM " table " x WHERE x.id = " of ")"
/* An id that was given; and a new one. */
#define GIVEN(x) "(typeof(" x ") = 'integer' AND " x " BETWEEN 2 AND (SELECT next_id FROM sequence) - 1)"
#define NEW_ID "(SELECT next_id FROM sequence)"
void repair_used_id(struct repair *r);
/* The block of a cluster in which an address lies: its row's column, or NULL. */
#define BLOCK_AT(column, cluster, ip)                                                                                                      \
	"(SELECT iif(bb.last_key >= key_of(" ip "), bb." column ", NULL) FROM block bb WHERE bb.cluster = " cluster                        \
	" AND bb.first_key <= key_of(" ip ") AND length(bb.first_key) = length(key_of(" ip ")) ORDER BY bb.first_key DESC LIMIT 1)"

#endif
