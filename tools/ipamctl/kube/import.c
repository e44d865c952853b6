/* import --kubernetes — adopt the nodes' podCIDRs and the pods' addresses of a Kubernetes cluster. */
#include "ipamctl/kube/import.h"

#include "cli/options.h"
#include "cli/say.h"
#include "ipamctl/kube/arena.h"
#include "ipamctl/kube/claims.h"
#include "ipamctl/kube/cover.h"
#include "ipamctl/kube/mount.h"
#include "ipamctl/kube/parse.h"
#include "ipamctl/kube/plan.h"
#include "ipamctl/kube/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LISTED = 20, HINTED = 20 };

static const struct {
	const char *key, *text;
} skip_words[SKIPS] = {
	[SKIP_HOST_NETWORK] = { "hostNetwork", "pods in the host's network" },
	[SKIP_TERMINATED] = { "terminated", "terminated pods" },
	[SKIP_NO_NODE] = { "unscheduled", "pods without a node" },
	[SKIP_NO_ADDRESS] = { "noAddress", "pods without an address" },
	[SKIP_NO_CIDR] = { "noPodCIDR", "nodes without a podCIDR" },
	[SKIP_REPEATED] = { "repeated", "objects that were listed before" },
	[SKIP_KIND] = { "otherKinds", "objects of other kinds" },
};

/* ---- what is said ------------------------------------------------------------------------------------------------ */

struct counts {
	size_t nodes, nodes_present, leases, addresses, present;
};

static struct counts count(const struct kube *k)
{
	struct counts c = { 0 };

	for (size_t i = 0; i < k->nodes.n; i++) {
		c.nodes += k->nodes.list[i].state == KUBE_NEW;
		c.nodes_present += k->nodes.list[i].dumped && k->nodes.list[i].state == KUBE_PRESENT;
	}
	for (size_t i = 0; i < k->pods.n; i++) {
		const struct kube_pod *p = &k->pods.list[i];

		c.present += p->state == KUBE_PRESENT;
		c.leases += p->state == KUBE_NEW;
		c.addresses += p->state == KUBE_NEW ? p->has[CIDR_V4] + p->has[CIDR_V6] : 0;
	}
	return c;
}

static bool is_refused(const struct kube *k)
{
	return k->strict && k->conflicts.n > 0;
}

static json_t *hint_json(const struct kube *k)
{
	json_t *list = json_array();
	char cidr[CIDR_TEXT];

	for (size_t i = 0; i < k->hint.n; i++) {
		cidr_print(&k->hint.list[i].cidr, cidr);
		json_array_append_new(list, json_sprintf("%s %u", cidr, k->hint.list[i].mask));
	}
	return list;
}

static void tell_json(const struct kube *k)
{
	struct counts c = count(k);
	bool none = is_refused(k) || k->dry_run;
	json_t *skipped = json_object(), *conflicts = json_array(), *o;

	for (int i = 0; i < SKIPS; i++)
		json_object_set_new(skipped, skip_words[i].key, json_integer((json_int_t)k->skipped[i]));
	for (size_t i = 0; i < k->conflicts.n; i++) {
		const struct kube_conflict *f = &k->conflicts.list[i];

		json_array_append_new(conflicts,
				      json_pack("{s:s,s:s?,s:s,s:s}", "name", f->who, "pod", f->pod, "address", f->address, "why", f->why));
	}
	o = json_pack("{s:I,s:I,s:I,s:{s:I,s:I},s:b,s:f,s:o,s:o,s:o}", "imported", (json_int_t)(none ? 0 : c.leases), "addresses",
		      (json_int_t)(none ? 0 : c.addresses), "present", (json_int_t)c.present, "nodes", "imported",
		      (json_int_t)(none ? 0 : c.nodes), "present", (json_int_t)c.nodes_present, "dryRun", k->dry_run, "seconds", k->seconds,
		      "skipped", skipped, k->create ? "created" : "missing", hint_json(k), "conflicts", conflicts);
	json_dumpf(o, stdout, JSON_ENSURE_ASCII | JSON_INDENT(2) | JSON_REAL_PRECISION(4));
	putchar('\n');
	json_decref(o);
}

static void tell_hint(const struct kube *k, FILE *to)
{
	char cidr[CIDR_TEXT];

	for (size_t i = 0; i < k->hint.n && i < HINTED; i++) {
		cidr_print(&k->hint.list[i].cidr, cidr);
		cli_say(to, "  echo '%s %u' >> %s/.ipam/cidrs\n", cidr, k->hint.list[i].mask, k->path);
	}
	if (k->hint.n > HINTED)
		fprintf(to, "  and %zu more\n", k->hint.n - HINTED);
}

static void tell_conflicts(const struct kube *k)
{
	size_t nodes = 0;

	for (size_t i = 0; i < k->conflicts.n; i++) {
		const struct kube_conflict *c = &k->conflicts.list[i];

		nodes += c->pod == NULL;
		if (k->verbose || i < LISTED)
			cli_say(stderr, "  %s %s: %s\n", c->address, c->who, c->why);
	}
	if (!k->verbose && k->conflicts.n > LISTED)
		fprintf(stderr, "  and %zu more (--verbose lists them)\n", k->conflicts.n - LISTED);
	cli_fail(CLI_REFUSED, "%s %zu nodes and %zu pods in conflict", k->strict ? "nothing was imported:" : "left out:", nodes,
		 k->conflicts.n - nodes);
	if (k->hint.n > 0 && !k->create) {
		fputs("Some podCIDRs are no blocks of the cluster's CIDRs. These would hold them; --create adds them:\n", stderr);
		tell_hint(k, stderr);
	}
}

