/* What a cluster of the mount has already, learnt from its control files. */
#include "ipamctl/kube/mount.h"

#include "cli/say.h"
#include "ipamctl/kube/arena.h"
#include "ipamctl/kube/claims.h"
#include "ipamctl/kube/parse.h"
#include "ipamctl/mountpoint.h"
#include "ipamctl/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

static int only_cluster(struct kube *k)
{
	DIR *d = opendir(k->mount);
	const struct dirent *entry;
	int found = 0;

	if (d == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", k->mount, strerror(errno));
	while (errno = 0, (entry = readdir(d)) != NULL)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && found++ == 0)
			snprintf(k->cluster_name, sizeof k->cluster_name, "%s", entry->d_name);
	if (errno != 0)
		found = -errno;
	closedir(d);
	if (found < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", k->mount, strerror(-found));
	if (found == 0)
		return cli_fail(CLI_REFUSED, "%s has no cluster yet; --create makes the one that --cluster says", k->mount);
	if (found != 1)
		return cli_fail(CLI_USAGE, "%s has several clusters; say which with --cluster", k->mount);
	k->cluster = k->cluster_name;
	return CLI_DONE;
}

int kube_mount_find(struct kube *k)
{
	char source[4096];
	struct stat st;
	int status = CLI_DONE;

	k->mount = target_mount(k->mount);
	if (!mountpoint_source(k->mount, source))
		return cli_fail(CLI_REFUSED, "%s: not where an ipamfs is mounted; say where with --mount or IPAMFS_MOUNT", k->mount);
	if (k->cluster == NULL)
		status = only_cluster(k);
	if (status != CLI_DONE)
		return status;
	if (*k->cluster == 0 || *k->cluster == '.' || strchr(k->cluster, '/') != NULL)
		return cli_fail(CLI_USAGE, "'%s' is no name for a cluster", k->cluster);
	k->path = kube_format(k, "%s/%s", k->mount, k->cluster);
	k->has_cluster = stat(k->path, &st) == 0;
	if (!k->has_cluster && errno != ENOENT)
		return cli_fail(CLI_REFUSED, "%s: %s", k->path, strerror(errno));
	if (!k->has_cluster && !k->create)
		return cli_fail(CLI_REFUSED, "%s has no cluster '%s'; --create makes it", k->mount, k->cluster);
	return CLI_DONE;
}

/* ---- its files, a line at a time --------------------------------------------------------------------------------- */

static int each_line(struct kube *k, const char *file, void (*fn)(struct kube *k, char *line))
{
	const char *path = kube_format(k, "%s/.ipam/%s", k->path, file);
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int status = CLI_DONE;

	if (f == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	while (getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		fn(k, line);
	}
	if (ferror(f))
		status = cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	free(line);
	fclose(f);
	return status;
}

static void take_pool(struct kube *k, char *line)
{
	size_t n = strcspn(line, " ");
	struct kube_pool pool = { 0 };
	char *text;

	if (asprintf(&text, "%s%s\n", k->cidrs_text == NULL ? "" : k->cidrs_text, line) < 0)
		exit(cli_fail(CLI_REFUSED, "out of memory"));
	free(k->cidrs_text);
	k->cidrs_text = text;
	if (cidr_parse(line, n, &pool.cidr) == 0 && line[n] == ' ') {
		pool.mask = (uint8_t)atoi(line + n + 1);
		*KUBE_ADD(k->pools) = pool;
	}
}

static void take_reserved(struct kube *k, char *line)
{
	struct ipam_reserved reserved = { .services = strchr(line, ' ') != NULL };

	if (cidr_parse_range(line, strcspn(line, " "), &reserved.range) == 0)
		*KUBE_ADD(k->reserved) = reserved;
}

static void take_setting(struct kube *k, char *line)
{
	if (strcmp(line, "gateway none") == 0)
		k->gateway_none = true;
}

/* CIDR NODE USED CAPACITY, and a node's name may have blanks. */
static void take_block(struct kube *k, char *line)
{
	size_t n = strcspn(line, " ");
	struct kube_block block = { 0 };
	struct kube_node *node;

	if (cidr_parse(line, n, &block.cidr) < 0 || line[n] == 0)
		return;
	for (int i = 0; i < 2; i++) {
		char *blank = strrchr(line + n + 1, ' ');

		if (blank == NULL)
			return;
		*blank = 0;
	}
	block.node = kube_keep(k, line + n + 1);
	*KUBE_ADD(k->blocks) = block;
	node = KUBE_ADD(k->nodes);
	node->name = block.node;
	node->created = "";
	node->mounted = true;
}

int kube_mount_read(struct kube *k)
{
	int status = CLI_DONE;

	if (!k->has_cluster)
		return status;
	status = each_line(k, "cidrs", take_pool);
	k->own_pools = k->pools.n;
	if (status == CLI_DONE)
		status = each_line(k, "reserved", take_reserved);
	if (status == CLI_DONE)
		status = each_line(k, "settings", take_setting);
	if (status == CLI_DONE)
		status = each_line(k, "blocks", take_block);
	return status;
}

/* A node may have settled it for itself. */
bool kube_mount_gateway(const struct kube *k, const char *node)
{
	char path[PATH_MAX], line[256];
	bool none = k->gateway_none;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s/.ipam/settings", k->path, node);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (strcmp(line, "gateway none\n") == 0)
			none = true;
		else if (strcmp(line, "gateway first\n") == 0)
			none = false;
	}
	if (f != NULL)
		fclose(f);
	return !none;
}

/* ---- its leases -------------------------------------------------------------------------------------------------- */

static bool parse_addresses(json_t *list, struct kube_pod *out)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *s = json_string_value(item);
		uint8_t family, len;
		u128 addr;

		if (s == NULL || cidr_parse_host(s, strlen(s), &family, &addr, &len) < 0)
			return false;
		out->has[family] = true;
		out->addr[family] = addr;
	}
	return true;
}

