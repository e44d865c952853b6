/* cni — the CNI plugin's parts: what was asked (environment and configuration), what is leased, what is answered.
 *
 * The plugin is one short process for each call. It knows the mount through its files alone. Errors are the objects of the
 * CNI specification, filled in where they happen; functions return 0 or CNI_FAILED.
 * Sources: the CNI specification 1.1.0, and the behaviour of the plugin host-local, whose configurations are understood.
 */
#ifndef IPAMFS_CNI_H
#define IPAMFS_CNI_H

#include "cidr.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- errors (error.c) */
enum {
	CNI_VERSION_UNKNOWN = 1,
	CNI_UNSUPPORTED_FIELD = 2,
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO = 5,
	CNI_UNDECODABLE = 6,
	CNI_BAD_CONFIG = 7,
	CNI_TRY_AGAIN = 11,
	CNI_NOT_AVAILABLE = 50,
	/* our own */
	CNI_NO_ADDRESS = 100,      /* no address or block is left, or max-leases is reached */
	CNI_ADDRESS_HELD = 101,    /* the requested address is another's */
	CNI_ADDRESS_REFUSED = 102, /* the requested address can't be leased here */
	CNI_NO_NODE = 103,         /* the node has no directory, and is not to get one */
	CNI_LEASE_DIFFERS = 104,   /* CHECK: the lease is gone, or has other addresses */
	CNI_GC_INCOMPLETE = 105,   /* GC: some leases could not be released */
};

enum { CNI_FAILED = -1 };

