/* db — a database of ipamfs's own schema, opened as the daemon opens it, that takes leases from plain SQL. */
#ifndef BENCH_DB_H
#define BENCH_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct bench_db {
	sqlite3 *db;
	sqlite3_stmt *insert, *remove; /* of a lease */
	int64_t cluster, node, boot;   /* that leases are put in */
	int64_t next;                  /* id of the next lease */
	uint32_t addr;                 /* the next one's address */
};

/* Open or make a database and bring it to the schema. Errors are negative errnos, told on stderr. */
int bench_db_open(const char *path, struct bench_db **out);
/* As ipamfs does: write-ahead log, synchronous FULL (or else NORMAL), the same cache and checkpoints. */
int bench_db_as_daemon(struct bench_db *b, bool full);
/* Add a cluster and a node without blocks, for the leases to stand in. */
int bench_db_add_node(struct bench_db *b);
void bench_db_close(struct bench_db *b);

/* Run statements that give no rows. */
int bench_db_exec(struct bench_db *b, const char *sql);
/* An id of the sequence that all objects share; bench_db_keep_ids stores where it stands. */
int64_t bench_db_id(struct bench_db *b);
int bench_db_keep_ids(struct bench_db *b);
/* The statement for an SQL text with parameters, and a step of one that gives no rows, which resets it. */
int bench_db_prepare(struct bench_db *b, const char *sql, sqlite3_stmt **out);
int bench_db_step(struct bench_db *b, sqlite3_stmt *stmt);

/* A lease of this name, with the next address, in a transaction of its own unless one is open. */
int bench_db_insert(struct bench_db *b, const char *name);
int bench_db_delete(struct bench_db *b, const char *name);

#endif
