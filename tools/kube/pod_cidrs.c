#include "pod_cidrs.h"

#include "sieve.h"

#include <string.h>

static void add(struct pod_cidrs *out, const json_t *value)
{
	const char *s = text_of(value);
	struct cidr c = { 0 };
	u128 addr;

	/* The API takes host bits that are set, and means the prefix. */
	if (s == NULL || strchr(s, '/') == NULL || cidr_parse_host(s, strlen(s), &c.family, &addr, &c.len) < 0 || out->n == NODE_CIDRS) {
		out->odd = true;
		return;
	}
	c.base = addr & cidr_mask(c.family, c.len);
	out->host_bits |= c.base != addr;
	out->cidr[out->n++] = c;
}

void pod_cidrs_read(const json_t *spec, struct pod_cidrs *out)
{
	const json_t *list = json_object_get(spec, "podCIDRs"), *one = json_object_get(spec, "podCIDR"), *item;
	size_t i;

	*out = (struct pod_cidrs){ 0 };
	out->odd = list != NULL && !json_is_null(list) && !json_is_array(list);
	json_array_foreach(list, i, item)
		add(out, item);
	/* Written by what is older than podCIDRs. */
	if (json_array_size(list) == 0 && one != NULL && !json_is_null(one) && !(json_is_string(one) && json_string_length(one) == 0))
		add(out, one);
}

bool pod_cidrs_same(const struct pod_cidrs *a, const struct pod_cidrs *b)
{
	if (a->n != b->n || a->odd != b->odd)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (cidr_compare(&a->cidr[i], &b->cidr[i]) != 0)
			return false;
	return true;
}

const char *pod_cidrs_text(const struct pod_cidrs *c, char out[NODE_CIDRS_TEXT])
{
	size_t n = 0;

	strcpy(out, "none");
	for (unsigned i = 0; i < c->n; i++) {
		if (i > 0)
			out[n++] = ' ';
		n += cidr_print(&c->cidr[i], out + n);
	}
	return out;
}

bool pod_cidrs_overlap(const struct pod_cidrs *a, const struct pod_cidrs *b)
{
	for (unsigned i = 0; i < a->n; i++)
		for (unsigned k = 0; k < b->n; k++)
			if (cidr_overlap(&a->cidr[i], &b->cidr[k]))
				return true;
	return false;
}

void pod_cidrs_of_blocks(const struct blocks *b, struct pod_cidrs *out)
{
	bool has[CIDR_FAMILIES] = { false };

	*out = (struct pod_cidrs){ 0 };
	for (size_t i = 0; i < b->n; i++)
		if (!has[b->cidr[i].family]) {
			has[b->cidr[i].family] = true;
			out->cidr[out->n++] = b->cidr[i];
		}
}
