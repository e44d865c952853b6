/* call — a call of the CNI plugin, from what was asked (environment and configuration) to what is answered.
 *
 * The plugin is one short process for each call. It knows the mount through its files alone.
 * Sources: the CNI specification 1.1.0, and the behaviour of the plugin host-local, whose configurations are understood.
 */
#ifndef IPAMFS_CNI_CALL_H
#define IPAMFS_CNI_CALL_H

#include "lease.h"

#include <jansson.h>
#include <stdbool.h>

/* What the process that waits for the one that works can say by itself. */
struct cni_shared {
	enum cni_version version;
	bool status;     /* STATUS was asked for */
	char waits[512]; /* what it means that no answer comes */
};

struct cni_call {
	struct cni_env env;
	char *input;
	struct cni_conf conf;
	struct cni_node node;
	struct cni_leases leases;
	const struct cni_valid *valid; /* GC's (gc.c) */
	struct cni_shared *shared;
	void (*alive)(void *arg);  /* to be called now and then by what takes long */
	bool (*wanted)(void *arg); /* does anybody wait? To be asked before anything is released: what is late hits the wrong ones */
	void *arg;
	int status;                       /* 0, or CNI_FAILED: out is an error's object then */
	json_t *out;                      /* what to print; NULL: nothing */
	void (*undo)(struct cni_call *c); /* to be called if nobody hears of it; NULL: there is nothing to take back */
};

/* The commands: 0 with out and undo set, or CNI_FAILED with an error and nothing left behind. */
int cni_add(struct cni_call *c, struct cni_error *e);
int cni_del(struct cni_call *c, struct cni_error *e);
int cni_check(struct cni_call *c, struct cni_error *e);
int cni_gc(struct cni_call *c, struct cni_error *e);
int cni_status(struct cni_call *c, struct cni_error *e);

#endif
