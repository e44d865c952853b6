/* export — the ways out. */
#ifndef IPAMCTL_EXPORT_H
#define IPAMCTL_EXPORT_H

#include "walk.h"

/* The tree, or a node of it (else NULL), on stdout: a status. */
int export_json(const struct view *v, const char *node, bool quiet);
int export_shell(const struct view *v, const char *node, bool quiet);
/* Name, addresses and attributes, as the file 'import' takes them. */
json_t *export_lease_json(const struct walk_lease *l);

#endif
