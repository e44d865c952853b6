/* request — what a change asks of the engine that machines share: one transaction, made from memory under the lock.
 *
 * Each type of change fills it by its `share`. If a compare of it fails, memory was behind: it is brought up to date by what
 * the engine tells, and the change is asked anew.
 */
#ifndef IPAM_SHARED_REQUEST_H
#define IPAM_SHARED_REQUEST_H

#include "shared/remote.h"

struct change;
struct cluster;
struct node;

enum { ASK_SLOTS = 128 }; /* as many as a transaction holds */

struct ask {
	struct remote *remote;
	struct etcd_txn *txn;
	uint64_t shared;                    /* of what is made or changed, for the answer */
	int64_t since;                      /* with CHANGE_DONE: what is there already is so as of this revision */
	char *proof_key, *proof;            /* the record that is put, by which it is known as this one's; or NULL */
	uint64_t withdraws;                 /* id of an own node that gives blocks back: in doubt until the engine has answered */
	struct remote_slot want[ASK_SLOTS]; /* blocks that this asks for */
	unsigned wants;
	int schema;                      /* what is put needs */
	const struct remote_slot *avoid; /* taken, as a try before was told */
	size_t avoids;
	int rc; /* -ENOMEM on the way */
};

/* Compares, puts and deletes of records. */
void ask_if_cluster(struct ask *a, const struct cluster *c);
void ask_if_node(struct ask *a, const struct node *n);
void ask_if_absent(struct ask *a, const char *key, size_t size);
void ask_if_none(struct ask *a, const char *first, const char *end);
void ask_put(struct ask *a, const struct record *r);
void ask_put_block(struct ask *a, const struct record_block *b);
void ask_delete(struct ask *a, const char *key, size_t size);
void ask_delete_all(struct ask *a, const char *kind, uint64_t id); /* PREFIX/KIND/ID/... */
/* If the block is nobody's (not there, or rested), it becomes this record's. -ENOMEM. */
int ask_take_block(struct ask *a, struct record *r, const struct cidr *block);
/* The next free block of a family for a node of that name with these labels; noted in want. -ENOSPC; -EMSGSIZE: too many. */
int ask_choose(struct ask *a, const struct cluster *c, unsigned family, const char *name, const char *labels, struct cidr *out);
/* This block, which nobody has; noted in want. -EADDRNOTAVAIL none of the cluster's, -EADDRINUSE, -EMSGSIZE. */
int ask_want(struct ask *a, const struct cluster *c, const struct cidr *block);
/* The id of what a change makes, as the index-th: the same when the same request is asked anew, so that what it has made is known. */
int ask_new_id(const struct ask *a, const struct change *c, uint64_t index, uint64_t *out);
/* Whether this machine goes by the node's name. */
bool ask_is_own(const struct ask *a, const char *name);
/* "" or this machine's, or for another's NULL: as a record has it. */
void ask_machine(const struct ask *a, const struct node *n, struct record *r);

#endif
