/* cidr — addresses, prefixes and ranges of both families, as 128-bit numbers.
 *
 * One representation serves IPv4 and IPv6: the address as an unsigned integer, an IPv4 one in the low 32 bits.
 * All functions are pure and thread-safe; none allocates. Errors are negative errnos.
 */
#ifndef IPAM_BASE_CIDR_H
#define IPAM_BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 u128;
#define U128_MAX (~(u128)0)

enum cidr_family { CIDR_V4 = 0, CIDR_V6 = 1, CIDR_FAMILIES = 2 };

/* A prefix: base has no bit set below len. */
struct cidr {
	u128 base;
	uint8_t family; /* enum cidr_family */
	uint8_t len;    /* 0..32 or 0..128 */
};

/* A closed range of addresses of one family: first <= last. */
struct cidr_range {
	u128 first, last;
	uint8_t family; /* enum cidr_family */
};

enum {
	CIDR_ADDR_TEXT = 46,  /* longest address with its NUL (INET6_ADDRSTRLEN) */
	CIDR_TEXT = 50,       /* longest address/length with its NUL */
	CIDR_RANGE_TEXT = 92, /* longest FIRST-LAST with its NUL */
};

/* 32 or 128. */
unsigned cidr_bits(unsigned family);

/* The parsers take exactly n bytes (no NUL needed, no blanks allowed) and answer 0 or -EINVAL.
 * cidr_parse: "A/len", host bits must be zero. cidr_parse_addr: "A". cidr_parse_host: "A" or "A/len" with any host bits;
 * *len is the family's bits where none was written. cidr_parse_range: "A", "A/len" or "A-B" with A <= B of one family. */
int cidr_parse(const char *s, size_t n, struct cidr *out);
int cidr_parse_addr(const char *s, size_t n, uint8_t *family, u128 *out);
int cidr_parse_host(const char *s, size_t n, uint8_t *family, u128 *out, uint8_t *len);
int cidr_parse_range(const char *s, size_t n, struct cidr_range *out);

/* The printers write the canonical text (IPv6: RFC 5952) with a NUL and return its length.
 * cidr_print_range gives the shortest form that parses back: "A", "A/len" or "A-B". */
size_t cidr_print_addr(unsigned family, u128 addr, char out[CIDR_ADDR_TEXT]);
size_t cidr_print(const struct cidr *c, char out[CIDR_TEXT]);
size_t cidr_print_range(const struct cidr_range *r, char out[CIDR_RANGE_TEXT]);

/* Sortable text: 8 or 32 lower-case hexadecimal digits, so that byte order is address order. */
size_t cidr_print_key(unsigned family, u128 addr, char out[33]);

u128 cidr_last(const struct cidr *c);                                   /* highest address of the prefix */
u128 cidr_mask(unsigned family, unsigned len);                          /* network mask, in the family's bits */
bool cidr_has(const struct cidr *c, unsigned family, u128 addr);        /* address inside? */
bool cidr_has_cidr(const struct cidr *outer, const struct cidr *inner); /* prefix inside (or equal)? */
bool cidr_overlap(const struct cidr *a, const struct cidr *b);
struct cidr_range cidr_range_of(const struct cidr *c);
bool cidr_range_overlap(const struct cidr_range *a, const struct cidr_range *b);
/* Order by family, then address, then length: for qsort and sorted output. */
int cidr_compare(const struct cidr *a, const struct cidr *b);

#endif