static bool same_addresses(const struct kube_pod *a, const struct kube_pod *b)
{
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (a->has[f] != b->has[f] || (a->has[f] && a->addr[f] != b->addr[f]))
			return false;
	return true;
}

/* The pod that this lease says it is of, whatever its own name: the CNI plugin's are called after containers. */
static struct kube_pod *said_pod(struct kube *k, const char *node, json_t *attributes)
{
	const char *pod = json_string_value(json_object_get(attributes, "pod"));
	const char *uid = json_string_value(json_object_get(attributes, "pod-uid")), *slash;

	slash = pod == NULL ? NULL : strchr(pod, '/');
	if (slash == NULL || slash - pod > 63)
		return NULL;
	return kube_find_pod(k, node, kube_lease_name(k, pod, (size_t)(slash - pod), slash + 1, uid == NULL ? "" : uid));
}

static const char *take_lease(void *arg, const char *hint, json_t *object)
{
	struct kube *k = arg;
	const char *node = json_string_value(json_object_get(object, "node"));
	const char *name = json_string_value(json_object_get(object, "name"));
	struct kube_pod lease = { 0 }, *p, *said;

	(void)hint;
	if (node == NULL || name == NULL || !parse_addresses(json_object_get(object, "addresses"), &lease))
		return "no lease as the mount shows them";
	p = kube_find_pod(k, node, name);
	said = said_pod(k, node, json_object_get(object, "attributes"));
	if (p != NULL && same_addresses(p, &lease))
		p->state = KUBE_PRESENT;
	else if (p != NULL && p->flaw == NULL)
		p->flaw = "has a lease of this name with other addresses";
	if (said != NULL && said != p && same_addresses(said, &lease))
		said->state = KUBE_PRESENT;
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		struct cidr key = kube_host(f, lease.addr[f]);
		struct kube_claim *c = lease.has[f] ? kube_find_claim(k->addresses.list, k->addresses.n, &key) : NULL;

		if (c != NULL)
			c->there = kube_format(k, "%s/%s", node, name);
	}
	return NULL;
}

int kube_mount_leases(struct kube *k)
{
	const char *path = kube_format(k, "%s/.ipam/leases.json", k->path);
	struct kube_reader reader = { .name = path };
	int status;

	if (!k->has_cluster)
		return CLI_DONE;
	reader.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (reader.fd < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	status = kube_read_array(&reader, take_lease, k);
	kube_reader_end(&reader);
	close(reader.fd);
	return status;
}
