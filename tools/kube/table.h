/* table — the Nodes that are known, and the queue of those to be looked at.
 *
 * One lock protects all of it. The watch tells what it saw, workers take a Node each and say how it went; a Node is never with two of
 * them, and one that changed meanwhile comes again. Kept of each: name, uid, podCIDRs, the labels that selectors name.
 */
#ifndef IPAMKUBE_TABLE_H
#define IPAMKUBE_TABLE_H

#include "node.h"

#include <stdbool.h>
#include <stdint.h>

struct table;
struct known;

/* Why a Node was left alone. */
enum refusal { REFUSED_NOT, REFUSED_NO_BLOCK, REFUSED_FOREIGN, REFUSED_OVERLAP, REFUSED_PATCH, REFUSED_LEASES, REFUSED_MANY, REFUSALS };

enum outcome {
	OUTCOME_SETTLED, /* the mount and the API say the same */
	OUTCOME_AGAIN,   /* look at once */
	OUTCOME_RETRY,   /* something failed that may pass */
	OUTCOME_LATER,   /* in task.wait_ms; nothing failed */
	OUTCOME_REFUSED, /* reported; looked at now and then */
};

/* What a worker needs to know of a Node; a copy. */
struct task {
	struct known *entry;
	const char *name;
	char uid[128];
	struct pod_cidrs cidrs;
	char *labels;
	bool present, deleting;
	bool sent;        /* a patch is under way, of which it isn't known whether it was done */
	bool fresh;       /* made anew with other labels: what the mount has is its predecessor's */
	int64_t since;    /* ms: when the API first said that it is there or gone, who it is, and which podCIDRs it has */
	int64_t wait_ms;  /* of OUTCOME_LATER */
	uint64_t version; /* of what is told here */
	unsigned tries;   /* that failed, in a row */
};

enum phase { PHASE_ADOPT, PHASE_REMOVE, PHASE_REST };

struct table *table_new(void); /* NULL: no memory */
/* When no worker is there any more. */
void table_free(struct table *t);

/* ---- what the API tells. -ENOMEM. */
/* A list begins: which Nodes it doesn't name are gone when it is swept. They aren't queued until table_start. */
void table_list(struct table *t);
/* 1: what is known is newer, so it wasn't taken; a list is always taken. */
int table_see(struct table *t, const struct seen *s);
/* Passed over if it is another one's of the name, or older than what is known. */
void table_gone(struct table *t, const struct seen *s);
/* The server's versions went back: it was restored, or is another one. Until then table_many_gone says so. */
void table_beware(struct table *t, int64_t until);
void table_sweep(struct table *t);
/* All nodes of the mount, one by one; if no Node is called so, it is to be removed. After the last one, Nodes whose node was taken from
 * the mount are looked at. */
void table_mount(struct table *t);
int table_mounted(struct table *t, const char *name);
void table_missing(struct table *t);
/* Queues those of a phase; after the last one, what is seen is queued at once. */
void table_start(struct table *t, enum phase phase);
/* All of them are looked at, unless there is a list under way. */
void table_resync(struct table *t);
/* Does another Node than `name` have podCIDRs that overlap these, as far as is known? */
bool table_overlaps(struct table *t, const char *name, const struct pod_cidrs *cidrs, char who[256]);
/* Are all of these, but for those that it keeps, just what other Nodes have for podCIDRs? Then they can go to nobody else. */
bool table_claimed(struct table *t, const char *name, const struct blocks *blocks, const struct pod_cidrs *kept);
/* Are more than a share of the Nodes that the mount had at that time gone, or was table_beware said? */
bool table_many_gone(struct table *t, int64_t since);
/* A Node of that name with podCIDRs? Otherwise it is queued: what the mount has for it may change. */
bool table_has_cidrs(struct table *t, const char *name, struct pod_cidrs *out);
/* A block was freed: those that wait for one, or for theirs, are looked at. */
void table_freed(struct table *t);

#endif
