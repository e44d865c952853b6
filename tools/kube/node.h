/* node — what of a Node object matters here, and what is to be done about it. Pure. */
#ifndef IPAMKUBE_NODE_H
#define IPAMKUBE_NODE_H

#include "pod_cidrs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The label keys that a cluster's selectors name, sorted. */
struct keys {
	char **key;
	size_t n;
};

/* What is wanted of a Node: paths, as of sieve.h, each after `at`. */
#define NODE_WANTED(at)                                                                                                                    \
	at "metadata.name", at "metadata.uid", at "metadata.resourceVersion", at "metadata.deletionTimestamp", at "metadata.labels.*",     \
		at "spec.podCIDR", at "spec.podCIDRs.*"
extern const char *const node_wanted[];

/* A Node, as it was seen. */
struct seen {
	char *name, *uid;
	uint64_t version; /* its resourceVersion, or 0: it isn't a number. The API lets those of a kind be compared */
	struct pod_cidrs cidrs;
	bool deleting; /* it has a deletionTimestamp */
	char *labels;  /* those of the keys, sorted: "KEY=VALUE KEY=VALUE" */
};

/* One that is no Node, or whose name can't be a directory's, or without a uid, is nobody that could be served; its podCIDRs are somebody's
 * all the same. Its name here begins with '?', which no Node's does, and its podCIDRs are odd. 0; -EINVAL: it has none, either, so there
 * is nothing to say of it; -ENOMEM. Give `out` to seen_free in any case. */
int seen_read(const json_t *node, const struct keys *keys, struct seen *out);
void seen_free(struct seen *s);
/* A resourceVersion; 0: it is no number, or NULL. */
uint64_t version_number(const char *version);
/* Was it made up by seen_read? */
bool node_name_is_made_up(const char *name);
/* May a node of the mount be called so? */
bool node_name_is_good(const char *name);

/* What is to be done for a node, by what the API and the mount have. */
enum plan {
	PLAN_NOTHING,  /* the mount has the Node's podCIDRs, or it is gone and the mount has nothing */
	PLAN_WAIT,     /* a Node that goes away is given none any more */
	PLAN_DELEGATE, /* it has none anywhere */
	PLAN_PATCH,    /* the mount's blocks are to be written to the Node */
	PLAN_ADOPT,    /* the Node's podCIDRs are to be made the mount's */
	PLAN_EXCHANGE, /* the mount has others */
	PLAN_REMOVE,   /* the Node is gone */
	PLAN_REFUSE,   /* its podCIDRs are none that can be adopted */
};
/* present: the Node is in the API. mounted: the mount has a node of the name. */
enum plan plan_for(bool present, bool deleting, const struct pod_cidrs *api, bool mounted, const struct blocks *mount);

/* The selectors of a cluster's `cidrs`, line by line: adds the keys. -ENOMEM. */
int keys_read(const char *cidrs, struct keys *out);
bool keys_same(const struct keys *a, const struct keys *b);
void keys_free(struct keys *k);

#endif
