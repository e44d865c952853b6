/* schema — the database's format: its identity, and the numbered steps that bring a file to this version.
 *
 * The schema distrusts the program: an overlap of addresses or blocks can't be stored, a lease can't outlive its node nor
 * a node its cluster. Addresses and prefixes are text, to be read with the sqlite3 shell; the *_key columns are the same
 * as sortable hexadecimal (cidr_print_key), which range comparisons need.
 */
#ifndef IPAM_STORE_SCHEMA_H
#define IPAM_STORE_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>

enum {
	SCHEMA_APPLICATION_ID = 0x6970616d, /* "ipam", in the file's header */
	SCHEMA_VERSION = 6,                 /* user_version after the last step */
};

/* Give an empty database its identity and bring any to SCHEMA_VERSION, in one transaction. -ENOTSUP: newer than this
 * program; -EINVAL: not an ipamfs database; -EUCLEAN: a damaged one; -EIO and the like from SQLite. */
int schema_migrate(sqlite3 *db);
/* What is wrong and what helps, to follow the name of the file: of an error of these functions. */
const char *schema_error(int rc, sqlite3 *db);
/* Not a FIFO or the like, of which opening would wait for the other end; what isn't there is for who opens it to tell. */
bool schema_is_file(const char *path);
/* Check the identity without changing anything: as above, -ENODATA for an empty database; 1 for one of an older version. */
int schema_check(sqlite3 *db);
/* What of the schema isn't as the steps up to the database's version make it: each is told (a sentence; foreign: it is more than, or other
 * than, ours, so that a query might do anything). How many; negative errnos as above. Nothing but SQLite's own table of the schema is
 * read. */
int schema_compare(sqlite3 *db, void (*tell)(void *arg, bool foreign, const char *what), void *arg);

#endif
