/* export_json — the tree as JSON, which 'ipamctl import' and .ipam/import take. */
#ifndef IPAMCTL_EXPORT_JSON_H
#define IPAMCTL_EXPORT_JSON_H

#include "walk.h"

#include <jansson.h>
#include <stdbool.h>

/* The tree, or what is meant of it, on stdout: a status. */
int export_json(const struct view *v, bool quiet);
/* Name, addresses and attributes (those wanted; NULL: all), as the file 'import' takes them. */
json_t *export_lease_json(const struct walk_lease *l, bool (*wanted)(const struct walk_attribute *a));

#endif
