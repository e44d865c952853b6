#include "conf.h"

#include "keys.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- single values -------------------------------------------------------------------------------------------- */

static int get_string(const json_t *o, const char *key, const char **out, struct cni_error *e)
{
	const json_t *value = json_object_get(o, key);

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return cni_fail(e, CNI_BAD_CONFIG, "'%s' is not a string", key);
	if (json_string_length(value) > 0)
		*out = json_string_value(value);
	return 0;
}

/* What can be the name of one directory. */
static int check_name(const char *key, const char *s, struct cni_error *e)
{
	if (s != NULL && (strchr(s, '/') != NULL || s[0] == '.' || strlen(s) > NAME_MAX))
		return cni_fail(e, CNI_BAD_CONFIG, "'%s' can't be '%s': it names a directory of the mount", key, s);
	return 0;
}

/* As the specification has it, and no longer than a file's name. */
static int check_network(const char *s, struct cni_error *e)
{
	if (s == NULL)
		return cni_fail(e, CNI_BAD_CONFIG, "the network has no 'name'");
	if (!cni_is_identifier(s) || strlen(s) > NAME_MAX)
		return cni_fail(e, CNI_BAD_CONFIG,
				"the network's name '%.*s' can't be one: a letter or digit, then also '_', '.' and '-', at most %d "
				"in all",
				NAME_MAX, s, NAME_MAX);
	return 0;
}

/* ---- requested addresses ---------------------------------------------------------------------------------------- */

static int add_request(struct cni_conf *c, const char *s, size_t size, struct cni_error *e)
{
	struct cni_address *bigger = reallocarray(c->requested, c->requests + 1, sizeof *bigger);
	uint8_t len;

	if (bigger == NULL)
		return cni_fail(e, CNI_IO, "out of memory");
	c->requested = bigger;
	if (cidr_parse_host(s, size, &bigger[c->requests].family, &bigger[c->requests].addr, &len) < 0)
		return cni_fail(e, CNI_BAD_CONFIG, "the requested address '%.*s' is no IP address", (int)size, s);
	c->requests++;
	return 0;
}

static int add_list(struct cni_conf *c, const json_t *list, const char *where, struct cni_error *e)
{
	const json_t *value;
	size_t i;

	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return cni_fail(e, CNI_BAD_CONFIG, "'%s' is no list", where);
	json_array_foreach(list, i, value) {
		if (!json_is_string(value))
			return cni_fail(e, CNI_BAD_CONFIG, "'%s' holds what is no string", where);
		if (add_request(c, json_string_value(value), json_string_length(value), e) < 0)
			return CNI_FAILED;
	}
	return 0;
}

static int get_requests(struct cni_conf *c, const struct cni_env *env, struct cni_error *e)
{
	const json_t *args = json_object_get(json_object_get(c->json, "args"), "cni");

	for (const char *s = env->ips; *s != 0;) {
		size_t size = strcspn(s, ",");

		if (size > 0 && add_request(c, s, size, e) < 0)
			return CNI_FAILED;
		s += size;
		s += *s == ',';
	}
	if (add_list(c, json_object_get(args, "ips"), "args.cni.ips", e) < 0)
		return CNI_FAILED;
	return add_list(c, json_object_get(json_object_get(c->json, "runtimeConfig"), "ips"), "runtimeConfig.ips", e);
}

/* ---- ranges ------------------------------------------------------------------------------------------------------- */

static const char *const range_keys[] = { "subnet", "rangeStart", "rangeEnd", "gateway", NULL };

static int add_sets(struct cni_conf *c, json_t *list, const char *where, struct cni_error *e)
{
	json_t *set, *range;
	size_t i, k;

	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return cni_fail(e, CNI_BAD_CONFIG, "'%s' is no list of sets", where);
	json_array_foreach(list, i, set) {
		if (!json_is_array(set))
			return cni_fail(e, CNI_BAD_CONFIG, "'%s': a set is a list of ranges", where);
		json_array_foreach(set, k, range)
			cni_keys_settle(range, range_keys, where, c->remarks);
		if (cni_sets_add(&c->sets, set, e) < 0)
			return CNI_FAILED;
	}
	return 0;
}

