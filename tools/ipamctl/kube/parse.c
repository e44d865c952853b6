/* Of a Node and a Pod, as the API server writes them, what an import needs. */
#include "ipamctl/kube/parse.h"

#include "ipamctl/kube/arena.h"
#include "kube/pod_cidrs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEASE_NAME_MAX = 255, NODE_NAME_MAX = 253, SPACE_MAX = 63, UID_MAX = 128 };

static const struct kube_wanted of_metadata[] = {
	{ .key = "name" }, { .key = "namespace" }, { .key = "uid" }, { .key = "creationTimestamp" }, { .key = NULL },
};
static const struct kube_wanted of_spec[] = {
	{ .key = "podCIDR" },
	{ .key = "podCIDRs" },
	{ .key = "nodeName" },
	{ .key = "hostNetwork" },
	{ .key = "containers", .how = KUBE_MARK },
	{ .key = NULL },
};
static const struct kube_wanted of_status[] = {
	{ .key = "phase" }, { .key = "podIP" }, { .key = "podIPs" }, { .key = "nodeInfo", .how = KUBE_MARK }, { .key = NULL },
};
const struct kube_wanted kube_wanted[] = {
	{ .key = "kind" },
	{ .key = "metadata", .how = KUBE_INTO, .into = of_metadata },
	{ .key = "spec", .how = KUBE_INTO, .into = of_spec },
	{ .key = "status", .how = KUBE_INTO, .into = of_status },
	{ .key = NULL },
};

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s == NULL ? "" : s;
}

/* A name as Kubernetes allows it. */
static bool is_name(const char *s, size_t most)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.");

	return n > 0 && n <= most && s[n] == 0 && s[0] != '.';
}

