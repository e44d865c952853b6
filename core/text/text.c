#include "text/text.h"

#include "text/label.h"
#include "text/settings.h"
#include "text/text_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_mask(struct text_word w, unsigned *out)
{
	unsigned value = 0;

	if (w.n == 0 || w.n > 3)
		return -EINVAL;
	for (size_t i = 0; i < w.n; i++) {
		if (w.s[i] < '0' || w.s[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(w.s[i] - '0');
	}
	*out = value;
	return 0;
}

/* "selector=...": the last word, where there is one. */
static int parse_selector(struct text_word w, char **out)
{
	static const char word[] = "selector=";
	size_t n = sizeof word - 1;

	return w.n > n && memcmp(w.s, word, n) == 0 ? selector_parse(w.s + n, w.n - n, out) : -EINVAL;
}

static int parse_cidr_line(const struct text_reader *r, struct text_cidr *out)
{
	bool masked = r->words > 1 && memchr(r->word[1].s, '=', r->word[1].n) == NULL;
	unsigned mask;
	int rc;

	out->selector = NULL;
	if (r->words > 2u + masked)
		return -EINVAL;
	rc = cidr_parse(r->word[0].s, r->word[0].n, &out->cidr);
	if (rc < 0)
		return rc;
	mask = out->cidr.family == CIDR_V4 ? 24 : 64;
	if (masked && (rc = parse_mask(r->word[1], &mask)) < 0)
		return rc;
	/* A block needs room for a network, a gateway, a broadcast and at least one more address. */
	if (mask < out->cidr.len || mask > cidr_bits(out->cidr.family) - 2)
		return -EINVAL;
	out->node_mask = (uint8_t)mask;
	return r->words > 1u + masked ? parse_selector(r->word[1 + masked], &out->selector) : 0;
}

void text_cidrs_free(struct text_cidr *list, size_t count)
{
	for (size_t i = 0; list != NULL && i < count; i++)
		free(list[i].selector);
	free(list);
}

int text_cidrs(const char *s, size_t n, struct text_cidr **out, size_t *count)
{
	struct text_reader r = { .s = s, .end = s + n };
	struct text_cidr *list = NULL;
	size_t have = 0;
	int rc = 0;

	while (rc == 0 && text_next_line(&r)) {
		rc = text_grow((void **)&list, have, sizeof *list);
		if (rc == 0)
			rc = parse_cidr_line(&r, &list[have]);
		if (rc < 0)
			break;
		for (size_t i = 0; rc == 0 && i < have; i++)
			if (cidr_overlap(&list[i].cidr, &list[have].cidr))
				rc = -EEXIST;
		have++;
	}
	if (rc < 0) {
		text_cidrs_free(list, have);
		return rc;
	}
	*out = list;
	*count = have;
	return 0;
}

static const char services[] = "services";

static int parse_reserved(const struct text_reader *r, struct ipam_reserved *out)
{
	const struct text_word *word = &r->word[1];

	out->services = r->words == 2 && word->n == strlen(services) && memcmp(word->s, services, word->n) == 0;
	return r->words > 1 && !out->services ? -EINVAL : cidr_parse_range(r->word[0].s, r->word[0].n, &out->range);
}

size_t text_print_reserved(const struct ipam_reserved *r, char out[TEXT_RESERVED])
{
	size_t n = cidr_print_range(&r->range, out);

	return r->services ? n + (size_t)sprintf(out + n, " %s", services) : n;
}

int text_ranges(const char *s, size_t n, struct ipam_reserved **out, size_t *count)
{
	struct text_reader r = { .s = s, .end = s + n };
	struct ipam_reserved *list = NULL;
	size_t have = 0;
	int rc = 0;

	while (rc == 0 && text_next_line(&r)) {
		rc = text_grow((void **)&list, have, sizeof *list);
		if (rc == 0)
			rc = parse_reserved(&r, &list[have]);
		have++;
	}
	if (rc < 0) {
		free(list);
		return rc;
	}
	*out = list;
	*count = have;
	return 0;
}

int text_blocks(const char *s, size_t n, struct cidr **out, size_t *count)
{
	struct text_reader r = { .s = s, .end = s + n };
	struct cidr *list = NULL;
	size_t have = 0;
	int rc = 0;

	while (rc == 0 && text_next_line(&r)) {
		rc = text_grow((void **)&list, have, sizeof *list);
		if (rc == 0)
			rc = r.words > 1 ? -EINVAL : cidr_parse(r.word[0].s, r.word[0].n, &list[have]);
		for (size_t i = 0; rc == 0 && i < have; i++)
			if (cidr_overlap(&list[i], &list[have]))
				rc = -EINVAL;
		have++;
	}
	if (rc == 0 && have == 0)
		rc = -EINVAL;
	if (rc < 0) {
		free(list);
		return rc;
	}
	*out = list;
	*count = have;
	return 0;
}

int text_settings(const char *s, size_t n, struct settings *out)
{
	struct text_reader r = { .s = s, .end = s + n };

	*out = (struct settings){ 0 };
	while (text_next_line(&r)) {
		enum ipam_setting setting;
		uint64_t number;
		int rc = -EINVAL;

		if (r.words == 2)
			rc = settings_parse(r.word[0].s, r.word[0].n, r.word[1].s, r.word[1].n, &setting, &number);
		if (rc < 0)
			return rc;
		out->set |= 1u << setting;
		out->value[setting] = number;
	}
	return 0;
}

static int lease_address(const struct text_reader *r, struct text_lease *out)
{
	uint8_t family, len;
	u128 addr;

	if (cidr_parse_host(r->word[0].s, r->word[0].n, &family, &addr, &len) < 0 || out->has[family])
		return -EINVAL;
	out->has[family] = true;
	out->addr[family] = addr;
	out->len[family] = len;
	return 0;
}

static int lease_range(const struct text_reader *r, struct text_lease *out, bool families[CIDR_FAMILIES])
{
	int rc = text_grow((void **)&out->range, out->ranges, sizeof *out->range);

	if (rc == 0)
		rc = cidr_parse_range(r->word[0].s, r->word[0].n, &out->range[out->ranges]);
	if (rc == 0)
		families[out->range[out->ranges++].family] = true;
	return rc;
}

int text_lease(const char *s, size_t n, struct text_lease *out)
{
	struct text_reader r = { .s = s, .end = s + n };
	bool alternatives[CIDR_FAMILIES] = { false };
	int rc = 0;

	*out = (struct text_lease){ 0 };
	while (rc == 0 && text_next_line(&r)) {
		if (r.words > 1)
			rc = -EINVAL;
		else if (memchr(r.word[0].s, '-', r.word[0].n) != NULL)
			rc = lease_range(&r, out, alternatives);
		else
			rc = lease_address(&r, out);
	}
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		if (out->has[f] && alternatives[f])
			rc = -EINVAL;
	if (rc == 0 && out->ranges == 0 && !out->has[CIDR_V4] && !out->has[CIDR_V6])
		rc = -EINVAL;
	if (rc < 0) {
		free(out->range);
		out->range = NULL;
	}
	return rc;
}

bool text_is_address(const char *name, uint8_t *family, u128 *addr)
{
	return cidr_parse_addr(name, strlen(name), family, addr) == 0;
}

int ipam_check_name(enum ipam_kind kind, const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || name[0] == '.')
		return -EINVAL;
	if (n > (kind == IPAM_NODE ? IPAM_NODE_NAME_MAX : IPAM_NAME_MAX))
		return -ENAMETOOLONG;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/')
			return -EINVAL;
	return 0;
}