/* Where the configuration has no range: a file that holds one. */
static int add_from_file(struct cni_conf *c, const json_t *ipam, struct cni_error *e)
{
	const char *path = NULL;
	json_t *range;
	int rc, fd;

	if (get_string(ipam, "rangeFromFile", &path, e) < 0)
		return CNI_FAILED;
	if (path == NULL || c->sets.sets > 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is nothing to wait for */
	if (fd < 0)
		return cni_fail_errno(e, CNI_IO, errno, "rangeFromFile %s can't be read", path);
	range = json_loadfd(fd, 0, NULL);
	close(fd);
	if (!json_is_object(range))
		rc = cni_fail(e, CNI_BAD_CONFIG, "rangeFromFile %s holds no range: a JSON object with a 'subnet'", path);
	else {
		cni_keys_settle(range, range_keys, "rangeFromFile", c->remarks);
		rc = cni_sets_add(&c->sets, range, e);
	}
	json_decref(range);
	return rc;
}

/* Beside a 'subnet' these say something of it, and without one nothing. */
static int check_lonely(struct cni_conf *c, const json_t *ipam, struct cni_error *e)
{
	static const char *const keys[] = { "rangeStart", "rangeEnd", "gateway" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const json_t *value = json_object_get(ipam, keys[i]);

		if (value == NULL || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
			continue;
		if (c->sets.sets == 0)
			return cni_fail(e, CNI_BAD_CONFIG, "'%s' without a 'subnet' that it is of", keys[i]);
		cni_remark(c->remarks, "'%s' of ipam has no 'subnet' beside it and means nothing", keys[i]);
	}
	return 0;
}

/* The runtime's come first, then the single range of old, then the list, and the file if there are none: host-local's order. */
static int get_sets(struct cni_conf *c, json_t *ipam, const struct cni_env *env, struct cni_error *e)
{
	const json_t *subnet = json_object_get(ipam, "subnet");
	bool single = subnet != NULL && !json_is_null(subnet);

	if (add_sets(c, json_object_get(json_object_get(c->json, "runtimeConfig"), "ipRanges"), "runtimeConfig.ipRanges", e) < 0)
		return CNI_FAILED;
	if (single && cni_sets_add(&c->sets, ipam, e) < 0)
		return CNI_FAILED;
	if (add_sets(c, json_object_get(ipam, "ranges"), "ranges", e) < 0)
		return CNI_FAILED;
	if (env->command != CNI_GC && add_from_file(c, ipam, e) < 0) /* which is gone perhaps; the dead go wherever they lie */
		return CNI_FAILED;
	if (!single && check_lonely(c, ipam, e) < 0)
		return CNI_FAILED;
	return cni_sets_finish(&c->sets, c->version, e);
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

bool cni_route_gw(const json_t *route, const char **out)
{
	const json_t *gw = json_object_get(route, "gw");

	*out = json_string_value(gw);
	return gw != NULL && !json_is_null(gw) && (*out == NULL || **out != 0);
}

/* What the kernel has as numbers, and whoever reads the result decodes as such. */
static int check_numbers(const json_t *route, size_t i, struct cni_error *e)
{
	static const struct {
		const char *key;
		json_int_t most;
	} numbers[] = {
		{ "mtu", UINT32_MAX }, { "advmss", UINT32_MAX }, { "priority", UINT32_MAX }, { "table", UINT32_MAX }, { "scope", UINT8_MAX }
	};

	for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
		const json_t *value = json_object_get(route, numbers[k].key);

		if (value == NULL || json_is_null(value))
			continue;
		if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > numbers[k].most)
			return cni_fail(e, CNI_BAD_CONFIG, "route %zu: '%s' is no number from 0 to %" JSON_INTEGER_FORMAT, i,
					numbers[k].key, numbers[k].most);
	}
	return 0;
}

static int check_routes(struct cni_conf *c, json_t *routes, struct cni_error *e)
{
	static const char *const known[] = { "dst", "gw", "mtu", "advmss", "priority", "table", "scope", NULL };
	uint8_t family, len;
	json_t *route;
	const char *s;
	u128 gw;
	size_t i;

	if (routes != NULL && !json_is_array(routes))
		return cni_fail(e, CNI_BAD_CONFIG, "'routes' is no list");
	json_array_foreach(routes, i, route) {
		cni_keys_settle(route, known, "a route", c->remarks);
		s = json_string_value(json_object_get(route, "dst"));
		/* With any host bits, as host-local takes it. */
		if (s == NULL || strchr(s, '/') == NULL || cidr_parse_host(s, strlen(s), &family, &gw, &len) < 0)
			return cni_fail(e, CNI_BAD_CONFIG, "route %zu: 'dst' is no network (ADDRESS/LENGTH)", i);
		if (cni_route_gw(route, &s) && (s == NULL || cidr_parse_addr(s, strlen(s), &family, &gw) < 0))
			return cni_fail(e, CNI_BAD_CONFIG, "route %zu: 'gw' is no address", i);
		if (check_numbers(route, i, e) < 0)
			return CNI_FAILED;
	}
	return 0;
}

static int get_place(struct cni_conf *c, const json_t *ipam, struct cni_error *e)
{
	const json_t *create = json_object_get(ipam, "createNode");

	c->mount = "/run/ipamfs";
	if (get_string(ipam, "mount", &c->mount, e) < 0 || get_string(ipam, "cluster", &c->cluster, e) < 0 ||
	    get_string(ipam, "node", &c->node, e) < 0)
		return CNI_FAILED;
	if (c->node == NULL) {
		if (gethostname(c->host, sizeof c->host - 1) < 0)
			return cni_fail(e, CNI_IO, "the host has no name; set 'node'");
		c->node = c->host;
		/* Without capitals it is the kubelet's, and ours alone where there is a node of that very name. */
		for (size_t i = 0; c->host[i] != 0; i++)
			c->lower[i] = (char)tolower((unsigned char)c->host[i]);
		if (strcmp(c->host, c->lower) == 0)
			c->lower[0] = 0;
	}
	if (c->mount[0] != '/')
		return cni_fail(e, CNI_BAD_CONFIG, "'mount' is not an absolute path: '%s'", c->mount);
	if (check_name("cluster", c->cluster, e) < 0 || check_name("node", c->node, e) < 0)
		return CNI_FAILED;
	if (create != NULL && !json_is_boolean(create) && !json_is_null(create))
		return cni_fail(e, CNI_BAD_CONFIG, "'createNode' is neither true nor false");
	c->create_node = !json_is_false(create);
	return 0;
}

static int get_ipam(struct cni_conf *c, json_t *ipam, const struct cni_env *env, struct cni_error *e)
{
	json_t *routes = json_object_get(ipam, "routes");

	if (json_is_null(routes))
		routes = NULL;
	c->routes = routes;
	if (get_string(ipam, "resolvConf", &c->resolv_conf, e) < 0 || check_routes(c, routes, e) < 0 || get_sets(c, ipam, env, e) < 0)
		return CNI_FAILED;
	return get_requests(c, env, e);
}

/* Of what isn't our own alone, the names that mean something here. */
static void settle_keys(struct cni_conf *c)
{
	static const char *const network[] = {
		"cniVersion", "name", "ipam", "args", "runtimeConfig", "prevResult", "cni.dev/valid-attachments", NULL
	};
	static const char *const ipam[] = { "type",       "mount",  "cluster",    "node",     "createNode", "routes", "rangeFromFile",
					    "resolvConf", "subnet", "rangeStart", "rangeEnd", "gateway",    "ranges", NULL };
	static const char *const runtime[] = { "ips", "ipRanges", NULL }, *const args[] = { "cni", NULL };

	cni_keys_settle(c->json, network, "", NULL);
	cni_keys_settle(json_object_get(c->json, "ipam"), ipam, "ipam", c->remarks);
	cni_keys_settle(json_object_get(c->json, "runtimeConfig"), runtime, "", NULL);
	cni_keys_settle(json_object_get(c->json, "args"), args, "", NULL);
	cni_keys_settle(json_object_get(json_object_get(c->json, "args"), "cni"), runtime, "", NULL);
}

int cni_conf_parse(struct cni_conf *c, const char *text, size_t size, const struct cni_env *env, bool lenient, struct cni_error *e)
{
	const char *version = NULL;
	json_error_t error;
	json_t *ipam;
	struct cni_error ignored = { 0 };

	*c = (struct cni_conf){ .version = CNI_VERSIONS - 1, .create_node = true, .remarks = json_array() };
	c->json = json_loadb(text, size, 0, &error);
	if (c->json == NULL)
		return cni_fail(e, CNI_UNDECODABLE, "the configuration on standard input is no JSON: line %d, %s", error.line, error.text);
	if (!json_is_object(c->json))
		return cni_fail(e, CNI_UNDECODABLE, "the configuration on standard input is no JSON object");
	settle_keys(c);
	if (get_string(c->json, "cniVersion", &version, e) < 0 || cni_version_parse(version, &c->version, e) < 0)
		return CNI_FAILED;
	ipam = json_object_get(c->json, "ipam");
	if (!json_is_object(ipam) && env->command != CNI_VERSION)
		return cni_fail(e, CNI_BAD_CONFIG, "the configuration has no 'ipam' object");
	c->prev = json_object_get(c->json, "prevResult");
	c->valid = json_object_get(c->json, "cni.dev/valid-attachments");
	if (get_place(c, ipam, e) < 0)
		return CNI_FAILED;
	if (get_string(c->json, "name", &c->name, lenient ? &ignored : e) < 0 && !lenient)
		return CNI_FAILED;
	if (lenient)
		return 0;
	return check_network(c->name, e) < 0 ? CNI_FAILED : get_ipam(c, ipam, env, e);
}

void cni_conf_free(struct cni_conf *c)
{
	cni_sets_free(&c->sets);
	free(c->requested);
	json_decref(c->remarks);
	json_decref(c->json);
}
