#include "call.h"
#include "result.h"

#include <string.h>

/* The address, with or without its length, is one of prevResult's. */
static bool listed(const json_t *prev, enum cni_version version, const struct cni_ip *ip)
{
	const json_t *ips = json_object_get(prev, "ips"), *item;
	size_t i;

	(void)version; /* CHECK came with 0.4.0, since when the shape is this */
	json_array_foreach(ips, i, item) {
		const char *s = json_string_value(json_object_get(item, "address"));
		uint8_t family, len;
		u128 addr;

		if (s != NULL && cidr_parse_host(s, strlen(s), &family, &addr, &len) == 0 && family == ip->family &&
		    addr == ip->address.base)
			return true;
	}
	return false;
}

static int find(struct cni_call *c, struct cni_error *e)
{
	return c->leases.n > 0 ? 0 : cni_leases_read(&c->conf, &c->env, &c->node, &c->leases, e);
}

int cni_check(struct cni_call *c, struct cni_error *e)
{
	struct cni_ip ip[CNI_IPS_MAX];
	char text[CIDR_ADDR_TEXT];
	size_t n;

	if (!json_is_object(c->conf.prev))
		return cni_fail(e, CNI_BAD_CONFIG, "CHECK needs the 'prevResult' that ADD gave");
	if (cni_nodes_each(c, find, e) < 0)
		return CNI_FAILED;
	n = cni_ips(&c->conf, &c->leases, ip);
	if (c->leases.n == 0 || n == 0 || n < c->conf.sets.sets)
		return cni_fail(e, CNI_LEASE_DIFFERS, "container %s holds no lease for %s on node '%s'", c->env.container, c->env.ifname,
				c->conf.node);
	for (size_t i = 0; i < n; i++)
		if (!listed(c->conf.prev, c->conf.version, &ip[i])) {
			cidr_print_addr(ip[i].family, ip[i].address.base, text);
			return cni_fail(e, CNI_LEASE_DIFFERS, "the lease of container %s for %s has %s, which prevResult doesn't list",
					c->env.container, c->env.ifname, text);
		}
	return 0;
}
