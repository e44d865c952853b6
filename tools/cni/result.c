/* What is printed: results in the shape of each version of the specification, and errors. */
#include "result.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- which addresses ------------------------------------------------------------------------------------------------ */

static struct cni_ip ip_of(const struct cni_lease *l, uint8_t family)
{
	return (struct cni_ip){
		.family = family,
		.address = { l->addr[family], family, l->len[family] },
		.has_gateway = l->has_gateway[family],
		.gateway = l->gateway[family],
	};
}

/* As host-local: with a range's network and gateway, the subnet's first address where none is said. */
static struct cni_ip ip_of_set(const struct cni_lease *l, const struct cni_set *s)
{
	struct cni_ip ip = ip_of(l, s->family);

	for (size_t i = 0; i < s->ranges; i++)
		if (cidr_has(&s->range[i].subnet, s->family, ip.address.base)) {
			ip.address.len = s->range[i].subnet.len;
			ip.has_gateway = true;
			ip.gateway = s->range[i].gateway;
			break;
		}
	return ip;
}

size_t cni_ips(const struct cni_conf *c, const struct cni_leases *l, struct cni_ip out[CNI_IPS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < c->sets.sets; i++) {
		const struct cni_set *s = &c->sets.set[i];

		if (s->lease < l->n && l->lease[s->lease].has[s->family])
			out[n++] = ip_of_set(&l->lease[s->lease], s);
	}
	for (uint8_t i = 0; c->sets.sets == 0 && l->n > 0 && i < CIDR_FAMILIES; i++) {
		uint8_t f = l->first ^ i;

		if (l->lease[0].has[f])
			out[n++] = ip_of(&l->lease[0], f);
	}
	return n;
}

/* ---- dns: resolv.conf(5) ------------------------------------------------------------------------------------------------ */

static void add_words(json_t *object, const char *key, char *words, bool all)
{
	json_t *list = json_object_get(object, key);
	char *word;

	if (list == NULL) {
		list = json_array();
		json_object_set_new(object, key, list);
	}
	while ((word = strsep(&words, " \t\n")) != NULL)
		if (*word != 0) {
			json_array_append_new(list, json_string(word));
			if (!all)
				break;
		}
}

static int read_dns(const char *path, json_t *dns, struct cni_error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is nothing to wait for */
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;

	if (f == NULL) {
		if (fd >= 0)
			close(fd);
		return cni_fail(e, CNI_IO, "resolvConf %s can't be read", path);
	}
	while (getline(&line, &room, f) > 0) {
		char *rest = line, *key;

		do
			key = strsep(&rest, " \t\n");
		while (key != NULL && *key == 0);
		if (key == NULL || *key == '#' || *key == ';' || rest == NULL)
			continue;
		rest += strspn(rest, " \t");
		if (strcmp(key, "nameserver") == 0)
			add_words(dns, "nameservers", rest, false);
		else if (strcmp(key, "search") == 0)
			add_words(dns, "search", rest, true);
		else if (strcmp(key, "options") == 0)
			add_words(dns, "options", rest, true);
		else if (strcmp(key, "domain") == 0 && rest[strcspn(rest, " \t\n")] != 0)
			json_object_set_new(dns, "domain", json_stringn(rest, strcspn(rest, " \t\n")));
	}
	free(line);
	fclose(f);
	return 0;
}

/* ---- the shapes ------------------------------------------------------------------------------------------------------- */

/* Routes of one family, or of both (CIDR_FAMILIES), with the fields that the version knows. */
static json_t *routes_of(const struct cni_conf *c, unsigned family)
{
	static const char *const known[] = { "dst", "gw", "mtu", "advmss", "priority", "table", "scope" };
	size_t fields = c->version >= CNI_1_1_0 ? sizeof known / sizeof *known : 2, i;
	json_t *out = json_array();
	const json_t *route;

	json_array_foreach(c->routes, i, route) {
		const char *dst = json_string_value(json_object_get(route, "dst"));
		uint8_t of, len;
		json_t *copy;
		u128 addr;

		if (family < CIDR_FAMILIES && (cidr_parse_host(dst, strlen(dst), &of, &addr, &len) < 0 || of != family))
			continue;
		copy = json_object();
		for (size_t k = 0; k < fields; k++)
			if (!json_is_null(json_object_get(route, known[k])))
				json_object_set(copy, known[k], json_object_get(route, known[k]));
		if (!cni_route_gw(route, &dst))
			json_object_del(copy, "gw");
		json_array_append_new(out, copy);
	}
	return out;
}

static json_t *ip_object(const struct cni_conf *c, const struct cni_ip *ip)
{
	char address[CIDR_TEXT], gateway[CIDR_ADDR_TEXT];
	bool old = c->version < CNI_0_3_0;
	json_t *o = json_object();

	cidr_print(&ip->address, address);
	if (!old && c->version < CNI_1_0_0)
		json_object_set_new(o, "version", json_string(ip->family == CIDR_V4 ? "4" : "6"));
	json_object_set_new(o, old ? "ip" : "address", json_string(address));
	if (ip->has_gateway) {
		cidr_print_addr(ip->family, ip->gateway, gateway);
		json_object_set_new(o, "gateway", json_string(gateway));
	}
	if (old && c->routes != NULL) {
		json_t *routes = routes_of(c, ip->family);

		if (json_array_size(routes) > 0)
			json_object_set(o, "routes", routes);
		json_decref(routes);
	}
	return o;
}

json_t *cni_result(const struct cni_conf *c, const struct cni_ip *ip, size_t n, struct cni_error *e)
{
	json_t *o = json_object(), *ips = json_array(), *dns = json_object();
	int rc = c->resolv_conf == NULL ? 0 : read_dns(c->resolv_conf, dns, e);

	json_object_set_new(o, "cniVersion", json_string(cni_version_name[c->version]));
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const char *key = ip[i].family == CIDR_V4 ? "ip4" : "ip6";

		if (c->version >= CNI_0_3_0)
			json_array_append_new(ips, ip_object(c, &ip[i]));
		else /* one set of a family at most, as the configuration was checked for */
			json_object_set_new(o, key, ip_object(c, &ip[i]));
	}
	if (c->version >= CNI_0_3_0)
		json_object_set(o, "ips", ips);
	if (c->version >= CNI_0_3_0 && c->routes != NULL)
		json_object_set_new(o, "routes", routes_of(c, CIDR_FAMILIES));
	json_object_set(o, "dns", dns);
	json_decref(ips);
	json_decref(dns);
	if (rc < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *cni_error_object(enum cni_version version, const struct cni_error *e)
{
	json_t *o = json_pack("{s:s,s:i,s:s}", "cniVersion", cni_version_name[version], "code", e->code, "msg", e->msg);

	if (o == NULL) /* bytes of somebody's that are no UTF-8 */
		o = json_pack("{s:s,s:i,s:s}", "cniVersion", cni_version_name[version], "code", e->code, "msg",
			      "the request holds bytes that are no UTF-8");
	if (o != NULL && e->details[0] != 0)
		json_object_set_new(o, "details", json_string(e->details));
	return o;
}

json_t *cni_versions_object(const char *asked)
{
	json_t *o = json_object(), *list = json_array();

	for (int i = 0; i < CNI_VERSIONS; i++)
		json_array_append_new(list, json_string(cni_version_name[i]));
	json_object_set_new(o, "cniVersion", json_string(asked));
	json_object_set_new(o, "supportedVersions", list);
	return o;
}
