/* mount — the mount, by its files: a node's directory, its blocks. */
#ifndef IPAMFS_CNI_MOUNT_H
#define IPAMFS_CNI_MOUNT_H

#include "base/cidr.h"
#include "conf.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct cni_call;

struct cni_node {
	int dir;          /* descriptor of the node's directory, -1 none */
	const char *name; /* which of the configuration's names it has, or would be made by */
	bool made;        /* by this call */
	char cluster[NAME_MAX + 1];
	int mount; /* of the mount */
};
/* Where the configuration names no cluster: in the only one, or of several the one in which the node is. make: as createNode says.
 * Without it a cluster or node that isn't there is success with dir -1. */
int cni_node_open(const struct cni_conf *c, bool make, struct cni_node *n, struct cni_error *e);
void cni_node_close(struct cni_node *n);
/* That the node's directory is one of ipamfs: for when a file isn't where it should be. */
int cni_node_check(const struct cni_conf *c, const struct cni_node *n, struct cni_error *e);
/* Take back a node that this call made and that has no lease. */
void cni_node_undo(struct cni_node *n);
/* The CIDRs that lines of a file begin with: how many, or CNI_FAILED. The list is the caller's to free; it may be NULL. */
int cni_cidrs_at(int dir, const char *path, struct cidr **out, struct cni_error *e);
/* The node's blocks, likewise. */
int cni_node_blocks(const struct cni_node *n, struct cidr **out, struct cni_error *e);
/* A small file below a directory, NUL-terminated: its length, or a negative errno. */
int cni_read_at(int dir, const char *path, char *out, size_t room);
/* A cluster gave no block: "has no block left", or that it never had a CIDR. `cidrs` is its control file, as seen from dir. */
const char *cni_why_no_block(int dir, const char *cidrs);
/* The value of KEY in "KEY VALUE" lines: false if it isn't there. */
bool cni_value(const char *text, const char *key, char *out, size_t room);

/* fn for the node's directory in each cluster, or in the one that the configuration names: for who knows what is looked for. All are
 * visited; CNI_FAILED where one failed. */
int cni_nodes_each(struct cni_call *c, int (*fn)(struct cni_call *c, struct cni_error *e), struct cni_error *e);

#endif
