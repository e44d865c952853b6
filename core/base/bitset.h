/* bitset — a set of 128-bit numbers as a lazy 64-ary tree of words, each level saying which subtrees are full.
 *
 * Level 0 holds the members, 64 to a word; bit b of word w on level L+1 is set when word 64*w+b of level L is all ones.
 * A word of zeros is not stored: the words live in one open-addressing table keyed by (level, index), so a set costs
 * memory for what is in it alone, at any universe size. Finding the next number that is not in the set costs at most
 * two word look-ups a level (22 levels for 2^128).
 *
 * Not thread-safe: the owner's lock protects it. Zero-initialised is empty; bitset_close is safe on that too.
 */
#ifndef IPAM_BASE_BITSET_H
#define IPAM_BASE_BITSET_H

#include "base/cidr.h"

struct bitset_word;

struct bitset {
	struct bitset_word *table;
	uint32_t size;  /* slots, a power of two or 0 */
	uint32_t words; /* slots in use */
};

void bitset_close(struct bitset *b);

bool bitset_test(const struct bitset *b, u128 i);
/* 0, -EEXIST if it was in already, -ENOMEM (nothing changed). */
int bitset_set(struct bitset *b, u128 i);
/* 0, or -ENOENT if it wasn't in. Needs no memory, so it can't fail otherwise. */
int bitset_clear(struct bitset *b, u128 i);
/* The lowest number in from..last that is not in the set: 0, or -ENOSPC. */
int bitset_next_clear(const struct bitset *b, u128 from, u128 last, u128 *out);
/* How many of first..last are in the set. Walks the words stored, whatever the range: for rare use. */
u128 bitset_count(const struct bitset *b, u128 first, u128 last);
/* Bytes on the heap. */
size_t bitset_memory(const struct bitset *b);

#endif
