/* find — whose is an address, where is a name. */
#include "base/cidr.h"
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "find_rows.h"
#include "find_show.h"
#include "mountpoint.h"
#include "target.h"
#include "view.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "usage: ipamctl find ADDRESS|BLOCK|NAME [--json] [--cluster NAME] [--node NAME] [--mount DIR]\n"
			    "\n"
			    "Of an address: the lease that holds it, or whose block it lies in and why nobody has it.\n"
			    "Of a block (10.244.0.0/24): the node that owns it, or the blocks in it or around it.\n"
			    "Of anything else: the leases and nodes of that name, the pods (NAME or NAMESPACE/NAME) and\n"
			    "the containers whose id begins so. With * ? [ in it, all that match.\n"
			    "\n"
			    "  --json   an array of objects\n"
			    "\n"
			    "Exit status: 0 found, 1 not found, or refused, 2 usage.\n";

struct find {
	struct view view;
	const char *wanted;
	bool json, is_address, is_block;
	uint8_t family;
	u128 addr;
	struct cidr cidr;
	char text[CIDR_TEXT]; /* as it is written everywhere */
	const char *cluster;  /* that is looked at */
	struct view_block in; /* the block around the address */
	char node[256];
	bool around, reserved, is_gateway;
	bool in_cluster; /* in a CIDR of it, delegated or not */
	json_t *found;   /* an array */
	struct progress progress;
};

static bool matches(const struct find *f, const char *name)
{
	return name != NULL && (strpbrk(f->wanted, "*?[") != NULL ? fnmatch(f->wanted, name, 0) == 0 : strcmp(f->wanted, name) == 0);
}

/* ---- leases ------------------------------------------------------------------------------------------------------ */

static bool has_address(const struct find *f, json_t *lease)
{
	size_t n = strlen(f->text), i;
	json_t *a;

	json_array_foreach(json_object_get(lease, "addresses"), i, a) {
		const char *s = json_string_value(a);

		if (s != NULL && strncmp(s, f->text, n) == 0 && s[n] == '/')
			return true;
	}
	return false;
}

/* Containers' ids are long, and known by their beginnings. */
static bool is_container(const struct find *f, const char *id)
{
	enum { ENOUGH = 6 };

	return id != NULL && strlen(f->wanted) >= ENOUGH && strncmp(id, f->wanted, strlen(f->wanted)) == 0;
}

static bool is_wanted(const struct find *f, json_t *lease)
{
	json_t *attributes = json_object_get(lease, "attributes");
	const char *pod = find_text(attributes, "pod"), *slash = pod == NULL ? NULL : strchr(pod, '/');

	if (f->is_address)
		return has_address(f, lease);
	return matches(f, find_text(lease, "name")) || matches(f, pod) || (slash != NULL && matches(f, slash + 1)) ||
	       is_container(f, find_text(attributes, "container-id"));
}

static int take_lease(void *arg, json_t *lease, bool lossy)
{
	struct find *f = arg;

	(void)lossy;
	if (!is_wanted(f, lease))
		return CLI_DONE;
	json_object_set_new(lease, "kind", json_string("lease"));
	return json_array_append(f->found, lease) == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "out of memory");
}

/* A part of the line that leases.json must have for it, where that is the same in JSON: most lines needn't be parsed. */
static const char *hint_of(const struct find *f)
{
	for (const unsigned char *p = (const unsigned char *)f->wanted; *p != 0; p++)
		if (*p >= 0x7f || *p < 0x20 || strchr("\"\\*?[", *p) != NULL)
			return NULL;
	return f->wanted;
}

/* The one lease that by-ip points to: "../../NODE/NAME", of whose node the leases are read. */
static int find_address(struct find *f)
{
	char link[PATH_MAX], path[PATH_MAX], *name;
	ssize_t n;

	snprintf(path, sizeof path, "%s/%s/.ipam/by-ip/%s", f->view.mount, f->cluster, f->text);
	n = readlink(path, link, sizeof link - 1);
	if (n < 0)
		return errno == ENOENT ? CLI_DONE : cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	link[n] = 0;
	name = strrchr(link, '/');
	if (strncmp(link, "../../", 6) != 0 || name < link + 6)
		return cli_fail(CLI_REFUSED, "%s: a link that isn't understood", path);
	*name = 0;
	if (f->view.node != NULL && strcmp(f->view.node, link + 6) != 0)
		return CLI_DONE;
	snprintf(path, sizeof path, "%s/%s", f->cluster, link + 6);
	return view_leases(&f->view, path, f->text, take_lease, f);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static int take_block(void *arg, const struct view_block *b)
{
	struct find *f = arg;
	json_t *o;

	if (f->is_address && cidr_has(&b->cidr, f->family, f->addr)) {
		f->around = true;
		f->in = *b;
		snprintf(f->node, sizeof f->node, "%s", b->node);
	}
	if (!f->is_block || !cidr_overlap(&b->cidr, &f->cidr))
		return CLI_DONE;
	o = json_pack("{s:s,s:o,s:o,s:s,s:o,s:o}", "kind", "block", "cluster", json_text(b->cluster, strlen(b->cluster)), "node",
		      json_text(b->node, strlen(b->node)), "block", b->text, "used", view_number(b->used), "total", view_number(b->total));
	return json_array_append_new(f->found, o) == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "out of memory");
}

