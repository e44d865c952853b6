/* repair — what the parts of `ipamctl check --repair` share: the damaged database, the new one, and what is to be told. */
#ifndef IPAMCTL_REPAIR_H
#define IPAMCTL_REPAIR_H

#include "check.h"

#include <stdio.h>

/* What is told, and listed in the report beside the database. */
enum tell { TELL_KEPT, TELL_LOST, TELL_UNCERTAIN, TELLS };

struct repair {
	sqlite3 *from, *to; /* the damaged one, read only; the new one */
	bool json, quiet;
	FILE *report;
	uint64_t told[TELLS];
	char **line[TELLS];
	int error;        /* negative errno: the new one could not be written */
	uint64_t next_id; /* of the new one: more than any id that was ever given */
	/* What is known in full, by one of its copies (the table, an index) at least. */
	bool leases, address[CIDR_FAMILIES], blocks, nodes, history;
};

void repair_tell(struct repair *r, enum tell how, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Run statements of the new one; an error ends the repair. */
void repair_do(struct repair *r, const char *sql);
/* For each row of a query of the new one. */
void repair_rows(struct repair *r, const char *sql, void (*fn)(struct repair *r, sqlite3_stmt *row, void *arg), void *arg);
/* Run a statement with the values of a row. SQLITE_DONE, or an error that the caller judges. */
int repair_put(struct repair *r, const char *sql, sqlite3_stmt *row);

/* The functions that the statements use (repair_fn.c): is_name(KIND, x), address(FAMILY, x), prefix(x), prefix_length(x),
 * first_key(x), last_key(x), contains(PREFIX, ADDRESS), block_of(ADDRESS, LENGTH): NULL for what is none; is_range(x),
 * is_setting(KEY, x). */
int repair_functions(sqlite3 *db);
/* All that can be read, into tables for it of the new one (repair_read.c). */
void repair_read(struct repair *r);
/* From there to where it belongs (repair_merge.c). */
void repair_merge(struct repair *r);
/* Addresses that somebody may hold, though no lease is known: reserved (repair_doubt.c). */
void repair_doubt(struct repair *r);

#endif