static bool is_uid(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");

	return n <= UID_MAX && s[n] == 0;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static const char *take_cidrs(struct kube_node *n, const json_t *spec)
{
	struct pod_cidrs c;

	pod_cidrs_read(spec, &c);
	for (unsigned i = 0; i < c.n; i++) {
		if (i > 0 && c.cidr[i].family == c.cidr[0].family)
			return "has several podCIDRs of a family";
		n->cidr[n->cidrs++] = c.cidr[i];
	}
	return c.odd || c.host_bits ? "has a podCIDR that is no CIDR" : NULL;
}

static const char *take_node(struct kube *k, json_t *object)
{
	const json_t *metadata = json_object_get(object, "metadata");
	struct kube_node *n;

	if (!is_name(text(metadata, "name"), NODE_NAME_MAX))
		return "a Node without a name, or with one that Kubernetes doesn't allow";
	n = KUBE_ADD(k->nodes);
	n->name = kube_keep(k, text(metadata, "name"));
	n->created = kube_keep(k, text(metadata, "creationTimestamp"));
	n->dumped = true;
	n->flaw = take_cidrs(n, json_object_get(object, "spec"));
	return NULL;
}

/* ---- pods -------------------------------------------------------------------------------------------------------- */

const char *kube_lease_name(struct kube *k, const char *space, size_t space_size, const char *name, const char *uid)
{
	size_t whole = space_size + 1 + strlen(name), tail = strlen(uid) + 1;

	/* Neither part has a _, so this is unambiguous; nor does a name without its uid have two. */
	if (whole <= LEASE_NAME_MAX)
		return kube_format(k, "%.*s_%s", (int)space_size, space, name);
	return kube_format(k, "%.*s_%.*s_%s", (int)space_size, space, (int)(LEASE_NAME_MAX - tail - space_size - 1), name, uid);
}

static const char *add_address(struct kube_pod *p, const char *s)
{
	uint8_t family;
	u128 addr;

	if (cidr_parse_addr(s, strlen(s), &family, &addr) < 0)
		return "has an address that is none";
	if (p->has[family])
		return "has several addresses of a family";
	p->has[family] = true;
	p->addr[family] = addr;
	return NULL;
}

static void add_addresses(struct kube_pod *p, json_t *status)
{
	json_t *ips = json_object_get(status, "podIPs"), *ip;
	size_t i;

	json_array_foreach(ips, i, ip) {
		if (p->flaw == NULL && *text(ip, "ip") != 0)
			p->flaw = add_address(p, text(ip, "ip"));
	}
	if (json_array_size(ips) == 0 && *text(status, "podIP") != 0)
		p->flaw = add_address(p, text(status, "podIP"));
}

static const char *take_pod(struct kube *k, json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata"), *spec = json_object_get(object, "spec");
	json_t *status = json_object_get(object, "status");
	const char *name = text(metadata, "name"), *space = text(metadata, "namespace"), *uid = text(metadata, "uid");
	const char *phase = text(status, "phase");
	struct kube_pod pod = { 0 }, *p;

	if (!is_name(name, NODE_NAME_MAX) || !is_name(space, SPACE_MAX) || !is_uid(uid))
		return "a Pod without a name, a namespace or a uid that Kubernetes allows";
	add_addresses(&pod, status);
	if (json_is_true(json_object_get(spec, "hostNetwork")))
		k->skipped[SKIP_HOST_NETWORK]++;
	else if (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
		k->skipped[SKIP_TERMINATED]++; /* what it had may be another's by now */
	else if (*text(spec, "nodeName") == 0)
		k->skipped[SKIP_NO_NODE]++;
	else if (pod.flaw == NULL && !pod.has[CIDR_V4] && !pod.has[CIDR_V6])
		k->skipped[SKIP_NO_ADDRESS]++;
	else if (!is_name(text(spec, "nodeName"), NODE_NAME_MAX))
		return "a Pod whose nodeName is none that Kubernetes allows";
	else {
		pod.node = kube_keep(k, text(spec, "nodeName"));
		pod.pod = kube_format(k, "%s/%s", space, name);
		pod.lease = kube_lease_name(k, space, strlen(space), name, uid);
		pod.uid = kube_keep(k, uid);
		pod.created = kube_keep(k, text(metadata, "creationTimestamp"));
		pod.running = strcmp(phase, "Running") == 0;
		p = KUBE_ADD(k->pods);
		*p = pod;
	}
	return NULL;
}

const char *kube_take(void *arg, const char *hint, json_t *object)
{
	struct kube *k = arg;
	json_t *spec = json_object_get(object, "spec");
	const char *kind = text(object, "kind");

	/* What comes from the API server as a PodList has no kinds within. */
	if (*kind == 0)
		kind = hint != NULL                                                           ? hint :
		       json_object_get(spec, "containers") != NULL                            ? "Pod" :
		       json_object_get(json_object_get(object, "status"), "nodeInfo") != NULL ? "Node" :
												"";
	if (strcmp(kind, "Node") == 0)
		return take_node(k, object);
	if (strcmp(kind, "Pod") == 0)
		return take_pod(k, object);
	k->skipped[SKIP_KIND]++;
	return NULL;
}

/* ---- each once --------------------------------------------------------------------------------------------------- */

static int by_node(const void *a, const void *b)
{
	const struct kube_node *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order == 0)
		order = y->dumped - x->dumped; /* what the mount has, last */
	return order != 0 || !x->dumped ? order : strcmp(y->created, x->created);
}

static int by_lease(const void *a, const void *b)
{
	const struct kube_pod *x = a, *y = b;
	int order = strcmp(x->lease, y->lease);

	if (order == 0)
		order = y->running - x->running;
	if (order == 0)
		order = strcmp(y->created, x->created);
	return order != 0 ? order : strcmp(x->uid, y->uid);
}

static bool same_pod(const struct kube_pod *a, const struct kube_pod *b)
{
	return strcmp(a->uid, b->uid) == 0 && strcmp(a->node, b->node) == 0 && memcmp(a->has, b->has, sizeof a->has) == 0 &&
	       a->addr[CIDR_V4] == b->addr[CIDR_V4] && a->addr[CIDR_V6] == b->addr[CIDR_V6];
}

static void sort_nodes(struct kube *k)
{
	size_t kept = 0;

	if (k->nodes.n > 0)
		qsort(k->nodes.list, k->nodes.n, sizeof *k->nodes.list, by_node);
	for (size_t i = 0; i < k->nodes.n; i++) {
		const struct kube_node *n = &k->nodes.list[i];
		struct kube_node *last = kept > 0 ? &k->nodes.list[kept - 1] : NULL;

		if (last == NULL || strcmp(last->name, n->name) != 0)
			k->nodes.list[kept++] = *n;
		else if (n->mounted)
			last->mounted = true;
		else
			k->skipped[SKIP_REPEATED]++; /* the newest stays */
	}
	k->nodes.n = kept;
}

void kube_sort(struct kube *k)
{
	size_t kept = 0;

	sort_nodes(k);
	if (k->pods.n > 0)
		qsort(k->pods.list, k->pods.n, sizeof *k->pods.list, by_lease);
	for (size_t i = 0; i < k->pods.n; i++) {
		const struct kube_pod *p = &k->pods.list[i];
		const struct kube_pod *last = kept > 0 ? &k->pods.list[kept - 1] : NULL;

		if (last == NULL || strcmp(last->lease, p->lease) != 0)
			k->pods.list[kept++] = *p;
		else if (same_pod(last, p))
			k->skipped[SKIP_REPEATED]++;
		else
			kube_conflict(k, kube_format(k, "%s/%s", p->node, p->lease), p->pod, "-", "another pod of this name is newer");
	}
	k->pods.n = kept;
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static int compare_node(const void *key, const void *node)
{
	return strcmp(key, ((const struct kube_node *)node)->name);
}

struct kube_node *kube_find_node(const struct kube *k, const char *name)
{
	return k->nodes.n == 0 ? NULL : bsearch(name, k->nodes.list, k->nodes.n, sizeof *k->nodes.list, compare_node);
}

static int compare_lease(const void *key, const void *pod)
{
	return strcmp(key, ((const struct kube_pod *)pod)->lease);
}

struct kube_pod *kube_find_pod(const struct kube *k, const char *node, const char *lease)
{
	struct kube_pod *p = k->pods.n == 0 ? NULL : bsearch(lease, k->pods.list, k->pods.n, sizeof *k->pods.list, compare_lease);

	return p != NULL && strcmp(p->node, node) == 0 ? p : NULL;
}
