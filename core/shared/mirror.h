/* mirror — what the engine has, brought into this machine's memory and database: by one thread (remote_sync), in the engine's
 * order.
 *
 * Each record is compared with what is here, and what differs is changed as by a user, only that the engine has agreed
 * already. Everything is idempotent: a process that ends half way begins again with a full read.
 */
#ifndef IPAM_SHARED_MIRROR_H
#define IPAM_SHARED_MIRROR_H

#include "ipam.h"

struct record;
struct remote;

/* A node or cluster is as the record says. -EUCLEAN: the record contradicts what is here (told and passed over), -ENOENT its
 * cluster isn't here; others from the database: try again. narrow: only what it has no longer goes; what is new comes with a
 * second call. */
int mirror_put(struct remote *r, const struct record *record, bool narrow);
/* What had this name until the revision is gone. */
int mirror_gone(struct remote *r, enum ipam_kind kind, uint64_t cluster, const char *name, int64_t revision);
/* The same by our own id: at a full read. */
int mirror_gone_id(struct remote *r, enum ipam_kind kind, uint64_t id);

#endif
