/* conf — the configuration. */
#ifndef IPAMFS_CNI_CONF_H
#define IPAMFS_CNI_CONF_H

#include "base/cidr.h"
#include "env.h"
#include "range.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
