/* index — a hash table of 32-bit handles; the keys stay in the objects that the handles name.
 *
 * Open addressing with linear probing; 4 bytes a slot. The owner supplies the hash of a handle's key. Handle 0 is none.
 * Not thread-safe. Zero-initialised (but for hash and arg) is empty.
 */
#ifndef IPAM_BASE_INDEX_H
#define IPAM_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index {
	uint32_t *slot;
	uint32_t size, used; /* size is a power of two or 0 */
	uint64_t (*hash)(const void *arg, uint32_t handle);
	const void *arg;
};

void index_init(struct index *x, uint64_t (*hash)(const void *arg, uint32_t handle), const void *arg);
void index_close(struct index *x);
/* Make room for n more, so that as many index_add can't fail. -ENOMEM. */
int index_reserve(struct index *x, uint32_t n);
/* Add a handle whose key is in place and not in the index. -ENOMEM. */
int index_add(struct index *x, uint32_t handle);
/* Remove it; its key must be in place still. */
void index_remove(struct index *x, uint32_t handle);
/* The handle whose key has this hash and matches, or 0. */
uint32_t index_find(const struct index *x, uint64_t hash, bool (*match)(const void *arg, uint32_t handle, const void *key),
		    const void *key);

/* Hashes for keys: of bytes, of a number; chained by seed. */
uint64_t index_hash_bytes(uint64_t seed, const void *bytes, size_t n);
uint64_t index_hash_u64(uint64_t seed, uint64_t value);

#endif
