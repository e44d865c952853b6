/* generate — fills a database with a cluster of any size by plain SQL: what would take hours through a mount. */
#ifndef GENERATE_H
#define GENERATE_H

#include <stdint.h>

struct generate {
	const char *cluster; /* its name */
	const char *cidr;    /* IPv4 */
	unsigned mask;       /* prefix length of a node's block */
	uint32_t nodes;      /* node-00000 … */
	uint32_t leases;     /* of each node: lease-0000000 … at the lowest addresses */
	int64_t skip;        /* leave the address of this number free, 0 is the first that can be leased; -1 none */
};

/* Add the cluster to the database, which is made if there is none. Errors are negative errnos, told on stderr. */
int generate(const char *path, const struct generate *g);

#endif
