/* find — whose is an address, where is a name. */
#include "view.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: ipamctl find ADDRESS|BLOCK|NAME [--json] [--cluster NAME] [--mount DIR]\n"
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
	char text[CIDR_TEXT];  /* as it is written everywhere */
	const char *cluster;   /* that is looked at */
	struct view_block in;  /* the block around the address */
	char node[256];
	bool around, reserved;
	json_t *found;         /* an array */
	struct progress progress;
};

static bool matches(const struct find *f, const char *name)
{
	return name != NULL && (strpbrk(f->wanted, "*?[") != NULL ? fnmatch(f->wanted, name, 0) == 0 : strcmp(f->wanted, name) == 0);
}

static const char *text(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
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
	const char *pod = text(attributes, "pod"), *slash = pod == NULL ? NULL : strchr(pod, '/');

	if (f->is_address)
		return has_address(f, lease);
	return matches(f, text(lease, "name")) || matches(f, pod) || (slash != NULL && matches(f, slash + 1)) ||
	       is_container(f, text(attributes, "container-id"));
}

static int take_lease(void *arg, json_t *lease)
{
	struct find *f = arg;

	progress_step(&f->progress);
	if (!is_wanted(f, lease))
		return CTL_DONE;
	json_object_set_new(lease, "kind", json_string("lease"));
	return json_array_append(f->found, lease) == 0 ? CTL_DONE : ctl_fail(CTL_REFUSED, "out of memory");
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
		return CTL_DONE;
	o = json_pack("{s:s,s:o,s:o,s:s,s:f,s:f}", "kind", "block", "cluster", json_text(b->cluster, strlen(b->cluster)), "node",
		      json_text(b->node, strlen(b->node)), "block", b->text, "used", (double)b->used, "total", (double)b->total);
	return json_array_append_new(f->found, o) == 0 ? CTL_DONE : ctl_fail(CTL_REFUSED, "out of memory");
}

static int take_reserved(void *arg, const struct cidr_range *r)
{
	struct find *f = arg;

	f->reserved |= r->family == f->family && f->addr >= r->first && f->addr <= r->last;
	return CTL_DONE;
}

static int take_gateway(void *arg, char *line)
{
	struct find *f = arg;

	if (strcmp(line, f->text) == 0)
		f->wanted = NULL; /* said by show_unleased */
	return CTL_DONE;
}

/* ---- an address that nobody holds -------------------------------------------------------------------------------- */

/* Is it the gateway of the node it lies in? */
static bool is_gateway(struct find *f)
{
	const char *wanted = f->wanted;
	char path[1024];
	bool is;

	snprintf(path, sizeof path, "%s/%s", f->cluster, f->node);
	view_lines(&f->view, path, "gateway", take_gateway, f);
	is = f->wanted == NULL;
	f->wanted = wanted;
	return is;
}

static const char *why_free(struct find *f)
{
	struct cidr_range all = cidr_range_of(&f->in.cidr);

	if (f->reserved)
		return "reserved";
	if (is_gateway(f))
		return "gateway";
	if (f->addr == all.first)
		return f->family == CIDR_V4 ? "network" : "anycast";
	if (f->addr == all.last && f->family == CIDR_V4)
		return "broadcast";
	return "free";
}

static int explain(struct find *f)
{
	const char *state;
	json_t *o;

	f->around = f->reserved = false;
	if (view_blocks(&f->view, f->cluster, take_block, f) != CTL_DONE ||
	    view_reserved(&f->view, f->cluster, take_reserved, f) != CTL_DONE)
		return CTL_REFUSED;
	if (!f->around && !f->reserved)
		return CTL_DONE;
	state = f->around ? why_free(f) : "reserved";
	o = json_pack("{s:s,s:o,s:s,s:s}", "kind", "address", "cluster", json_text(f->cluster, strlen(f->cluster)), "address", f->text,
		      "state", state);
	if (f->around) {
		json_object_set_new(o, "node", json_text(f->node, strlen(f->node)));
		json_object_set_new(o, "block", json_string(f->in.text));
	}
	return json_array_append_new(f->found, o) == 0 ? CTL_DONE : ctl_fail(CTL_REFUSED, "out of memory");
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static int find_nodes(struct find *f)
{
	struct target t = { 0 };
	struct names nodes;
	int status;

	if (asprintf(&t.path, "%s/%s", f->view.mount, f->cluster) < 0)
		return ctl_fail(CTL_REFUSED, "out of memory");
	status = target_names(&t, true, &nodes);
	for (size_t i = 0; status == CTL_DONE && i < nodes.n; i++)
		if (matches(f, nodes.name[i]))
			json_array_append_new(f->found, json_pack("{s:s,s:o,s:o}", "kind", "node", "cluster",
								  json_text(f->cluster, strlen(f->cluster)), "node",
								  json_text(nodes.name[i], strlen(nodes.name[i]))));
	names_free(&nodes);
	free(t.path);
	return status;
}

static int look_into(struct find *f, const char *cluster)
{
	size_t before = json_array_size(f->found);
	int status;

	f->cluster = cluster;
	if (f->is_block)
		return view_blocks(&f->view, cluster, take_block, f);
	status = view_leases(&f->view, cluster, take_lease, f);
	if (status == CTL_DONE && !f->is_address)
		return find_nodes(f);
	if (status == CTL_DONE && json_array_size(f->found) == before)
		status = explain(f);
	return status;
}

/* ---- showing ----------------------------------------------------------------------------------------------------- */

static void print_path(json_t *o)
{
	static const char *const part[] = { "cluster", "node", "name" };

	for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
		const char *s = text(o, part[i]);

		if (s != NULL && i > 0)
			putchar('/');
		if (s != NULL)
			ctl_print(s);
	}
}

