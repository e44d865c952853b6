#include "text/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *key;
	uint64_t fallback, min, max;
	const char *const *words; /* the values by number, where they aren't numbers */
} table[IPAM_SETTINGS] = {
	[IPAM_MAX_BLOCKS] = { "max-blocks", 1, 1, 1u << 20, NULL },
	[IPAM_REUSE_DELAY] = { "reuse-delay", 0, 0, UINT32_MAX, NULL },
	[IPAM_TTL] = { "ttl", 0, 0, UINT32_MAX, NULL },
	[IPAM_MAX_LEASES] = { "max-leases", 0, 0, UINT32_MAX, NULL },
	[IPAM_GATEWAY] = { "gateway", SETTINGS_GATEWAY_FIRST, 0, 1, (const char *const[]){ "first", "none" } },
	[IPAM_BLOCK_QUARANTINE] = { "block-quarantine", 3600, 0, UINT32_MAX, NULL },
	[IPAM_BLOCK_IDLE] = { "block-idle", 600, 0, UINT32_MAX, NULL },
};

const char *ipam_setting_name(enum ipam_setting setting)
{
	return table[setting].key;
}

static bool is(const char *word, const char *s, size_t n)
{
	return strlen(word) == n && memcmp(word, s, n) == 0;
}

static int parse_number(const char *s, size_t n, uint64_t *out)
{
	uint64_t number = 0;

	if (n == 0 || n > 10)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		number = number * 10 + (uint64_t)(s[i] - '0');
	}
	*out = number;
	return 0;
}

int settings_parse(const char *key, size_t key_size, const char *value, size_t value_size, enum ipam_setting *setting, uint64_t *number)
{
	int rc = -EINVAL;

	for (unsigned i = 0; i < IPAM_SETTINGS; i++) {
		if (!is(table[i].key, key, key_size))
			continue;
		*setting = i;
		if (table[i].words == NULL)
			rc = parse_number(value, value_size, number);
		for (uint64_t word = 0; table[i].words != NULL && word <= table[i].max; word++)
			if (is(table[i].words[word], value, value_size)) {
				*number = word;
				rc = 0;
			}
		if (rc == 0 && (*number < table[i].min || *number > table[i].max))
			rc = -EINVAL;
		return rc;
	}
	return rc;
}

void settings_print(enum ipam_setting setting, uint64_t number, char out[32])
{
	if (table[setting].words != NULL)
		snprintf(out, 32, "%s", table[setting].words[number]);
	else
		snprintf(out, 32, "%" PRIu64, number);
}

uint64_t settings_value(const struct settings *own, const struct settings *inherited, enum ipam_setting setting)
{
	if (own != NULL && own->set & 1u << setting)
		return own->value[setting];
	if (inherited != NULL && inherited->set & 1u << setting)
		return inherited->value[setting];
	return table[setting].fallback;
}

void settings_merge(struct settings *to, const struct settings *from)
{
	for (unsigned i = 0; i < IPAM_SETTINGS; i++)
		if (from->set & 1u << i)
			to->value[i] = from->value[i];
	to->set |= from->set;
}