static void tell_text(const struct kube *k)
{
	struct counts c = count(k);

	for (int i = 0; i < SKIPS && !k->quiet; i++)
		if (k->skipped[i] > 0)
			printf("skipped %zu %s\n", k->skipped[i], skip_words[i].text);
	if (k->create && !k->quiet && (k->stored || (k->dry_run && !is_refused(k))))
		for (size_t i = 0; i < k->hint.n; i++) {
			char cidr[CIDR_TEXT];

			cidr_print(&k->hint.list[i].cidr, cidr);
			printf("%s %s %u\n", k->dry_run ? "would add the CIDR" : "added the CIDR", cidr, k->hint.list[i].mask);
		}
	fflush(stdout);
	if (k->conflicts.n > 0)
		tell_conflicts(k);
	if (!k->quiet && !is_refused(k))
		cli_say(stdout,
			"%s: %s %zu nodes and %zu leases with %zu addresses in %.1f s; %zu nodes and %zu leases were "
			"there already\n",
			k->cluster, k->dry_run ? "would import" : "imported", c.nodes, c.leases, c.addresses, k->seconds, c.nodes_present,
			c.present);
}

/* ---- the steps in their order ------------------------------------------------------------------------------------ */

static int read_dump(struct kube *k)
{
	bool standard_input = strcmp(k->from, "-") == 0;
	struct kube_reader reader = { .name = standard_input ? "standard input" : k->from };
	struct progress progress;
	struct stat st;
	int status;

	reader.fd = standard_input ? dup(STDIN_FILENO) : open(k->from, O_RDONLY | O_CLOEXEC);
	if (reader.fd < 0 || fstat(reader.fd, &st) < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", k->from, strerror(errno));
	progress_begin(&progress, "KiB", S_ISREG(st.st_mode) ? (uint64_t)st.st_size / 1024 : 0, !k->quiet && !k->json);
	reader.progress = &progress;
	reader.wanted = kube_wanted;
	status = kube_read_lists(&reader, kube_take, k);
	progress_end(&progress);
	kube_reader_end(&reader);
	close(reader.fd);
	return status;
}

/* Before anything is planned: without CIDRs everything would be a conflict. With --create they are taken for there. */
static int provide_cidrs(struct kube *k)
{
	kube_cover(k);
	if (k->create) {
		for (size_t i = 0; i < k->hint.n; i++)
			*KUBE_ADD(k->pools) = k->hint.list[i];
	} else if (k->own_pools == 0 && k->hint.n > 0) {
		cli_fail(CLI_REFUSED,
			 "cluster '%s' has no CIDRs yet. These would hold the nodes' podCIDRs; write them, or larger ones, "
			 "or say --create:",
			 k->cluster);
		tell_hint(k, stderr);
		return CLI_REFUSED;
	}
	return CLI_DONE;
}

static void claim_addresses(struct kube *k)
{
	for (size_t i = 0; i < k->pods.n; i++)
		for (unsigned f = 0; f < CIDR_FAMILIES; f++)
			if (k->pods.list[i].has[f])
				KUBE_ADD(k->addresses)->key = kube_host(f, k->pods.list[i].addr[f]);
	k->addresses.n = kube_sort_claims(k->addresses.list, k->addresses.n);
}

static int import(struct kube *k)
{
	int status = kube_mount_find(k);

	if (status == CLI_DONE)
		status = read_dump(k);
	if (status == CLI_DONE)
		status = kube_mount_read(k);
	if (status != CLI_DONE)
		return status;
	if (k->nodes.n == 0 && k->pods.n == 0 && k->conflicts.n == 0)
		return cli_fail(CLI_REFUSED,
				"%s has neither Nodes with podCIDRs nor pods with addresses of their own; nothing was imported",
				strcmp(k->from, "-") == 0 ? "standard input" : k->from);
	kube_sort(k);
	status = provide_cidrs(k);
	if (status != CLI_DONE)
		return status;
	claim_addresses(k);
	status = kube_mount_leases(k);
	if (status != CLI_DONE)
		return status;
	kube_plan_nodes(k);
	kube_plan_pods(k);
	return is_refused(k) || k->dry_run ? CLI_DONE : kube_store(k);
}

static int parse(struct kube *k, int argc, char **argv)
{
	const struct cli_option options[] = {
		{ "kubernetes", .text = &k->from }, { "dry-run", .flag = &k->dry_run },
		{ "strict", .flag = &k->strict },   { "create", .flag = &k->create },
		{ "json", .flag = &k->json },       { "quiet", .flag = &k->quiet },
		{ "verbose", .flag = &k->verbose }, { "mount", .text = &k->mount },
		{ "cluster", .text = &k->cluster }, { 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (k->from == NULL)
		return cli_fail(CLI_USAGE, "say what to import: --kubernetes FILE, or - for standard input");
	if (argc != 1)
		return cli_fail(CLI_USAGE, "'%s' is too much; 'ipamctl help import' tells more", argv[1]);
	return CLI_DONE;
}

int kube_import(int argc, char **argv)
{
	struct timespec begin, end;
	struct kube k = { 0 };
	int status = parse(&k, argc, argv);

	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (status == CLI_DONE)
		status = import(&k);
	clock_gettime(CLOCK_MONOTONIC, &end);
	k.seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	if (status == CLI_DONE) {
		if (k.json)
			tell_json(&k);
		else
			tell_text(&k);
		status = k.conflicts.n > 0 ? CLI_REFUSED : CLI_DONE;
	}
	kube_free(&k);
	return status;
}
