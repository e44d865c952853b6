/* result — what is answered. */
#ifndef IPAMFS_CNI_RESULT_H
#define IPAMFS_CNI_RESULT_H

#include "base/cidr.h"
#include "lease.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
