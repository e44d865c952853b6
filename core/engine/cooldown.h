/* cooldown — released addresses that are not given again yet. All under the lock of struct ipam, for changing. */
#ifndef IPAM_ENGINE_COOLDOWN_H
#define IPAM_ENGINE_COOLDOWN_H

#include <stddef.h>
#include <stdint.h>

struct block;
struct cluster;
struct ipam;
struct node;
struct settings;
struct store_rest;

struct rests {
	struct store_rest *heap; /* the earliest first */
	size_t count, size;
	size_t promised; /* places that changes in flight will need */
};

/* Promise a place for one more, so that rest_begin can't fail. -ENOMEM. */
int rest_promise(struct ipam *ipam);
void rest_unpromise(struct ipam *ipam);
/* The address's slot is taken already: keep it so until the time. Uses up a promise. */
void rest_begin(struct ipam *ipam, const struct store_rest *rest, struct block *block);
/* At load, or when a block is delegated: take the slots of what rests. */
int rest_load(struct ipam *ipam, struct store_rest *rest, size_t n);
int rest_apply(struct ipam *ipam, struct block *block);
/* The earliest, or NULL; take it from the heap. */
const struct store_rest *rest_first(const struct ipam *ipam);
void rest_pop(struct ipam *ipam);
/* Free the slot. */
void rest_end(struct ipam *ipam, const struct store_rest *rest);
/* Rests in the cluster (of `only`, where that isn't NULL) that go on for longer than reuse-delay would let them from now on, with the
 * settings that a cluster and a node are to have: sorted, `until` as it will be. *out is the caller's to free. -ENOMEM. */
int rest_beyond(const struct ipam *ipam, const struct cluster *c, const struct node *only, const struct settings *merged, int64_t now,
		struct store_rest **out, size_t *n);
/* Let those end then; what has rested enough is free at once, and its row goes as that of any rest does. */
void rest_shorten(struct ipam *ipam, const struct store_rest *shorter, size_t n, int64_t now);

#endif
