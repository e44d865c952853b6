/* history — what happened: a line of JSON an event, stored in the transaction of the change itself, and told to who listens
 * once that is durable.
 *
 * All functions are the committer's (whoever runs the batch), but for those that say otherwise.
 */
#ifndef IPAM_ENGINE_HISTORY_H
#define IPAM_ENGINE_HISTORY_H

#include "base/cidr.h"

#include <jansson.h>
#include <stdatomic.h>

struct block;
struct cluster;
struct node;
struct xattr;

struct history_line;

struct history {
	uint64_t next_id;
	struct history_line *first, **tail; /* of the running transaction, to be told */
	_Atomic bool listening;             /* somebody wants to be told: anyone's */
	_Atomic uint64_t rows, expired;     /* stored, removed by retention; since the database was opened */
	_Atomic int64_t next_trim;          /* when retention looks again */
};

struct ipam;
struct change;

/* One event. What is NULL or 0 is left out. */
struct history_event {
	const char *event;
	const char *reason; /* why, where nobody asked */
	const struct cluster *cluster;
	const struct node *node;
	uint64_t lease;             /* its id, where it was there before; 0: none was */
	const char *name;           /* of the lease, or of what else the event is about */
	const char *renamed, *from; /* of a node or cluster: its new name; of what was renamed, the name before */
	bool has[CIDR_FAMILIES];
	u128 addr[CIDR_FAMILIES];
	const char *labels; /* of the node, as label.h has them */
	const struct cidr *block;
	const struct xattr *xattr, *more; /* attributes; and those that will stand above them */
	int64_t since;                    /* of a release: when it was made */
	const char *key;                  /* of a detail */
	json_t *detail;                   /* is taken over */
};

/* Store it; names in it are read without the lock, so the caller's gates must keep them. -ENOMEM, or the store's errors. */
int history_add(struct ipam *ipam, const struct change *c, struct history_event *e);
/* The same of the lease c->lease in c->node, with its addresses, attributes and name where e has none. Takes the lock. */
int history_add_lease(struct ipam *ipam, const struct change *c, struct history_event *e);
/* A block comes ("delegate") or goes ("withdraw"). */
int history_add_block(struct ipam *ipam, const struct change *c, const char *event, const char *reason, const struct block *b);
/* Of the node c->node, or the cluster c->cluster, and nothing else. */
int history_add_node(struct ipam *ipam, const struct change *c, const char *event);
int history_add_cluster(struct ipam *ipam, const struct change *c, const char *event);
/* Of one or the other: what it has now, under the event's own name. Takes over detail; does nothing but free it when rc, which
 * is returned, is an error already. */
int history_add_list(struct ipam *ipam, const struct change *c, const char *event, int rc, json_t *detail);

/* Labels (label.h) as an object, for a detail. NULL: no memory. */
json_t *history_labels(const char *labels);

/* Since here may be undone, without the transaction as a whole. */
struct history_line **history_mark(struct ipam *ipam);
void history_undo(struct ipam *ipam, struct history_line **mark);
/* The transaction is durable: tell. It failed: forget. */
void history_tell(struct ipam *ipam);
void history_forget(struct ipam *ipam);

/* For the timer: where it is time, remove what is too old, a little at a go. When to call it again. */
int64_t history_trim(struct ipam *ipam, int64_t now);

#endif
