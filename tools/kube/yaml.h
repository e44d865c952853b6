/* yaml — YAML (1.1, by libyaml) as JSON values: JSON is YAML, so this reads both. */
#ifndef IPAMKUBE_YAML_H
#define IPAMKUBE_YAML_H

#include <jansson.h>
#include <stddef.h>

/* The first document. A scalar is a string; plain null, ~ and nothing are null. NULL, with the reason in why. */
json_t *yaml_read(const char *text, size_t n, char why[256]);

#endif
