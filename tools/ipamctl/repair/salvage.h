/* salvage — all rows that can be read of a damaged database. */
#ifndef IPAMCTL_REPAIR_SALVAGE_H
#define IPAMCTL_REPAIR_SALVAGE_H

#include "ipamctl/repair/repair.h"

#include <sqlite3.h>

/* Run statements of the new one; an error ends the repair. */
void repair_do(struct repair *r, const char *sql);
/* For each row of a query of the new one. */
void repair_rows(struct repair *r, const char *sql, void (*fn)(struct repair *r, sqlite3_stmt *row, void *arg), void *arg);
/* Run a statement with the values of a row. SQLITE_DONE, or an error that the caller judges. */
int repair_put(struct repair *r, const char *sql, sqlite3_stmt *row);
/* Tell a line for each row of a query: its first column. */
void repair_tell_rows(struct repair *r, enum tell how, const char *sql);
/* All that can be read, into tables for it of the new one, named s_TABLE and i_INDEX. */
void repair_read(struct repair *r);

#endif
