/* table's own: what table.c and queue.c share. */
#ifndef IPAMKUBE_TABLE_OWN_H
#define IPAMKUBE_TABLE_OWN_H

#include "base/cidr.h"
#include "table.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A podCIDR in the index. */
struct span {
	struct cidr cidr;
	struct known *of;
};

struct known {
	char *name, *uid, *labels;
	struct pod_cidrs cidrs; /* changed by table_set_cidrs alone */
	struct span span[NODE_CIDRS];
	bool present, deleting, sent, fresh;
	bool stranger;       /* it has podCIDRs that the mount doesn't hold for it */
	bool echo;           /* podCIDRs were seen while a patch of them was under way */
	bool running, again; /* with a worker; and it is to be looked at after that */
	uint8_t refused;     /* enum refusal */
	uint32_t epoch;      /* of the list that named it last */
	uint32_t round;      /* of the mount's, likewise */
	unsigned tries;
	uint64_t version;
	uint64_t api_version; /* the resourceVersion that was seen last, or 0 */
	int64_t since;        /* as in struct task */
	int64_t mounted_at;   /* when it was first known to be in the mount, or 0 */
	char *said;           /* what was last reported */
	int64_t said_at;
	int64_t due;  /* when it is to be looked at */
	size_t place; /* in the queue, from 1; 0: it isn't there */
};

struct table {
	pthread_mutex_t lock;
	pthread_cond_t work; /* something was queued, or it was closed */
	pthread_cond_t idle; /* a worker has put one back */
	void *root;          /* tsearch's, by name */
	void *spans;         /* by address: all Nodes' podCIDRs */
	bool blind;          /* some weren't kept there, for want of memory */
	struct known **heap; /* the one that is due first at [1] */
	size_t queued, room;
	size_t entries, running;
	size_t strangers, waiting, present;
	int64_t beware; /* until then */
	uint32_t epoch, round;
	int64_t list_at; /* when the list began */
	bool listing, closed;
};
/* What is counted of an entry: -1 before it is changed, 1 after. */
void table_tally(struct table *t, const struct known *e, int sign);
void table_forget(struct table *t, struct known *e);

#endif