static int take_reserved(void *arg, const struct cidr_range *r)
{
	struct find *f = arg;

	f->reserved |= r->family == f->family && f->addr >= r->first && f->addr <= r->last;
	return CLI_DONE;
}

static int take_cidr(void *arg, char *line)
{
	struct find *f = arg;
	struct cidr c;

	f->in_cluster |= cidr_parse(line, strcspn(line, " "), &c) == 0 && cidr_has(&c, f->family, f->addr);
	return CLI_DONE;
}

static int take_gateway(void *arg, char *line)
{
	struct find *f = arg;

	f->is_gateway |= strcmp(line, f->text) == 0;
	return CLI_DONE;
}

/* ---- an address that nobody holds -------------------------------------------------------------------------------- */

static const char *why_free(struct find *f)
{
	struct cidr_range all = cidr_range_of(&f->in.cidr);

	if (f->reserved)
		return "reserved";
	if (f->is_gateway)
		return "gateway";
	if (f->addr == all.first)
		return f->family == CIDR_V4 ? "network" : "anycast";
	if (f->addr == all.last && f->family == CIDR_V4)
		return "broadcast";
	return "free";
}

static int explain(struct find *f)
{
	char node[PATH_MAX];
	const char *state;
	json_t *o;

	f->around = f->reserved = f->is_gateway = f->in_cluster = false;
	if (view_lines(&f->view, f->cluster, "cidrs", take_cidr, f) != CLI_DONE ||
	    view_blocks(&f->view, f->cluster, take_block, f) != CLI_DONE ||
	    view_reserved(&f->view, f->cluster, take_reserved, f) != CLI_DONE)
		return CLI_REFUSED;
	if (!f->around && (f->view.node != NULL || (!f->reserved && !f->in_cluster)))
		return CLI_DONE;
	snprintf(node, sizeof node, "%s/%s", f->cluster, f->node);
	if (f->around && view_lines(&f->view, node, "gateway", take_gateway, f) != CLI_DONE)
		return CLI_REFUSED;
	state = f->around ? why_free(f) : f->reserved ? "reserved" : "undelegated";
	o = json_pack("{s:s,s:o,s:s,s:s}", "kind", "address", "cluster", json_text(f->cluster, strlen(f->cluster)), "address", f->text,
		      "state", state);
	if (f->around) {
		json_object_set_new(o, "node", json_text(f->node, strlen(f->node)));
		json_object_set_new(o, "block", json_string(f->in.text));
	}
	return json_array_append_new(f->found, o) == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "out of memory");
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static int find_nodes(struct find *f)
{
	struct names nodes = { 0 };
	int status = view_names(&f->view, f->cluster, true, &nodes);

	for (size_t i = 0; status == CLI_DONE && i < nodes.n; i++)
		if (matches(f, nodes.name[i]) && (f->view.node == NULL || strcmp(f->view.node, nodes.name[i]) == 0))
			json_array_append_new(f->found, json_pack("{s:s,s:o,s:o}", "kind", "node", "cluster",
								  json_text(f->cluster, strlen(f->cluster)), "node",
								  json_text(nodes.name[i], strlen(nodes.name[i]))));
	names_free(&nodes);
	return status;
}

static int take_health(void *arg, char *line)
{
	bool *ok = arg;

	*ok |= strcmp(line, "ok") == 0;
	return CLI_DONE;
}

/* Attributes are stored some milliseconds after they are set, where the mount can store. */
static bool is_stored(struct find *f)
{
	enum { PAUSE = 100000000 };
	bool ok = false;

	nanosleep(&(struct timespec){ .tv_nsec = PAUSE }, NULL);
	return view_lines(&f->view, ".", "health", take_health, &ok) == CLI_DONE && ok;
}

