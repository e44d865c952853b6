/* check — what the two sides of `ipamctl check` share: the rows of a database, and the findings. */
#ifndef IPAMCTL_CHECK_H
#define IPAMCTL_CHECK_H

#include "ipam.h"
#include "ipamctl/ctl.h"

#include <sqlite3.h>

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

/* The rows by themselves: no overlap, everything in its place. */
void check_database(struct check *c);
/* Of a mount that shares an engine with other machines: where its rows are. */
bool check_state_file(const char *mount, char out[4096]);
/* What the engine has, against the mount. CTL_DONE: all of it was looked at, *said tells how much; CTL_REFUSED: it wasn't, *said
 * tells why. *said is the caller's to free, and may be NULL. */
int check_engine(struct check *c, const char *mount, char **said);
/* The mount against the rows. */
void check_mount(struct check *c, const char *mount);

/* A log is there, if an empty one. */
bool check_log_exists(const char *path);
/* Is the log whole that a daemon left which died? As store_verify_log; 0 also for a database in use. To be asked before SQLite opens it
 * (core/wal.h). */
int check_log(const char *path, struct ipam_error *error);
/* ipamctl check --repair: a status. */
int repair_run(const char *path, bool json, bool quiet);

#endif
