/* walk — the tree of a mount with all there is to know of it: clusters, nodes, leases. */
#ifndef IPAMCTL_WALK_H
#define IPAMCTL_WALK_H

#include "view.h"

#include <sys/stat.h>

struct walk_attribute {
	char *name, *value; /* name without "user."; both with a NUL behind, but the value may have others */
	size_t size;
};

struct walk_lease {
	const char *name;
	struct stat st;
	char text[256]; /* its content: ADDRESS/LEN lines */
	char created[64];
	struct walk_attribute *attribute;
	size_t attributes;
};

/* Called in the order of the tree; a status other than CLI_DONE ends the walk. The leases of a node are those of one moment:
 * none is met twice, none is missed for being renamed, and no two have one address. (Those with bytes that are no UTF-8 are
 * read one by one after it.) */
struct walk {
	int (*cluster)(void *arg, const char *name, const struct stat *st);
	int (*node)(void *arg, const char *cluster, const char *name, const struct stat *st);
	int (*lease)(void *arg, const char *cluster, const char *node, const struct walk_lease *lease);
	void *arg;
	bool quiet;
};

int walk_mount(const struct view *v, const struct walk *w);
/* The lines of a file of an object's .ipam, but empty ones and comments: of settings those that it has of its own, not
 * inherited. A status. */
int walk_lines(const struct view *v, const char *path, const char *file, int (*fn)(void *arg, char *line), void *arg);

#endif
