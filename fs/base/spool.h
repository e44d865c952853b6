/* spool — text that may be far larger than memory should be: what is past a little of it goes to a file without a name.
 * Written by one thread, then read by any number.
 */
#ifndef IPAMFS_SPOOL_H
#define IPAMFS_SPOOL_H

#include "fs/base/buffer.h"

#include <stdbool.h>
#include <sys/types.h>

struct spool {
	const char *dir;   /* where the file is made; NULL: all is memory */
	struct buffer mem; /* what isn't in the file yet, */
	int fd;            /* which is -1 until it is needed */
	off_t size;        /* of what is in the file */
};

/* Whether files without a name can be made there, which not every filesystem knows. */
bool spool_knows_nameless(const char *dir);
void spool_init(struct spool *s, const char *dir);
void spool_free(struct spool *s);
/* Call it now and then while s->mem is added to: 0, -ENOSPC (also before the filesystem is quite full: others want the rest),
 * -ENOMEM, -EIO the place is not to be had (which is logged), and others from the system. */
int spool_flush(struct spool *s);
/* All is written: the same. */
int spool_end(struct spool *s);
/* What is at an offset, once all is written: bytes, 0 at the end, -EIO and the like. */
ssize_t spool_read(const struct spool *s, char *out, size_t size, off_t off);

#endif
