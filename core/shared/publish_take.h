/* publish_take — what other machines published: their leases, in memory alone, to be looked at. */
#ifndef IPAM_SHARED_PUBLISH_TAKE_H
#define IPAM_SHARED_PUBLISH_TAKE_H

#include <stddef.h>
#include <stdint.h>

struct remote;

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
