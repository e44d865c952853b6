/* What is written to control files and leases, and names. What is taken, printed and read again, must be the same. */
#include "fuzz.h"

#include "text/settings.h"
#include "text/text.h"

static void check_cidr(const struct cidr *c)
{
	char text[CIDR_TEXT], again[CIDR_TEXT];
	struct cidr back;

	REQUIRE(c->family < CIDR_FAMILIES && c->len <= cidr_bits(c->family));
	REQUIRE(cidr_print(c, text) == strlen(text));
	REQUIRE(cidr_parse(text, strlen(text), &back) == 0);
	cidr_print(&back, again);
	REQUIRE(strcmp(text, again) == 0 && back.base == c->base && back.len == c->len);
	REQUIRE(cidr_has(c, c->family, c->base) && cidr_has(c, c->family, cidr_last(c)));
}

static void check_range(const struct cidr_range *r)
{
	char text[CIDR_RANGE_TEXT];
	struct cidr_range back;

	REQUIRE(r->first <= r->last && r->family < CIDR_FAMILIES);
	REQUIRE(cidr_print_range(r, text) == strlen(text));
	REQUIRE(cidr_parse_range(text, strlen(text), &back) == 0);
	REQUIRE(back.first == r->first && back.last == r->last && back.family == r->family);
}

static void cidrs(const char *s, size_t n)
{
	struct text_cidr *list = NULL;
	size_t count = 0;

	if (text_cidrs(s, n, &list, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		check_cidr(&list[i].cidr);
		REQUIRE(list[i].node_mask >= list[i].cidr.len && list[i].node_mask <= cidr_bits(list[i].cidr.family) - 2);
		for (size_t k = 0; k < i; k++)
			REQUIRE(!cidr_overlap(&list[i].cidr, &list[k].cidr));
	}
	text_cidrs_free(list, count);
}

static void ranges(const char *s, size_t n)
{
	struct ipam_reserved *list = NULL;
	size_t count = 0;

	if (text_ranges(s, n, &list, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		check_range(&list[i].range);
	free(list);
}

static void blocks(const char *s, size_t n)
{
	struct cidr *list = NULL;
	size_t count = 0;

	if (text_blocks(s, n, &list, &count) < 0)
		return;
	REQUIRE(count > 0);
	for (size_t i = 0; i < count; i++)
		check_cidr(&list[i]);
	free(list);
}

static void settings(const char *s, size_t n)
{
	struct settings out = { 0 };
	char value[32];

	if (text_settings(s, n, &out) < 0)
		return;
	for (unsigned i = 0; i < IPAM_SETTINGS; i++)
		if (out.set & 1u << i) {
			struct settings back = { 0 };
			char line[96];

			settings_print(i, settings_value(&out, NULL, i), value);
			snprintf(line, sizeof line, "%s %s\n", ipam_setting_name(i), value);
			REQUIRE(text_settings(line, strlen(line), &back) == 0);
			REQUIRE(settings_value(&back, NULL, i) == settings_value(&out, NULL, i));
		}
}

static void lease(const char *s, size_t n)
{
	struct text_lease out = { .ranges = 0 };

	if (text_lease(s, n, &out) < 0)
		return;
	REQUIRE(out.has[CIDR_V4] || out.has[CIDR_V6] || out.ranges > 0);
	for (size_t i = 0; i < out.ranges; i++)
		check_range(&out.range[i]);
	free(out.range);
}

static void name(const char *s, size_t n)
{
	char *copy = fuzz_copy((const uint8_t *)s, n, 1);
	uint8_t family = 0;
	u128 addr = 0;

	for (enum ipam_kind kind = IPAM_CLUSTER; kind <= IPAM_LEASE; kind++)
		if (ipam_check_name(kind, copy) == 0)
			REQUIRE(strlen(copy) > 0 && strlen(copy) <= IPAM_NAME_MAX && copy[0] != '.' && strchr(copy, '/') == NULL &&
				strchr(copy, '\n') == NULL);
	if (text_is_address(copy, &family, &addr)) {
		char text[CIDR_ADDR_TEXT];
		uint8_t again;
		u128 back;

		cidr_print_addr(family, addr, text);
		REQUIRE(cidr_parse_addr(text, strlen(text), &again, &back) == 0 && again == family && back == addr);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static fuzz_parser *const parser[] = { cidrs, ranges, blocks, settings, lease, name };

	return fuzz_choose(parser, sizeof parser / sizeof *parser, data, size);
}
