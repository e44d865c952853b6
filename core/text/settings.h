/* settings — the table of keys that clusters and nodes may set, and the values that one of them has set itself.
 *
 * Pure data: no locks, no allocation. A new setting is one row in settings.c.
 */
#ifndef IPAM_TEXT_SETTINGS_H
#define IPAM_TEXT_SETTINGS_H

#include "ipam.h"

struct settings {
	uint32_t set; /* bit i: setting i has a value of its own */
	uint64_t value[IPAM_SETTINGS];
};

enum { SETTINGS_GATEWAY_FIRST, SETTINGS_GATEWAY_NONE };

/* -EINVAL: no such key, or no such value for it. */
int settings_parse(const char *key, size_t key_size, const char *value, size_t value_size, enum ipam_setting *setting, uint64_t *number);
void settings_print(enum ipam_setting setting, uint64_t number, char out[32]);
/* The value in force: the first of the two that sets it (either may be NULL), else the default. */
uint64_t settings_value(const struct settings *own, const struct settings *inherited, enum ipam_setting setting);
/* Overlay: what `from` sets replaces what `to` has. */
void settings_merge(struct settings *to, const struct settings *from);

#endif
