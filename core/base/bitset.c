#include "base/bitset.h"

#include "base/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
	LEVELS = 22, /* 22 * 6 bits cover 128 */
	SHIFT = 6,
	LEVEL_SHIFT = 122, /* an index has 122 bits at most: its level stands above */
	MIN_SIZE = 4,
};

/* bits == 0: the slot is free, since words of zeros are not kept. */
struct bitset_word {
	u128 key;
	uint64_t bits;
	uint64_t pad;
};

void bitset_close(struct bitset *b)
{
	free(b->table);
	*b = (struct bitset){ 0 };
}

size_t bitset_memory(const struct bitset *b)
{
	return b->size * sizeof *b->table;
}

static u128 key_of(unsigned level, u128 index)
{
	return index | (u128)level << LEVEL_SHIFT;
}

static uint32_t home(const struct bitset *b, u128 key)
{
	return (uint32_t)index_hash_u64((uint64_t)(key >> 64) + 1, (uint64_t)key) & (b->size - 1);
}

/* The slot of the word, or the free one where it would go. The table is never full. */
static uint32_t slot_of(const struct bitset *b, u128 key)
{
	uint32_t i = home(b, key);

	while (b->table[i].bits != 0 && b->table[i].key != key)
		i = (i + 1) & (b->size - 1);
	return i;
}

static uint64_t word(const struct bitset *b, unsigned level, u128 index)
{
	return b->size == 0 ? 0 : b->table[slot_of(b, key_of(level, index))].bits;
}

static int resize(struct bitset *b, uint32_t size)
{
	struct bitset old = *b;
	struct bitset_word *table = calloc(size, sizeof *table);

	if (table == NULL)
		return -ENOMEM;
	b->table = table;
	b->size = size;
	for (uint32_t i = 0; i < old.size; i++)
		if (old.table[i].bits != 0)
			table[slot_of(b, old.table[i].key)] = old.table[i];
	free(old.table);
	return 0;
}

/* At most three quarters full. */
static bool fits(uint32_t size, uint64_t words)
{
	return words * 4 <= (uint64_t)size * 3;
}

static int reserve(struct bitset *b, unsigned words)
{
	uint32_t size = b->size == 0 ? MIN_SIZE : b->size;

	while (!fits(size, (uint64_t)b->words + words)) {
		if (size > UINT32_MAX / 2)
			return -ENOMEM;
		size *= 2;
	}
	return size == b->size ? 0 : resize(b, size);
}

/* Free the slot and move back what it would cut off. */
static void drop(struct bitset *b, uint32_t hole)
{
	uint32_t mask = b->size - 1;

	for (uint32_t i = (hole + 1) & mask; b->table[i].bits != 0; i = (i + 1) & mask) {
		uint32_t from = home(b, b->table[i].key);

		if (((i - from) & mask) >= ((i - hole) & mask)) {
			b->table[hole] = b->table[i];
			hole = i;
		}
	}
	b->table[hole].bits = 0;
	b->words--;
}

bool bitset_test(const struct bitset *b, u128 i)
{
	return word(b, 0, i >> SHIFT) >> (i & 63) & 1;
}

int bitset_set(struct bitset *b, u128 i)
{
	unsigned fresh = 0, levels = 0;
	u128 index = i;
	int rc;

	if (bitset_test(b, i))
		return -EEXIST;
	/* First see which words change, so that want of memory changes nothing: each level that becomes full goes on up. */
	do {
		uint64_t bit = (uint64_t)1 << (index & 63);
		uint64_t old = word(b, levels, index >> SHIFT);

		fresh += old == 0;
		index >>= SHIFT;
		levels++;
		if ((old | bit) != UINT64_MAX)
			break;
	} while (levels < LEVELS);
	rc = fresh == 0 ? 0 : reserve(b, fresh);
	if (rc < 0)
		return rc;
	for (unsigned level = 0; level < levels; level++) {
		u128 key = key_of(level, i >> SHIFT);
		struct bitset_word *w = &b->table[slot_of(b, key)];

		b->words += w->bits == 0;
		w->key = key;
		w->bits |= (uint64_t)1 << (i & 63);
		i >>= SHIFT;
	}
	return 0;
}

int bitset_clear(struct bitset *b, u128 i)
{
	if (!bitset_test(b, i))
		return -ENOENT;
	for (unsigned level = 0; level < LEVELS; level++) {
		uint32_t slot = slot_of(b, key_of(level, i >> SHIFT));
		bool was_full = b->table[slot].bits == UINT64_MAX;

		assert(b->table[slot].bits >> (i & 63) & 1);
		b->table[slot].bits &= ~((uint64_t)1 << (i & 63));
		if (b->table[slot].bits == 0) {
			b->table[slot].bits = 1; /* in use for drop, which counts and closes the gap */
			drop(b, slot);
		}
		if (!was_full)
			break;
		i >>= SHIFT;
	}
	if (b->size > MIN_SIZE && b->words < b->size / 8)
		resize(b, b->size / 2); /* failing leaves a roomier table */
	return 0;
}

/* The lowest zero bit of a word from bit `from` on, or 64. */
static unsigned next_zero(uint64_t bits, unsigned from)
{
	uint64_t zeros = ~bits & (UINT64_MAX << from);

	return zeros == 0 ? 64 : (unsigned)__builtin_ctzll(zeros);
}

int bitset_next_clear(const struct bitset *b, u128 from, u128 last, u128 *out)
{
	u128 at = from; /* at this level: the first index that may do */
	unsigned level = 0;

	if (from > last)
		return -ENOSPC;
	/* Up, until a word has a zero at or after the place. */
	for (;;) {
		unsigned bit = next_zero(word(b, level, at >> SHIFT), (unsigned)(at & 63));

		if (bit < 64) {
			at = (at >> SHIFT << SHIFT) | bit;
			break;
		}
		/* This word has none: go on behind it, a level higher. */
		at = (at >> SHIFT) + 1;
		level++;
		if (level == LEVELS || at > last >> (SHIFT * level))
			return -ENOSPC;
	}
	/* Down again: the first zero of each word, which has one, since the word above says it is not full. */
	while (level > 0) {
		if (at > last >> (SHIFT * level))
			return -ENOSPC;
		level--;
		at = at << SHIFT;
		at |= next_zero(word(b, level, at >> SHIFT), 0);
	}
	if (at > last)
		return -ENOSPC;
	*out = at;
	return 0;
}

u128 bitset_count(const struct bitset *b, u128 first, u128 last)
{
	u128 count = 0;

	for (uint32_t i = 0; i < b->size; i++) {
		const struct bitset_word *w = &b->table[i];
		u128 low = w->key << SHIFT;
		uint64_t bits = w->bits;

		if (bits == 0 || w->key >> LEVEL_SHIFT != 0 || low > last || low + 63 < first)
			continue;
		if (first > low)
			bits &= UINT64_MAX << (first - low);
		if (last - low < 63)
			bits &= ~(UINT64_MAX << (last - low + 1));
		count += (unsigned)__builtin_popcountll(bits);
	}
	return count;
}