struct cni_error {
	int code;
	char msg[512], details[512];
};
/* Fills it in; returns CNI_FAILED. The first error stays. */
int cni_fail(struct cni_error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same, with the system's word for an errno as details. */
int cni_fail_errno(struct cni_error *e, int code, int error, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* CNI_TRY_AGAIN where the mount or the file went away meanwhile, else CNI_IO. */
int cni_code_of(int error);

/* ---- versions (version.c) */
enum cni_version { CNI_0_1_0, CNI_0_2_0, CNI_0_3_0, CNI_0_3_1, CNI_0_4_0, CNI_1_0_0, CNI_1_1_0, CNI_VERSIONS };
extern const char *const cni_version_name[CNI_VERSIONS];
/* Absent (NULL or empty) means 0.1.0. */
int cni_version_parse(const char *s, enum cni_version *out, struct cni_error *e);
/* That of a configuration which need not be one; the newest if it names none of them. */
enum cni_version cni_version_asked(const char *text, size_t size);

/* ---- the environment (env.c) */
enum cni_command { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_GC, CNI_STATUS, CNI_VERSION, CNI_COMMANDS };

struct cni_env {
	enum cni_command command;
	const char *container, *ifname, *netns; /* netns may be empty */
	bool nobody;                            /* DEL of what no ADD can have made: no lease has such a name */
	char pod[512], pod_uid[128];            /* "namespace/name"; empty: not told */
	char ips[1024];                         /* of CNI_ARGS IP=, a comma list */
};
int cni_env_read(struct cni_env *env, struct cni_error *e);
/* What the specification lets containers and networks be called: a letter or digit, then also '_', '.' and '-'. */
bool cni_is_identifier(const char *s);
extern const char *const cni_command_name[CNI_COMMANDS];
/* CNI_ARGS: KEY=VALUE pairs between semicolons; keys that mean nothing to us are passed over. */
int cni_args_parse(const char *args, struct cni_env *env, struct cni_error *e);

/* ---- ranges (range.c): as host-local writes them */
struct cni_range {
	struct cidr subnet;
	u128 first, last; /* within the subnet, without network and broadcast address */
	u128 gateway;
};
struct cni_set {
	struct cni_range *range; /* alternatives, in order */
	size_t ranges;
	uint8_t family;
	unsigned lease; /* which of the attachment's leases: the nth set of a family is in the nth */
};
struct cni_sets {
	struct cni_set *set;
	size_t sets;
};
/* One set from a JSON array of range objects, or one from an object with subnet, rangeStart, rangeEnd, gateway. */
int cni_sets_add(struct cni_sets *s, const json_t *set, struct cni_error *e);
/* No two may overlap, and before 0.3.0 no two may be of a family; gives each its lease. */
int cni_sets_finish(struct cni_sets *s, enum cni_version version, struct cni_error *e);
void cni_sets_free(struct cni_sets *s);
bool cni_set_has(const struct cni_set *s, uint8_t family, u128 addr); /* an address that it may give */

/* ---- the configuration (conf.c) */
struct cni_address {
	uint8_t family;
	u128 addr;
};

struct cni_conf {
	json_t *json; /* all of it: the strings below live in it */
	enum cni_version version;
	const char *name;                   /* of the network */
	const char *mount, *cluster, *node; /* cluster NULL: the only one */
	char host[256];                     /* node's default, and */
	char lower[256];                    /* as the kubelet has it, where it has capitals; else "" */
	bool create_node;
	const json_t *routes; /* array, or NULL */
	const char *resolv_conf;
	struct cni_sets sets;
	struct cni_address *requested;
	size_t requests;
	const json_t *prev;  /* prevResult, or NULL */
	const json_t *valid; /* cni.dev/valid-attachments, or NULL */
	json_t *remarks;     /* an array of lines for a person, on what means nothing here */
};
/* lenient: what DEL doesn't need may be wrong. */
int cni_conf_parse(struct cni_conf *c, const char *text, size_t size, const struct cni_env *env, bool lenient, struct cni_error *e);
void cni_conf_free(struct cni_conf *c);
/* Has the route a gateway? null and "" are none. */
bool cni_route_gw(const json_t *route, const char **out);

/* ---- the mount (mount.c) */
struct cni_node {
	int dir;          /* descriptor of the node's directory, -1 none */
	const char *name; /* which of the configuration's names it has, or would be made by */
	bool made;        /* by this call */
	char cluster[NAME_MAX + 1];
	int mount; /* of the mount */
};
/* Where the configuration names no cluster: in the only one, or of several the one in which the node is. make: as createNode says.
 * Without it a cluster or node that isn't there is success with dir -1. */
int cni_node_open(const struct cni_conf *c, bool make, struct cni_node *n, struct cni_error *e);
void cni_node_close(struct cni_node *n);
/* That the node's directory is one of ipamfs: for when a file isn't where it should be. */
int cni_node_check(const struct cni_conf *c, const struct cni_node *n, struct cni_error *e);
/* Take back a node that this call made and that has no lease. */
void cni_node_undo(struct cni_node *n);
/* The CIDRs that lines of a file begin with: how many, or CNI_FAILED. The list is the caller's to free; it may be NULL. */
int cni_cidrs_at(int dir, const char *path, struct cidr **out, struct cni_error *e);
/* The node's blocks, likewise. */
int cni_node_blocks(const struct cni_node *n, struct cidr **out, struct cni_error *e);
/* A small file below a directory, NUL-terminated: its length, or a negative errno. */
int cni_read_at(int dir, const char *path, char *out, size_t room);
/* A cluster gave no block: "has no block left", or that it never had a CIDR. `cidrs` is its control file, as seen from dir. */
const char *cni_why_no_block(int dir, const char *cidrs);
/* The value of KEY in "KEY VALUE" lines: false if it isn't there. */
bool cni_value(const char *text, const char *key, char *out, size_t room);

/* ---- leases (lease.c) */
struct cni_lease {
	bool has[CIDR_FAMILIES];
	u128 addr[CIDR_FAMILIES];
	uint8_t len[CIDR_FAMILIES];
	bool has_gateway[CIDR_FAMILIES];
	u128 gateway[CIDR_FAMILIES];
};
enum { CNI_LEASES_MAX = 16 }; /* of one attachment */
struct cni_leases {
	struct cni_lease lease[CNI_LEASES_MAX];
	bool made[CNI_LEASES_MAX];           /* by this call */
	unsigned generation[CNI_LEASES_MAX]; /* of those: what it is if nobody else has touched it */
	uint64_t inode[CNI_LEASES_MAX];
	unsigned n;
	uint8_t first; /* the family of the node's oldest block: it comes first in a result that no ranges order */
};
/* "CONTAINER.IFNAME", for further ones "+1"...; error 4 if that is too long. */
int cni_lease_name(const struct cni_env *env, unsigned i, char out[NAME_MAX + 1], struct cni_error *e);
/* Claim what the configuration asks for; on failure nothing is left of it. */
int cni_leases_claim(const struct cni_conf *c, const struct cni_env *env, struct cni_node *n, struct cni_leases *l, struct cni_error *e);
/* Read those that there are. */
int cni_leases_read(const struct cni_conf *c, const struct cni_env *env, const struct cni_node *n, struct cni_leases *l,
		    struct cni_error *e);
/* Release what this call made (once) and nobody has touched since. told: the runtime may have read the answer, so the addresses rest. */
void cni_leases_undo(const struct cni_node *n, struct cni_leases *l, bool told);

/* ---- results (result.c) */
struct cni_ip {
	uint8_t family;
	struct cidr address; /* the host's, with its network's length */
	bool has_gateway;
	u128 gateway;
};
enum { CNI_IPS_MAX = 2 * CNI_LEASES_MAX };
/* Which of the leases' addresses are reported, in the order that the configuration wants: how many. */
size_t cni_ips(const struct cni_conf *c, const struct cni_leases *l, struct cni_ip out[CNI_IPS_MAX]);
/* The result object in the shape of the version; NULL with an error. */
json_t *cni_result(const struct cni_conf *c, const struct cni_ip *ip, size_t n, struct cni_error *e);
json_t *cni_error_object(enum cni_version version, const struct cni_error *e);
json_t *cni_versions_object(const char *asked);

/* ---- a call, from what was asked to what is answered */

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

/* fn for the node's directory in each cluster, or in the one that the configuration names: for who knows what is looked for. All are
 * visited; CNI_FAILED where one failed. */
int cni_nodes_each(struct cni_call *c, int (*fn)(struct cni_call *c, struct cni_error *e), struct cni_error *e);
/* Release all leases of the attachment. */
int cni_leases_release(struct cni_call *c, struct cni_error *e);

/* The commands: 0 with out and undo set, or CNI_FAILED with an error and nothing left behind. */
int cni_add(struct cni_call *c, struct cni_error *e);
int cni_del(struct cni_call *c, struct cni_error *e);
int cni_check(struct cni_call *c, struct cni_error *e);
int cni_gc(struct cni_call *c, struct cni_error *e);
int cni_status(struct cni_call *c, struct cni_error *e);

/* ---- guard (guard.c): a daemon that hangs makes no call of ours hang */
/* Do the work in a process of its own and print what it answers: the exit status. Without a sign of life for so many
 * seconds, an error is printed; the work then undoes itself when it comes to its end. */
int cni_guard(void (*work)(struct cni_call *c), int seconds);
/* For the work, before it touches the mount: let go of what the runtime waits for, which reads our output to its end and
 * kills by groups. Nothing can be printed from then on. */
void cni_guard_leave(void);

#endif
