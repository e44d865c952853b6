/* Ranges as host-local's configuration has them: subnet, rangeStart, rangeEnd, gateway; sets of alternatives. */
#include "range.h"

#include "lease.h"

#include <stdlib.h>
#include <string.h>

static int get_string(const json_t *o, const char *key, const char **out, struct cni_error *e)
{
	const json_t *value = json_object_get(o, key);

	*out = NULL;
	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return cni_fail(e, CNI_BAD_CONFIG, "'%s' of a range is not a string", key);
	*out = json_string_value(value);
	if (**out == 0)
		*out = NULL;
	return 0;
}

/* An address of the range's subnet. */
static int get_address(const json_t *o, const char *key, const struct cidr *subnet, bool *has, u128 *out, struct cni_error *e)
{
	const char *s;
	uint8_t family;
	int rc = get_string(o, key, &s, e);

	*has = rc == 0 && s != NULL;
	if (!*has)
		return rc;
	if (cidr_parse_addr(s, strlen(s), &family, out) < 0)
		return cni_fail(e, CNI_BAD_CONFIG, "%s '%s' is no IP address", key, s);
	/* A gateway may lie outside, as routers on links without an address of the subnet do. */
	if (strcmp(key, "gateway") == 0 ? family != subnet->family : !cidr_has(subnet, family, *out))
		return cni_fail(e, CNI_BAD_CONFIG, "%s %s is not in subnet %s", key, s, json_string_value(json_object_get(o, "subnet")));
	return 0;
}

static int parse_range(const json_t *o, struct cni_range *r, struct cni_error *e)
{
	bool has_first, has_last, has_gateway;
	unsigned bits;
	const char *s;
	u128 first, last;
	int rc = json_is_object(o) ? get_string(o, "subnet", &s, e) : cni_fail(e, CNI_BAD_CONFIG, "a range is no object");

	if (rc < 0)
		return rc;
	if (s == NULL)
		return cni_fail(e, CNI_BAD_CONFIG, "a range has no 'subnet'");
	if (cidr_parse(s, strlen(s), &r->subnet) < 0)
		return cni_fail(e, CNI_BAD_CONFIG, "subnet '%s' is no network: ADDRESS/LENGTH, with no bit set below the length", s);
	bits = cidr_bits(r->subnet.family);
	if (r->subnet.len > bits - 2)
		return cni_fail(e, CNI_BAD_CONFIG, "subnet %s is too small to lease from", s);
	first = r->subnet.base + 1;
	last = cidr_last(&r->subnet) - (r->subnet.family == CIDR_V4);
	rc = get_address(o, "rangeStart", &r->subnet, &has_first, &r->first, e);
	if (rc == 0)
		rc = get_address(o, "rangeEnd", &r->subnet, &has_last, &r->last, e);
	if (rc == 0)
		rc = get_address(o, "gateway", &r->subnet, &has_gateway, &r->gateway, e);
	if (rc < 0)
		return rc;
	if (!has_first || r->first < first)
		r->first = first;
	if (!has_last || r->last > last)
		r->last = last;
	if (!has_gateway)
		r->gateway = first;
	if (r->first > r->last)
		return cni_fail(e, CNI_BAD_CONFIG, "subnet %s: no address that can be leased lies between rangeStart and rangeEnd", s);
	return 0;
}

static bool overlap(const struct cni_range *a, const struct cni_range *b)
{
	return a->subnet.family == b->subnet.family && a->first <= b->last && b->first <= a->last;
}

static int parse_set(const json_t *json, struct cni_set *set, struct cni_error *e)
{
	bool array = json_is_array(json), some = false;
	size_t n = array ? json_array_size(json) : 1;

	if (n == 0)
		return cni_fail(e, CNI_BAD_CONFIG, "a set of ranges is empty");
	set->range = calloc(n, sizeof *set->range);
	if (set->range == NULL)
		return cni_fail(e, CNI_IO, "out of memory");
	for (size_t i = 0; i < n; i++) {
		if (parse_range(array ? json_array_get(json, i) : json, &set->range[i], e) < 0)
			return CNI_FAILED;
		if (i == 0)
			set->family = set->range[0].subnet.family;
		else if (set->family != set->range[i].subnet.family)
			return cni_fail(e, CNI_BAD_CONFIG, "a set of ranges mixes IPv4 and IPv6; give each a set of its own");
		for (size_t k = 0; k < i; k++)
			if (overlap(&set->range[k], &set->range[i]))
				return cni_fail(e, CNI_BAD_CONFIG, "two ranges of a set overlap");
		some |= set->range[i].first < set->range[i].last || set->range[i].first != set->range[i].gateway;
		set->ranges++;
	}
	return some ? 0 : cni_fail(e, CNI_BAD_CONFIG, "a set of ranges has no address but gateways");
}

int cni_sets_add(struct cni_sets *s, const json_t *json, struct cni_error *e)
{
	struct cni_set *bigger = reallocarray(s->set, s->sets + 1, sizeof *bigger);

	if (bigger == NULL)
		return cni_fail(e, CNI_IO, "out of memory");
	s->set = bigger;
	s->set[s->sets] = (struct cni_set){ 0 };
	return parse_set(json, &s->set[s->sets++], e);
}

static bool sets_overlap(const struct cni_set *a, const struct cni_set *b)
{
	for (size_t i = 0; i < a->ranges; i++)
		for (size_t k = 0; k < b->ranges; k++)
			if (overlap(&a->range[i], &b->range[k]))
				return true;
	return false;
}

int cni_sets_finish(struct cni_sets *s, enum cni_version version, struct cni_error *e)
{
	unsigned next[CIDR_FAMILIES] = { 0 };

	for (size_t i = 0; i < s->sets; i++) {
		for (size_t k = 0; k < i; k++)
			if (sets_overlap(&s->set[k], &s->set[i]))
				return cni_fail(e, CNI_BAD_CONFIG, "range sets %zu and %zu overlap", k, i);
		s->set[i].lease = next[s->set[i].family]++;
		if (s->set[i].lease >= CNI_LEASES_MAX)
			return cni_fail(e, CNI_BAD_CONFIG, "more than %d range sets of a family", CNI_LEASES_MAX);
		if (s->set[i].lease > 0 && version < CNI_0_3_0) /* host-local's words */
			return cni_fail(e, CNI_UNSUPPORTED_FIELD, "CNI version %s does not support more than 1 address per family",
					cni_version_name[version]);
	}
	return 0;
}

void cni_sets_free(struct cni_sets *s)
{
	for (size_t i = 0; i < s->sets; i++)
		free(s->set[i].range);
	free(s->set);
}

bool cni_set_has(const struct cni_set *s, uint8_t family, u128 addr)
{
	for (size_t i = 0; family == s->family && i < s->ranges; i++)
		if (addr >= s->range[i].first && addr <= s->range[i].last && addr != s->range[i].gateway)
			return true;
	return false;
}
