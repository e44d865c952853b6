#include "base/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

unsigned cidr_bits(unsigned family)
{
	return family == CIDR_V4 ? 32 : 128;
}

u128 cidr_mask(unsigned family, unsigned len)
{
	unsigned bits = cidr_bits(family);
	u128 all = family == CIDR_V4 ? (u128)UINT32_MAX : U128_MAX;

	return len == 0 ? 0 : (all << (bits - len)) & all;
}

static u128 host_bits(unsigned family, unsigned len)
{
	return cidr_mask(family, cidr_bits(family)) & ~cidr_mask(family, len);
}

u128 cidr_last(const struct cidr *c)
{
	return c->base | host_bits(c->family, c->len);
}

bool cidr_has(const struct cidr *c, unsigned family, u128 addr)
{
	return c->family == family && addr >= c->base && addr <= cidr_last(c);
}

bool cidr_has_cidr(const struct cidr *outer, const struct cidr *inner)
{
	return inner->len >= outer->len && cidr_has(outer, inner->family, inner->base);
}

bool cidr_overlap(const struct cidr *a, const struct cidr *b)
{
	return cidr_has_cidr(a, b) || cidr_has_cidr(b, a);
}

struct cidr_range cidr_range_of(const struct cidr *c)
{
	return (struct cidr_range){ c->base, cidr_last(c), c->family };
}

bool cidr_range_overlap(const struct cidr_range *a, const struct cidr_range *b)
{
	return a->family == b->family && a->first <= b->last && b->first <= a->last;
}

int cidr_compare(const struct cidr *a, const struct cidr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->base != b->base)
		return a->base < b->base ? -1 : 1;
	return a->len < b->len ? -1 : a->len > b->len;
}

/* ---- text: the C library reads and writes addresses; it is strict (no leading zeros) and follows RFC 5952 ------ */

int cidr_parse_addr(const char *s, size_t n, uint8_t *family, u128 *out)
{
	char text[CIDR_ADDR_TEXT];
	unsigned char bytes[16];
	unsigned size;

	if (n == 0 || n >= sizeof text || memchr(s, 0, n) != NULL)
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = 0;
	*family = strchr(text, ':') == NULL ? CIDR_V4 : CIDR_V6;
	if (inet_pton(*family == CIDR_V4 ? AF_INET : AF_INET6, text, bytes) != 1)
		return -EINVAL;
	size = cidr_bits(*family) / 8;
	*out = 0;
	for (unsigned i = 0; i < size; i++)
		*out = *out << 8 | bytes[i];
	return 0;
}

static int parse_len(const char *s, size_t n, unsigned max, uint8_t *out)
{
	unsigned value = 0;

	if (n == 0 || n > 3 || (n > 1 && s[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(s[i] - '0');
	}
	if (value > max)
		return -EINVAL;
	*out = (uint8_t)value;
	return 0;
}

int cidr_parse_host(const char *s, size_t n, uint8_t *family, u128 *out, uint8_t *len)
{
	const char *slash = n == 0 ? NULL : memchr(s, '/', n);
	size_t addr = slash == NULL ? n : (size_t)(slash - s);
	int rc = cidr_parse_addr(s, addr, family, out);

	if (rc < 0)
		return rc;
	*len = (uint8_t)cidr_bits(*family);
	return slash == NULL ? 0 : parse_len(slash + 1, n - addr - 1, cidr_bits(*family), len);
}

int cidr_parse(const char *s, size_t n, struct cidr *out)
{
	struct cidr c;
	int rc = n == 0 || memchr(s, '/', n) == NULL ? -EINVAL : cidr_parse_host(s, n, &c.family, &c.base, &c.len);

	if (rc == 0 && (c.base & host_bits(c.family, c.len)) != 0)
		rc = -EINVAL;
	if (rc == 0)
		*out = c;
	return rc;
}

int cidr_parse_range(const char *s, size_t n, struct cidr_range *out)
{
	const char *dash = n == 0 ? NULL : memchr(s, '-', n);
	struct cidr c;
	uint8_t last_family;
	size_t first;

	if (dash == NULL) {
		if (n > 0 && memchr(s, '/', n) != NULL) {
			if (cidr_parse(s, n, &c) < 0)
				return -EINVAL;
			*out = cidr_range_of(&c);
			return 0;
		}
		if (cidr_parse_addr(s, n, &out->family, &out->first) < 0)
			return -EINVAL;
		out->last = out->first;
		return 0;
	}
	first = (size_t)(dash - s);
	if (cidr_parse_addr(s, first, &out->family, &out->first) < 0 ||
	    cidr_parse_addr(dash + 1, n - first - 1, &last_family, &out->last) < 0 || last_family != out->family || out->first > out->last)
		return -EINVAL;
	return 0;
}

size_t cidr_print_addr(unsigned family, u128 addr, char out[CIDR_ADDR_TEXT])
{
	unsigned size = cidr_bits(family) / 8;
	unsigned char bytes[16];

	for (unsigned i = size; i-- > 0; addr >>= 8)
		bytes[i] = (unsigned char)addr;
	inet_ntop(family == CIDR_V4 ? AF_INET : AF_INET6, bytes, out, CIDR_ADDR_TEXT);
	return strlen(out);
}

size_t cidr_print(const struct cidr *c, char out[CIDR_TEXT])
{
	size_t n = cidr_print_addr(c->family, c->base, out);

	return n + (size_t)snprintf(out + n, CIDR_TEXT - n, "/%u", c->len);
}

size_t cidr_print_range(const struct cidr_range *r, char out[CIDR_RANGE_TEXT])
{
	size_t n;

	if (r->first == r->last)
		return cidr_print_addr(r->family, r->first, out);
	for (unsigned len = 0; len < cidr_bits(r->family); len++) {
		struct cidr c = { r->first, r->family, (uint8_t)len };

		if ((r->first & host_bits(r->family, len)) == 0 && cidr_last(&c) == r->last)
			return cidr_print(&c, out);
	}
	n = cidr_print_addr(r->family, r->first, out);
	out[n++] = '-';
	return n + cidr_print_addr(r->family, r->last, out + n);
}

size_t cidr_print_key(unsigned family, u128 addr, char out[33])
{
	unsigned digits = cidr_bits(family) / 4;

	out[digits] = 0;
	for (unsigned i = digits; i-- > 0; addr >>= 4)
		out[i] = "0123456789abcdef"[(unsigned)addr & 15];
	return digits;
}
