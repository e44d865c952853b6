#include "soak.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Who has it: 10.0.0.0/16, and fd00:0:0:0::/64 to fd00:0:0:3ff::/64 with hosts up to ffff. */
static atomic_uint v4_holder[1 << 16];
static atomic_uint v6_holder[1 << 26];

static bool parse_v4(const char *s, struct address *out)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1 || out->has[0])
		return false;
	out->has[0] = true;
	out->v4 = ntohl(a.s_addr);
	return out->v4 >> 16 == 10u << 8;
}

static bool parse_v6(const char *s, struct address *out)
{
	struct in6_addr a;

	if (inet_pton(AF_INET6, s, &a) != 1 || out->has[1])
		return false;
	out->has[1] = true;
	out->v6 = (uint32_t)a.s6_addr[6] << 24 | (uint32_t)a.s6_addr[7] << 16 | (uint32_t)a.s6_addr[14] << 8 | a.s6_addr[15];
	return out->v6 >> 26 == 0;
}

bool address_parse(const char *text, struct address *out)
{
	char copy[TEXT], *rest = copy, *line;

	*out = (struct address){ .v4 = 0 };
	snprintf(copy, sizeof copy, "%s", text);
	while ((line = strsep(&rest, "\n")) != NULL && *line != 0) {
		line[strcspn(line, "/")] = 0;
		if (strchr(line, ':') != NULL ? !parse_v6(line, out) : !parse_v4(line, out))
			return false;
	}
	return out->has[0] || out->has[1];
}

bool address_same(const struct address *a, const struct address *b)
{
	return a->has[0] == b->has[0] && a->has[1] == b->has[1] && a->v4 == b->v4 && a->v6 == b->v6;
}

static void take(atomic_uint *at, unsigned who, const char *family, uint32_t addr)
{
	unsigned before = 0;

	if (!atomic_compare_exchange_strong(at, &before, who) && before != who)
		violation("%s %x was given to %u while %u has it", family, addr, who, before);
}

void promise_take(const struct address *a, unsigned who)
{
	if (a->has[0])
		take(&v4_holder[a->v4 & 0xffff], who, "IPv4", a->v4);
	if (a->has[1])
		take(&v6_holder[a->v6], who, "IPv6", a->v6);
}

void promise_drop(const struct address *a, unsigned who)
{
	unsigned expected = who;

	if (a->has[0])
		atomic_compare_exchange_strong(&v4_holder[a->v4 & 0xffff], &expected, 0);
	expected = who;
	if (a->has[1])
		atomic_compare_exchange_strong(&v6_holder[a->v6], &expected, 0);
}
