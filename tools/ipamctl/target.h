/* target — where a command works: --mount, --cluster, --node. */
#ifndef IPAMCTL_TARGET_H
#define IPAMCTL_TARGET_H

#include "names.h"

/* Options of a command; t has a mount, a cluster and a node. */
#define TARGET_OPTIONS(t)                                                                                                                  \
	{ "mount", .text = &(t)->mount }, { "cluster", .text = &(t)->cluster },                                                            \
	{                                                                                                                                  \
		"node", .text = &(t)->node                                                                                                 \
	}
struct target {
	const char *mount, *cluster, *node;
	char *path, *cluster_path; /* of the node's directory, of the cluster's */
	char cluster_name[256], node_name[256];
};
/* --mount's value, or where a mount is by default. */
const char *target_mount(const char *said);
/* Fill in what wasn't said and see that it is there: a status, with the message given. */
int target_find(struct target *t);
void target_free(struct target *t);
/* The names of the leases of the node that t->path is; to be freed in any case. */
int target_leases(const struct target *t, struct names *out);

#endif
