/* holds — from the events of an address: who held it, from when to when. */
#ifndef IPAMCTL_HOLDS_H
#define IPAMCTL_HOLDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct hold {
	char *cluster, *node, *name;
	json_t *attributes;   /* the last known, or NULL */
	int64_t since, until; /* since 0: longer than is known; until 0: still */
};

struct holds {
	struct hold *hold;
	size_t n;
};

/* Take the next event into account, in the order they happened; "present" events last. -ENOMEM. */
int holds_add(struct holds *h, json_t *event);
void holds_free(struct holds *h);
void hold_print(const struct hold *h);
json_t *hold_json(const struct hold *h); /* NULL: no memory */

#endif
