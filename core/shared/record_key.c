#include "shared/record_key.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t print(char out[RECORD_KEY], const char *format, ...) __attribute__((format(printf, 2, 3)));

static size_t print(char out[RECORD_KEY], const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(out, RECORD_KEY, format, ap);
	va_end(ap);
	return n < RECORD_KEY ? (size_t)n : RECORD_KEY - 1;
}

size_t record_key(const char *prefix, const char *kind, char out[RECORD_KEY])
{
	return print(out, "%s/%s", prefix, kind);
}

size_t record_key_cluster(const char *prefix, const char *name, char out[RECORD_KEY])
{
	return print(out, "%s/state/cluster/%s", prefix, name);
}

size_t record_key_node(const char *prefix, uint64_t cluster, const char *name, char out[RECORD_KEY])
{
	return print(out, "%s/state/node/%016" PRIx64 "/%s", prefix, cluster, name);
}

/* The first address is followed by '-' and the length, and '-' sorts before every digit. */
size_t record_key_block(const char *prefix, uint64_t cluster, const struct cidr *block, char out[RECORD_KEY])
{
	char key[33];

	cidr_print_key(block->family, block->base, key);
	return print(out, "%s/state/block/%016" PRIx64 "/%c%s-%u", prefix, cluster, block->family == CIDR_V4 ? '4' : '6', key, block->len);
}

void record_key_blocks(const char *prefix, uint64_t cluster, const struct cidr *cidr, char first[RECORD_KEY], char end[RECORD_KEY])
{
	char family = cidr->family == CIDR_V4 ? '4' : '6', key[33];

	cidr_print_key(cidr->family, cidr->base, key);
	print(first, "%s/state/block/%016" PRIx64 "/%c%s-", prefix, cluster, family, key);
	cidr_print_key(cidr->family, cidr_last(cidr), key);
	print(end, "%s/state/block/%016" PRIx64 "/%c%s.", prefix, cluster, family, key); /* '.' comes after '-' */
}

size_t record_key_of(const char *prefix, const char *kind, uint64_t id, char out[RECORD_KEY])
{
	return print(out, "%s/%s/%016" PRIx64, prefix, kind, id);
}

/* ---- parsing --------------------------------------------------------------------------------------------------- */

struct rest {
	const char *s;
	size_t n;
};

static bool skip(struct rest *r, const char *word)
{
	size_t n = strlen(word);

	if (r->n < n || memcmp(r->s, word, n) != 0)
		return false;
	r->s += n;
	r->n -= n;
	return true;
}

static bool hex(struct rest *r, size_t digits, u128 *out)
{
	u128 value = 0;

	if (r->n < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		char c = r->s[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (u128)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (u128)(c - 'a' + 10);
		else
			return false;
	}
	*out = value;
	r->s += digits;
	r->n -= digits;
	return true;
}

static bool id(struct rest *r, uint64_t *out)
{
	u128 value;

	if (!hex(r, 16, &value))
		return false;
	*out = (uint64_t)value;
	return true;
}

static bool block(struct rest *r, struct cidr *out)
{
	unsigned len = 0;

	if (skip(r, "4"))
		out->family = CIDR_V4;
	else if (skip(r, "6"))
		out->family = CIDR_V6;
	else
		return false;
	if (!hex(r, out->family == CIDR_V4 ? 8 : 32, &out->base) || !skip(r, "-") || r->n == 0 || r->n > 3)
		return false;
	for (; r->n > 0; r->s++, r->n--) {
		if (*r->s < '0' || *r->s > '9')
			return false;
		len = len * 10 + (unsigned)(*r->s - '0');
	}
	out->len = (uint8_t)len;
	return len <= cidr_bits(out->family) && (out->base & ~cidr_mask(out->family, len)) == 0;
}

int record_parse_key(const char *prefix, const char *key, size_t size, struct record_name *out)
{
	struct rest r = { key, size };
	u128 bucket;
	bool good;

	*out = (struct record_name){ 0 };
	if (!skip(&r, prefix))
		return -EPROTO;
	if (skip(&r, "/state/cluster/")) {
		out->what = RECORD_CLUSTER;
		good = true;
	} else if (skip(&r, "/state/node/")) {
		out->what = RECORD_NODE;
		good = id(&r, &out->id) && skip(&r, "/");
	} else if (skip(&r, "/state/block/")) {
		out->what = RECORD_BLOCK;
		good = id(&r, &out->id) && skip(&r, "/") && block(&r, &out->cidr);
	} else if (skip(&r, "/alive/")) {
		out->what = RECORD_ALIVE;
		good = id(&r, &out->id) && r.n == 0;
	} else if (skip(&r, "/published/")) {
		out->what = RECORD_PUBLISHED;
		good = id(&r, &out->id) && r.n == 0;
	} else {
		out->what = RECORD_LEASES;
		good = skip(&r, "/leases/") && id(&r, &out->id) && skip(&r, "/") && hex(&r, 16, &bucket) && r.n == 0;
		if (good)
			out->bucket = (uint64_t)bucket;
	}
	out->name = r.s;
	out->name_size = r.n;
	return good ? 0 : -EPROTO;
}
