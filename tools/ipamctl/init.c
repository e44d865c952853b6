#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "ipam.h"
#include "view.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: ipamctl init DB --cluster NAME --cluster-cidr CIDR[,CIDR...]\n"
			    "           [--node-cidr-mask-size-ipv4 N] [--node-cidr-mask-size-ipv6 N]\n"
			    "           [--service-cluster-ip-range CIDR[,CIDR...]] [--json]\n"
			    "\n"
			    "Makes a cluster in a database, and the database if there is none, in\n"
			    "kube-controller-manager's words. Nodes get blocks of /24 and /64 unless the\n"
			    "masks say otherwise. The service range is reserved: no pod gets an address of it.\n"
			    "\n"
			    "  --json   what was made, as JSON\n"
			    "\n"
			    "Exit status: 0 done, 1 refused, 2 usage.\n";

struct init {
	const char *db, *cluster;
	char *cidrs, *reserved; /* as the control files have them, a line each */
	unsigned mask[CIDR_FAMILIES];
	bool json;
};

/* ---- arguments -------------------------------------------------------------------------------------------- */

static bool take_mask(const char *value, void *to)
{
	char *end;
	unsigned long mask = strtoul(value, &end, 10);

	*(unsigned *)to = (unsigned)mask;
	return *value >= '0' && *value <= '9' && *end == 0 && mask <= 128;
}

static int add_line(char **text, const char *line)
{
	char *joined = NULL;

	if (asprintf(&joined, "%s%s\n", *text != NULL ? *text : "", line) < 0)
		return -ENOMEM;
	free(*text);
	*text = joined;
	return 0;
}

static int no_cidr(const char *word)
{
	uint8_t family, len;
	u128 addr;

	if (cidr_parse_host(word, strlen(word), &family, &addr, &len) == 0 && strchr(word, '/') != NULL) {
		struct cidr around = { .base = addr & cidr_mask(family, len), .family = family, .len = len };
		char text[CIDR_TEXT];

		cidr_print(&around, text);
		return cli_fail(CLI_USAGE, "'%s' has bits set behind its length, so it is no CIDR; did you mean '%s'?", word, text);
	}
	return cli_fail(CLI_USAGE, "'%s' is no CIDR: ADDRESS/LENGTH", word);
}

/* A comma list of CIDRs into lines; with a mask for each if `masks`. */
static int add_cidrs(struct init *in, const char *list, bool masks, char **out)
{
	char *copy = strdup(list), *rest = copy, *word;
	int status = CLI_DONE;

	while (status == CLI_DONE && (word = strsep(&rest, ",")) != NULL) {
		char line[CIDR_TEXT + 16], text[CIDR_TEXT];
		struct cidr c;

		if (cidr_parse(word, strlen(word), &c) < 0) {
			status = no_cidr(word);
			break;
		}
		cidr_print(&c, text);
		if (masks && (in->mask[c.family] < c.len || in->mask[c.family] > cidr_bits(c.family) - 2))
			status = cli_fail(CLI_USAGE, "node mask /%u doesn't suit '%s': it lies between /%u and /%u", in->mask[c.family],
					  text, c.len, cidr_bits(c.family) - 2);
		if (masks)
			snprintf(line, sizeof line, "%s %u", text, in->mask[c.family]);
		else
			snprintf(line, sizeof line, "%s services", text);
		if (status == CLI_DONE && add_line(out, line) < 0)
			status = cli_fail(CLI_REFUSED, "out of memory");
	}
	free(copy);
	return status;
}

static int parse(struct init *in, int argc, char **argv)
{
	static const char no_mask[] = "'%s' is no mask size";
	const char *cidrs = NULL, *service = NULL;
	unsigned mask = 0; /* for clusters of one family, as there */
	bool mask_said = false;
	const struct cli_option options[] = {
		{ "cluster", .text = &in->cluster },
		{ "cluster-cidr", .text = &cidrs },
		{ "node-cidr-mask-size-ipv4", .take = take_mask, .to = &in->mask[CIDR_V4], .wrong = no_mask },
		{ "node-cidr-mask-size-ipv6", .take = take_mask, .to = &in->mask[CIDR_V6], .wrong = no_mask },
		{ "node-cidr-mask-size", .flag = &mask_said, .take = take_mask, .to = &mask, .wrong = no_mask },
		{ "service-cluster-ip-range", .text = &service },
		{ "json", .flag = &in->json },
		{ 0 },
	};
	int status;

	*in = (struct init){ .mask = { 24, 64 } };
	status = cli_options(&argc, argv, options);
	if (status != CLI_DONE)
		return status;
	if (mask_said)
		in->mask[cidrs != NULL && strchr(cidrs, ':') != NULL ? CIDR_V6 : CIDR_V4] = mask;
	if (argc > 2)
		return cli_fail(CLI_USAGE, "what is '%s'? One database at a time; 'ipamctl help init' tells more", argv[2]);
	if (argc != 2 || in->cluster == NULL || cidrs == NULL)
		return cli_fail(CLI_USAGE, "%s is missing; 'ipamctl help init' tells more",
				argc != 2           ? "the database's name" :
				in->cluster == NULL ? "--cluster NAME" :
						      "--cluster-cidr CIDR[,CIDR...]");
	in->db = argv[1];
	if (ipam_check_name(IPAM_CLUSTER, in->cluster) < 0)
		return cli_fail(CLI_USAGE, "'%s' can't name a cluster: 1 to %d bytes, no control bytes, no leading dot", in->cluster,
				IPAM_NAME_MAX);
	status = add_cidrs(in, cidrs, true, &in->cidrs);
	if (status == CLI_DONE && service != NULL)
		status = add_cidrs(in, service, false, &in->reserved);
	return status;
}