static void print_found(json_t *o)
{
	const char *kind = text(o, "kind"), *key, *block = text(o, "block");
	json_t *value;
	size_t i;

	printf("%-7s  ", kind);
	print_path(o);
	json_array_foreach(json_object_get(o, "addresses"), i, value)
		printf("%s%s", i == 0 ? "  " : " ", json_string_value(value));
	if (strcmp(kind, "address") == 0)
		printf("  %s  %s", text(o, "address"), text(o, "state"));
	if (block != NULL)
		printf("  %s%s", strcmp(kind, "address") == 0 ? "in " : "", block);
	if (strcmp(kind, "block") == 0)
		printf("  %.0f of %.0f", json_number_value(json_object_get(o, "used")), json_number_value(json_object_get(o, "total")));
	json_object_foreach(json_object_get(o, "attributes"), key, value) {
		printf("  ");
		ctl_print(key);
		putchar('=');
		ctl_print(json_is_string(value) ? json_string_value(value) : "");
	}
	if (text(o, "created") != NULL)
		printf("  since %s", text(o, "created"));
	putchar('\n');
}

static void show(const struct find *f)
{
	json_t *o;
	size_t i;

	if (f->json) {
		json_dumpf(f->found, stdout, JSON_INDENT(2));
		putchar('\n');
		return;
	}
	json_array_foreach(f->found, i, o)
		print_found(o);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static int parse(struct find *f, int argc, char **argv)
{
	enum { JSON = 1 };
	static const struct option longs[] = {
		{ "json", no_argument, NULL, JSON },
		{ "mount", required_argument, NULL, TARGET_MOUNT },
		{ "cluster", required_argument, NULL, TARGET_CLUSTER },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = ctl_option(argc, argv, longs)) != -1)
		if (c == JSON)
			f->json = true;
		else if (c == TARGET_MOUNT)
			f->view.mount = optarg;
		else if (c == TARGET_CLUSTER)
			f->view.cluster = optarg;
		else
			return CTL_USAGE;
	if (argc - optind != 1 || argv[optind][0] == 0)
		return ctl_fail(CTL_USAGE, "say what to find: an address, a block or a name");
	f->wanted = argv[optind];
	if (cidr_parse_addr(f->wanted, strlen(f->wanted), &f->family, &f->addr) == 0) {
		f->is_address = true;
		cidr_print_addr(f->family, f->addr, f->text);
	} else if (cidr_parse(f->wanted, strlen(f->wanted), &f->cidr) == 0) {
		f->is_block = true;
	}
	return CTL_DONE;
}

static int run(int argc, char **argv)
{
	struct find f = { .found = json_array() };
	int status = parse(&f, argc, argv);

	if (status == CTL_DONE)
		status = view_open(&f.view);
	progress_begin(&f.progress, "leases", 0, true);
	for (size_t i = 0; status == CTL_DONE && i < f.view.clusters.n; i++)
		status = look_into(&f, f.view.clusters.name[i]);
	progress_end(&f.progress);
	if (status == CTL_DONE)
		show(&f);
	if (status == CTL_DONE && json_array_size(f.found) == 0)
		status = f.json ? CTL_REFUSED : ctl_fail(CTL_REFUSED, "'%s' is not found", f.wanted);
	json_decref(f.found);
	view_close(&f.view);
	return status;
}

const struct command command_find = { "find", run, "whose is an address, where is a name", usage };
