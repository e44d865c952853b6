/* publish — own leases, told to the other machines: behind, in batches, never on the way of an allocation.
 *
 * A node's leases lie in buckets by their ids, so that a change writes a small value anew. What has changed is marked by those
 * who change it (publish_lease); the pulse writes it. Other machines' publications come through the watch.
 */
#ifndef IPAM_PUBLISH_H
#define IPAM_PUBLISH_H

#include "remote.h"

enum { PUBLISH_BUCKET = 64 }; /* ids in one */

int publish_new(struct remote *r, struct publish **out);
void publish_free(struct publish *p); /* NULL is fine */
/* A lease of the node was made, changed or released. Under the lock of struct ipam, for writing. */
void publish_lease(struct ipam *ipam, const struct node *n, uint64_t lease);
/* Everything of own nodes is to be compared with what is published: after a start. */
void publish_all(struct publish *p);
/* How many buckets are to be written still, and since when (seconds since the epoch, 0: none are). */
size_t publish_backlog(struct publish *p, int64_t *since);
/* For the pulse: write what is marked; *revision: the engine's after it, as it was where there is nothing. -EHOSTUNREACH and so on: it
 * stays marked. */
int publish_round(struct remote *r, int64_t *revision, struct ipam_error *error);

/* Another machine's bucket has come, changed or (size 0) gone; its leases become visible. */
void publish_take(struct remote *r, uint64_t node, uint64_t bucket, const char *value, size_t size);
/* When it published last. */
void publish_take_time(struct remote *r, uint64_t node, const char *value, size_t size);
/* Forget the leases of another machine's node that lie outside these blocks (a line each), or (NULL) all. */
void publish_forget(struct remote *r, uint64_t node, const char *blocks);
/* A full read says which buckets there are; the leases of others that came with any other are forgotten then. -ENOMEM. */
struct publish_keys {
	struct publish_key {
		uint64_t node; /* shared */
		uint32_t bucket;
	} * key;
	size_t count, size;
};
int publish_seen(struct publish_keys *keys, uint64_t node, uint64_t bucket);
int publish_forget_unseen(struct remote *r, struct publish_keys *keys);

#endif