/* Of a mount whose database can be read here and has all leases, only the nodes that may have it are asked. False: it is none. */
static bool find_by_rows(struct find *f, int *status)
{
	struct names nodes = { 0 };
	char source[4096], below[PATH_MAX];
	bool known = hint_of(f) != NULL && mountpoint_source(f->view.mount, source) && source[0] == '/' &&
		     find_rows(source, f->cluster, f->view.node, f->wanted, &nodes);

	if (known && nodes.n == 0)
		known = is_stored(f) && find_rows(source, f->cluster, f->view.node, f->wanted, &nodes);
	for (size_t i = 0; known && *status == CLI_DONE && i < nodes.n; i++) {
		snprintf(below, sizeof below, "%s/%s", f->cluster, nodes.name[i]);
		*status = view_leases(&f->view, below, hint_of(f), take_lease, f);
	}
	names_free(&nodes);
	return known;
}

static int find_name(struct find *f)
{
	char below[PATH_MAX];
	int status = CLI_DONE;

	if (find_by_rows(f, &status))
		return status == CLI_DONE ? find_nodes(f) : status;
	snprintf(below, sizeof below, "%s%s%s", f->cluster, f->view.node != NULL ? "/" : "", f->view.node != NULL ? f->view.node : "");
	status = view_leases(&f->view, below, hint_of(f), take_lease, f);
	return status == CLI_DONE ? find_nodes(f) : status;
}

static int look_into(struct find *f, const char *cluster)
{
	size_t before = json_array_size(f->found);
	int status;

	f->cluster = cluster;
	if (f->is_block)
		return view_blocks(&f->view, cluster, take_block, f);
	if (!f->is_address)
		return find_name(f);
	status = find_address(f);
	if (status == CLI_DONE && json_array_size(f->found) == before)
		status = explain(f);
	return status;
}

/* ---- what is asked for, and what to say where there is nothing ---------------------------------------------------- */

/* ADDRESS/LENGTH is what a lease's file has: with host bits it is an address, without them a block. */
static void classify(struct find *f, size_t n)
{
	uint8_t len;

	if (cidr_parse(f->wanted, n, &f->cidr) == 0 && memchr(f->wanted, '/', n) != NULL) {
		f->is_block = true;
	} else if (cidr_parse_host(f->wanted, n, &f->family, &f->addr, &len) == 0) {
		f->is_address = true;
		cidr_print_addr(f->family, f->addr, f->text);
	}
}

/* Written like an address or a block of either family, though it is none: 10.244.0.300, 10.244.0.0/33. Leases may be named so. */
static bool looks_like_an_address(const char *s)
{
	size_t head = strcspn(s, "/"), tail = s[head] == '/' ? strlen(s + head + 1) : 1;
	bool v4 = strspn(s, "0123456789.") == head && memchr(s, '.', head) != NULL;
	bool v6 = strspn(s, "0123456789abcdefABCDEF:.") == head && memchr(s, ':', head) != NULL;

	return (v4 || v6) && tail > 0 && (s[head] == 0 || strspn(s + head + 1, "0123456789") == tail);
}

static int not_found(const struct find *f)
{
	const char *where = f->view.node != NULL ? "that node" : f->view.cluster != NULL ? "that cluster" : "any cluster";

	if (f->is_address)
		return cli_fail(CLI_REFUSED, "%s is not in a CIDR of %s", f->text, where);
	if (f->is_block)
		return cli_fail(CLI_REFUSED, "no block of %s lies in or around '%s'", where, f->wanted);
	if (looks_like_an_address(f->wanted))
		return cli_fail(CLI_REFUSED, "'%s' is no address and no block, and no lease or node has it as a name", f->wanted);
	return cli_fail(CLI_REFUSED, "no lease, node, pod or container of %s is called '%s'", where, f->wanted);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static int parse(struct find *f, int argc, char **argv)
{
	const struct cli_option options[] = {
		{ "json", .flag = &f->json },
		TARGET_OPTIONS(&f->view),
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (argc != 2 || argv[1][0] == 0)
		return cli_fail(CLI_USAGE, "say what to find: an address, a block or a name");
	f->wanted = argv[1];
	classify(f, strlen(f->wanted));
	return CLI_DONE;
}

static int run(int argc, char **argv)
{
	struct find f = { .found = json_array() };
	int status = parse(&f, argc, argv);

	if (status == CLI_DONE)
		status = view_open(&f.view);
	if (status == CLI_DONE && !f.is_address && !f.is_block) {
		progress_begin(&f.progress, "leases", view_count(&f.view), true);
		f.view.progress = &f.progress;
	}
	for (size_t i = 0; status == CLI_DONE && i < f.view.clusters.n; i++)
		status = look_into(&f, f.view.clusters.name[i]);
	progress_end(&f.progress);
	if (status == CLI_DONE)
		find_show(f.found, f.json);
	if (status == CLI_DONE && json_array_size(f.found) == 0)
		status = f.json ? CLI_REFUSED : not_found(&f);
	json_decref(f.found);
	view_close(&f.view);
	return status;
}

const struct command command_find = { "find", run, "whose is an address, where is a name", usage, false };