/* ---- the work --------------------------------------------------------------------------------------------- */

static int put(struct ipam *ipam, enum ipam_text what, uint64_t id, const char *text)
{
	struct ipam_wait *w = ipam_wait_new();

	if (w == NULL)
		return -ENOMEM;
	ipam_write(ipam, what, id, text, strlen(text), false, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static int make_cluster(struct ipam *ipam, const char *name, uint64_t *id)
{
	struct ipam_owner owner = { geteuid(), getegid(), 0755 };
	struct ipam_wait *w = ipam_wait_new();
	struct ipam_object object;
	int rc;

	if (w == NULL)
		return -ENOMEM;
	ipam_make(ipam, IPAM_CLUSTER, IPAM_ROOT_ID, name, IPAM_EXCLUSIVE, &owner, ipam_by_self(), ipam_wait_done, w);
	rc = ipam_wait(w, &object);
	*id = object.id;
	return rc;
}

static void remove_cluster(struct ipam *ipam, const char *name)
{
	struct ipam_wait *w = ipam_wait_new();

	if (w == NULL)
		return;
	ipam_remove(ipam, IPAM_CLUSTER, IPAM_ROOT_ID, name, ipam_by_self(), ipam_wait_done, w);
	ipam_wait(w, NULL);
}

static void summary(struct ipam *ipam, const struct init *in, uint64_t cluster)
{
	struct ipam_cidr_view v;

	cli_say(stdout, "%s: cluster %s\n", in->db, in->cluster);
	ipam_read_begin(ipam);
	for (size_t i = 0; ipam_view_cidr(ipam, cluster, i, &v) == 0; i++) {
		unsigned bits = cidr_bits(v.cidr.family) - v.node_mask;
		char text[CIDR_TEXT];

		cidr_print(&v.cidr, text);
		printf("  %s: ", text);
		if (v.blocks <= UINT64_MAX)
			printf("%llu node%s", CLI_COUNT((uint64_t)v.blocks));
		else
			printf("2^%d nodes", v.node_mask - v.cidr.len);
		if (bits < 32)
			printf(" with a /%u, %llu leases each\n", v.node_mask,
			       (unsigned long long)(((uint64_t)1 << bits) - (v.cidr.family == CIDR_V4 ? 3 : 2)));
		else
			printf(" with a /%u, 2^%u addresses each\n", v.node_mask, bits);
	}
	ipam_read_end(ipam);
}

static void summary_json(struct ipam *ipam, const struct init *in, uint64_t cluster)
{
	json_t *cidrs = json_array(), *o;
	struct ipam_cidr_view v;

	ipam_read_begin(ipam);
	for (size_t i = 0; ipam_view_cidr(ipam, cluster, i, &v) == 0; i++) {
		char text[CIDR_TEXT];

		cidr_print(&v.cidr, text);
		json_array_append_new(cidrs, json_pack("{s:s,s:i,s:o}", "cidr", text, "nodeMask", (int)v.node_mask, "nodes",
						       view_number((long double)v.blocks)));
	}
	ipam_read_end(ipam);
	o = json_pack("{s:o,s:o,s:o}", "database", json_text(in->db, strlen(in->db)), "cluster",
		      json_text(in->cluster, strlen(in->cluster)), "cidrs", cidrs);
	json_dumpf(o, stdout, JSON_ENSURE_ASCII | JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static int init_cluster(struct ipam *ipam, const struct init *in)
{
	uint64_t cluster;
	int rc = make_cluster(ipam, in->cluster, &cluster);

	if (rc == -EEXIST)
		return cli_fail(CLI_REFUSED, "%s has a cluster '%s' already; mount it, or choose another name", in->db, in->cluster);
	if (rc < 0)
		return cli_fail(CLI_REFUSED, "making cluster '%s': %s", in->cluster, strerror(-rc));
	rc = put(ipam, IPAM_CLUSTER_CIDRS, cluster, in->cidrs);
	if (rc < 0)
		cli_fail(CLI_REFUSED, "--cluster-cidr: %s", rc == -EEXIST ? "two of them overlap" : strerror(-rc));
	if (rc == 0 && in->reserved != NULL && (rc = put(ipam, IPAM_CLUSTER_RESERVED, cluster, in->reserved)) < 0)
		cli_fail(CLI_REFUSED, "--service-cluster-ip-range: %s", strerror(-rc));
	if (rc < 0) {
		remove_cluster(ipam, in->cluster);
		return CLI_REFUSED;
	}
	(in->json ? summary_json : summary)(ipam, in, cluster);
	return CLI_DONE;
}

static void remove_db(const char *path)
{
	static const char *const suffix[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++) {
		char *name = NULL;

		if (asprintf(&name, "%s%s", path, suffix[i]) >= 0)
			unlink(name);
		free(name);
	}
}

static int run(int argc, char **argv)
{
	struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_FULL, .create = true };
	struct ipam *ipam = NULL;
	struct ipam_error error;
	struct stat st;
	struct init in;
	bool fresh;
	int status = parse(&in, argc, argv);

	if (status == CLI_DONE) {
		fresh = stat(in.db, &st) < 0 && errno == ENOENT;
		if (ipam_open(in.db, &options, &ipam, &error) < 0)
			status = cli_fail(CLI_REFUSED, "%s", error.text);
		else
			status = init_cluster(ipam, &in);
		ipam_close(ipam);
		if (status != CLI_DONE && fresh)
			remove_db(in.db);
	}
	free(in.cidrs);
	free(in.reserved);
	return status;
}

const struct command command_init = { "init", run, "make a cluster in a database", usage, true };
