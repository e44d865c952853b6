/* store_mark — a database in use carries a mark, so that whoever opens it next knows that its daemon died, and when the log that it left
 * isn't what it was. */
#ifndef IPAM_STORE_STORE_MARK_H
#define IPAM_STORE_STORE_MARK_H

#include "ipam.h"

struct store;

/* Of this boot of the machine. */
void boot_id_read(char out[IPAM_BOOT_ID]);

/* Mark the database as open or not, in a transaction of its own. */
int store_mark(struct store *s, bool open);
/* The statement alone. */
int store_unmark(struct store *s);

/* Before SQLite opens a database that nobody has in use: 0, or -EUCLEAN with error->text where its daemon died and the log that it left
 * was removed, cut or damaged since, so that what was stored last is missing. Changes nothing. -ENOMEM, -EIO and the like: it can't be
 * told. `boot`: which boot this is, NULL: ask the kernel. wal.h reads what is left of such a log. */
int store_verify_log(const char *path, const char *boot, struct ipam_error *error);

/* After that, of a database that is opened to be changed: what was begun and never answered goes from the end of the log, where its daemon
 * died in the midst of it, or the disk refused it. SQLite makes an index that knows nothing of it, and if this start fails after that, the
 * next one would take it for damage. In the same boot alone: after a loss of power the index is whatever it is, and what lies behind a
 * break is told of and can be looked at. Errors are nobody's: then it stays. */
void store_trim_log(const char *path, const char *boot);

#endif
