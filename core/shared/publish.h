/* publish — own leases, told to the other machines: behind, in batches, never on the way of an allocation.
 *
 * A node's leases lie in buckets by their ids, so that a change writes a small value anew. What has changed is marked by those
 * who change it (publish_lease); the pulse writes it. Other machines' publications come through the watch.
 */
#ifndef IPAM_SHARED_PUBLISH_H
#define IPAM_SHARED_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

struct ipam;
struct ipam_error;
struct node;
struct publish;
struct remote;

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

#endif
