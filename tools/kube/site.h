/* site — a cluster of the mount, by its files. Thread-safe; errors are negative errnos, the mount's own among them. */
#ifndef IPAMKUBE_SITE_H
#define IPAMKUBE_SITE_H

#include "node.h"

#include <stdbool.h>

struct site {
	const char *mount;
	const char *cluster;
	char name[256];
	char *path; /* MOUNT/CLUSTER */
};

/* Finds the mount (said, $IPAMFS_MOUNT, /run/ipamfs) and the cluster (said, or the only one); `make`: it may be missing if it was said.
 * A status, with the message given. */
int site_open(struct site *s, const char *mount, const char *cluster, bool make);
void site_close(struct site *s);

/* Is it there as it should be? -EHOSTDOWN: no ipamfs is mounted there; -ENOENT: no such cluster; -EOPNOTSUPP: the mount is too old to
 * have `delegate`. */
int site_check(const struct site *s);
/* The same as text, for people. */
const char *site_error(const struct site *s, int rc, char out[512]);

/* mkdir of the cluster. -EEXIST, ... */
int site_make(const struct site *s);

/* A control file's text; *out is to be freed. `node` NULL: the cluster's. */
int site_read(const struct site *s, const char *node, const char *file, char **out);
/* One write, whole or not at all. how: O_APPEND adds, O_TRUNC replaces, 0. */
int site_write(const struct site *s, const char *node, const char *file, const char *text, int how);

/* -ENOENT: there is no such node, or no mount. */
int site_blocks(const struct site *s, const char *node, struct blocks *out);
void blocks_free(struct blocks *b);
/* A line for `delegate`: the node is to be made, with these labels (or "") and these blocks, or (NULL) the next free ones. To be freed;
 * NULL: no memory. */
char *site_line(const char *node, const char *labels, const struct pod_cidrs *cidrs);
/* One write of such lines, as `delegate` answers: all of them, or none. made: what it says of the nodes then, to be freed whatever is
 * returned; NULL where it can't be read, which is no failure. Or NULL: nobody asks. */
int site_write_lines(const struct site *s, const char *lines, char **made);
/* The blocks of the first node that `made` says, which must be this one; *made goes on after it. -ENOENT: it says nothing of it; -EPROTO:
 * the line is malformed, or cut. */
int site_made(const char **made, const char *node, struct blocks *out);
/* One line. */
int site_delegate(const struct site *s, const char *node, const char *labels, const struct pod_cidrs *cidrs);
/* Exactly these blocks. */
int site_exchange(const struct site *s, const char *node, const struct pod_cidrs *cidrs);
/* -ENOENT where it is gone already. */
int site_remove(const struct site *s, const char *node);
/* Each node's name. */
int site_nodes(const struct site *s, void (*take)(void *arg, const char *name), void *arg);
/* The nodes whose blocks overlap these; the same one may come twice. */
int site_holders(const struct site *s, const struct pod_cidrs *cidrs, void (*take)(void *arg, const char *name), void *arg);
/* The keys that the cluster's selectors name. */
int site_keys(const struct site *s, struct keys *out);

#endif
