/* check — what the two sides of `ipamctl check` share: the rows of a database, and the findings. */
#ifndef IPAMCTL_CHECK_H
#define IPAMCTL_CHECK_H

#include "ctl.h"

#include <sqlite3.h>

struct check {
	sqlite3 *db;
	bool quiet, json;
	uint64_t findings, clusters, nodes, blocks, leases;
	int failed; /* negative errno: the check itself could not go on */
};

/* One finding: a line (or an element of the JSON list). */
void check_finding(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Call fn for each row; a query that can't run is a finding. */
void check_rows(struct check *c, const char *sql, void (*fn)(struct check *c, sqlite3_stmt *row, void *arg), void *arg);
const char *check_text(sqlite3_stmt *row, int column); /* never NULL */
uint64_t check_count(struct check *c, const char *sql);

/* The rows by themselves: no overlap, everything in its place. */
void check_database(struct check *c);
/* The mount against the rows. */
void check_mount(struct check *c, const char *mount);

#endif
