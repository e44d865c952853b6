/* findings — what a check found, and the queries that find it. */
#ifndef IPAMCTL_CHECK_FINDINGS_H
#define IPAMCTL_CHECK_FINDINGS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct check {
	sqlite3 *db;
	bool quiet, json;
	bool foreign; /* the schema is somebody else's: no row was read */
	bool silent;  /* findings are counted alone */
	uint64_t findings, clusters, nodes, blocks, leases;
	int failed; /* negative errno: the check itself could not go on */
};

/* One finding: a line (or an element of the JSON list). */
void check_finding(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Call fn for each row; a query that can't run is a finding. */
void check_rows(struct check *c, const char *sql, void (*fn)(struct check *c, sqlite3_stmt *row, void *arg), void *arg);
const char *check_text(sqlite3_stmt *row, int column); /* never NULL */
uint64_t check_count(struct check *c, const char *sql);

#endif
