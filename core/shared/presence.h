/* presence — that this machine is there, said in the engine for as long as it lives: by keys bound to an etcd lease that is renewed.
 *
 * One key is the machine's. It says by which state file, of which boot: by its device and inode there, since one kernel gives them to
 * one file alone, whose lock proves that who said so before is gone. Another boot, or another file, is a copy of this machine's state,
 * or this one before it went down or was moved: it is waited for until its etcd lease ends, and meanwhile nothing is leased here.
 * Each own node has a key too, by which nobody takes it by force.
 *
 * Whether leases may begin at once after a start: yes, where the state file is the one of the last time, on the same boot, and the
 * engine was heard of so lately that nobody can have come since; else the engine is asked first. Where it can't be, a machine that is
 * known by its host goes on; what may be a copy doesn't.
 */
#ifndef IPAM_SHARED_PRESENCE_H
#define IPAM_SHARED_PRESENCE_H

#include "registry/registry.h"

struct remote;

/* A node that goes by this machine's name, or is its under an older one, as it was when they were listed. */
struct own {
	uint64_t id, shared, cluster_id;
	char name[IPAM_NAME_MAX + 1], cluster[IPAM_NAME_MAX + 1];
	enum ipam_held held;
	enum node_doubt doubt;
	bool asking, empty, told;
	uint32_t doubts;
	/* while its presence is told */
	int64_t at; /* the revision of what is there; 0: nothing is */
	bool rival; /* another's */
};

struct presence;

/* When the state file is open and nothing runs yet: says how this machine stands. first: the file is new. -ENOMEM, of the store. */
int presence_new(struct remote *r, bool first, struct presence **out);
void presence_free(struct presence *p); /* NULL is fine */

/* All by the pulse. Says that this machine is there, and these nodes'. 0, or why the engine can't be told. */
int presence_tell(struct presence *p, struct own *own, size_t n, struct ipam_error *error);
/* The engine can't be asked now: leases don't wait any longer. */
void presence_untold(struct presence *p);
/* What was said is to be said anew. */
void presence_again(struct presence *p);
/* This machine leaves. */
void presence_end(struct presence *p, int timeout_ms);

/* How this machine stands from now on; what waits for it goes on. */
void remote_stand(struct remote *r, enum own_standing standing);
enum own_standing remote_standing(struct remote *r);

#endif
