#include "base/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_SIZE = 8 };

void index_init(struct index *x, uint64_t (*hash)(const void *arg, uint32_t handle), const void *arg)
{
	*x = (struct index){ .hash = hash, .arg = arg };
}

void index_close(struct index *x)
{
	free(x->slot);
	x->slot = NULL;
	x->size = x->used = 0;
}

static void place(struct index *x, uint32_t handle)
{
	uint32_t mask = x->size - 1;
	uint32_t i = (uint32_t)x->hash(x->arg, handle) & mask;

	while (x->slot[i] != 0)
		i = (i + 1) & mask;
	x->slot[i] = handle;
}

/* At most three quarters full: probes stay short, and 4 bytes a slot are cheap. */
static bool fits(uint32_t size, uint64_t used)
{
	return used * 4 <= (uint64_t)size * 3;
}

static int resize(struct index *x, uint32_t size)
{
	uint32_t *old = x->slot;
	uint32_t old_size = x->size;
	uint32_t *slot = calloc(size, sizeof *slot);

	if (slot == NULL)
		return -ENOMEM;
	x->slot = slot;
	x->size = size;
	for (uint32_t i = 0; i < old_size; i++)
		if (old[i] != 0)
			place(x, old[i]);
	free(old);
	return 0;
}

int index_reserve(struct index *x, uint32_t n)
{
	uint32_t size = x->size == 0 ? MIN_SIZE : x->size;

	while (!fits(size, (uint64_t)x->used + n)) {
		if (size > UINT32_MAX / 2)
			return -ENOMEM;
		size *= 2;
	}
	return size == x->size ? 0 : resize(x, size);
}

int index_add(struct index *x, uint32_t handle)
{
	int rc = index_reserve(x, 1);

	assert(handle != 0);
	if (rc < 0)
		return rc;
	place(x, handle);
	x->used++;
	return 0;
}

void index_remove(struct index *x, uint32_t handle)
{
	uint32_t mask = x->size - 1;
	uint32_t hole, i;

	if (x->size == 0)
		return;
	hole = (uint32_t)x->hash(x->arg, handle) & mask;
	while (x->slot[hole] != handle) {
		assert(x->slot[hole] != 0);
		hole = (hole + 1) & mask;
	}
	/* Move back what the hole would cut off from where its hash points. */
	for (i = (hole + 1) & mask; x->slot[i] != 0; i = (i + 1) & mask) {
		uint32_t home = (uint32_t)x->hash(x->arg, x->slot[i]) & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			x->slot[hole] = x->slot[i];
			hole = i;
		}
	}
	x->slot[hole] = 0;
	x->used--;
	if (x->size > MIN_SIZE && x->used < x->size / 8)
		resize(x, x->size / 2); /* failing leaves a roomier table */
}

uint32_t index_find(const struct index *x, uint64_t hash, bool (*match)(const void *arg, uint32_t handle, const void *key), const void *key)
{
	uint32_t mask = x->size - 1;

	if (x->size == 0)
		return 0;
	for (uint32_t i = (uint32_t)hash & mask; x->slot[i] != 0; i = (i + 1) & mask)
		if (match(x->arg, x->slot[i], key))
			return x->slot[i];
	return 0;
}

uint64_t index_hash_u64(uint64_t seed, uint64_t value)
{
	__extension__ unsigned __int128 product = (unsigned __int128)(value ^ 0x9e3779b97f4a7c15u) * (seed ^ 0xd6e8feb86659fd93u);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t index_hash_bytes(uint64_t seed, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t hash = index_hash_u64(seed, n), word;

	for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
		memcpy(&word, p, sizeof word);
		hash = index_hash_u64(hash, word);
	}
	word = 0;
	memcpy(&word, p, n);
	return index_hash_u64(hash, word);
}
