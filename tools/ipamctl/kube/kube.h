/* kube — a dump of a Kubernetes cluster's nodes and pods becomes nodes and leases.
 *
 * The way: kube_read cuts the file into objects, kube_take keeps of each what matters, kube_mount learns what is there
 * already, kube_plan decides what can be taken, kube_cover which CIDRs would hold the nodes' blocks, kube_store writes
 * it all in one transaction, kube (the command) tells.
 */
#ifndef KUBE_H
#define KUBE_H

#include "ipam.h"
#include "ipamctl/ctl.h"

#include <jansson.h>

/* ---- what of an object is wanted (prune.c) */

struct kube_wanted {
	const char *key;                             /* NULL: the end */
	enum { KUBE_ALL, KUBE_MARK, KUBE_INTO } how; /* the value; that there is one; of an object what `into` wants */
	const struct kube_wanted *into;
};
/* The text of an object with that alone, which is no longer than the whole: *out_size bytes. Otherwise what is wrong
 * with the text, and *out_size says where. */
const char *kube_prune(const char *text, size_t size, const struct kube_wanted *wanted, char *out, size_t *out_size);

/* ---- a JSON text of any length, a value at a time (read.c) */

/* Looks at one object; gives NULL, or what is wrong with it. hint: what kind it should be, where that is known. */
typedef const char *kube_taker(void *arg, const char *hint, json_t *object);

struct kube_reader {
	const char *name; /* for messages */
	int fd;
	struct progress *progress;        /* a step each KiB; or NULL */
	const struct kube_wanted *wanted; /* of each object; NULL: all of it */
	char *pruned;
	size_t pruned_room;
	char *buf;
	size_t room, at, end; /* what is unread is buf[at..end) */
	uint64_t base;        /* the offset of buf[0] in the file */
	uint64_t steps;
	int error; /* of read(2), or ENOMEM */
};
/* A status, with the message given. The objects of Kubernetes' lists, of which there may be several, one after the
 * other. */
int kube_read_lists(struct kube_reader *r, kube_taker *take, void *arg);
/* The objects of an array. */
int kube_read_array(struct kube_reader *r, kube_taker *take, void *arg);
void kube_reader_end(struct kube_reader *r);

/* ---- what is kept */

enum kube_state {
	KUBE_NEW,     /* to be made */
	KUBE_PRESENT, /* there already, just so */
	KUBE_OUT,     /* left out, for a conflict that is listed */
	KUBE_NONE,    /* nothing to be made of it */
};

enum kube_skip { SKIP_HOST_NETWORK, SKIP_TERMINATED, SKIP_NO_NODE, SKIP_NO_ADDRESS, SKIP_NO_CIDR, SKIP_REPEATED, SKIP_KIND, SKIPS };

struct kube_node {
	const char *name, *created; /* created: as the API server writes it, so that order of text is order of time */
	struct cidr cidr[CIDR_FAMILIES];
	uint8_t cidrs, state;
	bool dumped, mounted;
	const char *flaw; /* of its podCIDRs, or NULL */
};

struct kube_pod {
	const char *node, *lease, *pod, *uid, *created; /* pod: NAMESPACE/NAME */
	u128 addr[CIDR_FAMILIES];
	bool has[CIDR_FAMILIES], running;
	uint8_t state;
	const char *flaw; /* of its addresses, or its lease's; or NULL */
};

struct kube_block {
	struct cidr cidr;
	const char *node;
};

struct kube_pool {
	struct cidr cidr;
	uint8_t mask;
};

struct kube_conflict {
	const char *who, *address, *why; /* who: NODE or NODE/LEASE */
	const char *pod;                 /* or NULL */
};

/* An address or block that somebody wants. */
struct kube_claim {
	struct cidr key;
	const char *there; /* who holds it in the mount, or NULL */
	const char *taker; /* who of the dump gets it, or NULL */
};

#define KUBE_LIST(type)                                                                                                                    \
	struct {                                                                                                                           \
		type *list;                                                                                                                \
		size_t n;                                                                                                                  \
	}

struct kube {
	/* what was asked for */
	const char *from, *mount, *cluster, *path; /* path: the cluster's directory */
	char cluster_name[256];
	bool dry_run, strict, create, json, quiet, verbose;
	/* the dump */
	KUBE_LIST(struct kube_node) nodes; /* by name, once they are sorted; those of the mount too */
	KUBE_LIST(struct kube_pod) pods;
	size_t skipped[SKIPS];
	/* the mount */
	bool has_cluster, gateway_none;
	char *cidrs_text; /* the file's, to be put back */
	KUBE_LIST(struct kube_pool) pools;
	size_t own_pools; /* the first so many are in the file */
	KUBE_LIST(struct ipam_reserved) reserved;
	KUBE_LIST(struct kube_block) blocks; /* those of the mount, then those that will be; sorted */
	KUBE_LIST(struct kube_claim) addresses;
	/* the outcome */
	KUBE_LIST(struct kube_conflict) conflicts;
	KUBE_LIST(struct kube_pool) hint; /* CIDRs that would hold what the cluster's don't */
	double seconds;
	bool stored;
	struct kube_chunk *strings;
	size_t string_room;
};

/* ---- memory (arena.c); without any more, the program ends: it has changed nothing until kube_store */
const char *kube_keep(struct kube *k, const char *s);
const char *kube_format(struct kube *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for one more of a list that doubles; zeroed. */
void *kube_more(void *list, size_t *n, size_t size);
#define KUBE_ADD(l) (((l).list = kube_more((l).list, &(l).n, sizeof *(l).list)), &(l).list[(l).n - 1])
void kube_conflict(struct kube *k, const char *who, const char *pod, const char *address, const char *why);
void kube_free(struct kube *k);

/* ---- the steps */
kube_taker kube_take;
extern const struct kube_wanted kube_wanted[]; /* what it looks at */
/* NAMESPACE_POD, or where that is too long for a lease as much as fits and the uid. */
const char *kube_lease_name(struct kube *k, const char *space, size_t space_size, const char *name, const char *uid);
void kube_sort(struct kube *k); /* after reading: by name, each once */

int kube_mount_find(struct kube *k);
int kube_mount_read(struct kube *k);                             /* cidrs, reserved, settings, blocks */
int kube_mount_leases(struct kube *k);                           /* marks pods that are there, addresses that are held */
bool kube_mount_gateway(const struct kube *k, const char *node); /* whether the node's blocks have one */

/* Whether it is a block that the cluster can delegate. */
bool kube_is_slot(const struct kube *k, const struct cidr *c);
void kube_cover(struct kube *k); /* fills in hint */

void kube_plan_nodes(struct kube *k);
void kube_plan_pods(struct kube *k);

/* For bsearch and qsort. */
struct kube_node *kube_find_node(const struct kube *k, const char *name);
struct kube_pod *kube_find_pod(const struct kube *k, const char *node, const char *lease);
struct kube_claim *kube_find_claim(struct kube_claim *list, size_t n, const struct cidr *key);
size_t kube_sort_claims(struct kube_claim *list, size_t n); /* and leaves each key once: how many */
struct cidr kube_host(unsigned family, u128 addr);

int kube_store(struct kube *k);

int kube_import(int argc, char **argv);

#endif
