/* import — take over what another address manager holds, whole or not at all. */
#include "ipamctl/kube/import.h"
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "hostlocal.h"
#include "lease_file.h"
#include "mountpoint.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: ipamctl import --host-local DIR [--mount DIR] [--cluster NAME] [--node NAME]\n"
			    "           [--network NAME] [--dry-run] [--json] [--quiet]\n"
			    "\n"
			    "Takes over a directory of the CNI plugin host-local (/var/lib/cni/networks/NAME):\n"
			    "each container's addresses become a lease CONTAINER.IFNAME of the node (the host's\n"
			    "name unless said), 'eth0' where host-local noted no interface. All of them, or none:\n"
			    "what stands in the way is listed, and nothing has changed then. What is leased\n"
			    "already, with the same addresses for the same container, is passed over, so the\n"
			    "command may be repeated. DIR is locked meanwhile as host-local locks it, and stays\n"
			    "as it is.\n"
			    "\n"
			    "  --network NAME   the network's name, if it isn't DIR's last component\n"
			    "  --dry-run        say what would be done\n"
			    "\n"
			    "The addresses must lie in the node's blocks. To adopt others, write them first:\n"
			    "  echo 10.244.3.0/24 > /run/ipamfs/prod/worker-1/.ipam/cidrs\n"
			    "Exit status 1: something stood in the way.\n"
			    "\n"
			    "usage: ipamctl import --kubernetes FILE|- [--mount DIR] [--cluster NAME] [--create]\n"
			    "           [--strict] [--dry-run] [--json] [--quiet] [--verbose]\n"
			    "\n"
			    "Adopts a Kubernetes cluster: FILE is what 'kubectl get nodes,pods -A -o json' prints.\n"
			    "Nodes become nodes with their podCIDRs for blocks, pods become leases NAMESPACE_POD\n"
			    "with their addresses, in one transaction. Passed over: pods in the host's network,\n"
			    "terminated ones, those without an address or a node. What conflicts is listed and\n"
			    "left out, and the rest imported; of two pods with one address that keeps it which\n"
			    "runs, or is younger. What is there already, just so, is passed over too, so the\n"
			    "command may be repeated.\n"
			    "\n"
			    "  --create         make the cluster if there is none, and give it the CIDRs that it\n"
			    "                   lacks for the nodes' blocks: the smallest that hold them\n"
			    "  --strict         import nothing if anything conflicts\n"
			    "  --dry-run        say what would be done\n"
			    "  --verbose        list all conflicts, not the first 20\n"
			    "\n"
			    "Exit status 1: something was left out, or nothing imported.\n";

enum { BLOCKS_MAX = 1024, LISTED_MAX = 1000 };

struct import {
	struct target target;
	const char *from, *network;
	bool dry_run, json, quiet;
	struct hl_directory directory;
	struct cidr block[BLOCKS_MAX];
	int blocks;
	json_t *leases;    /* for the file */
	json_t *conflicts; /* {"name", "address", "why"} */
	size_t addresses, present;
};

/* ---- what stands in the way ------------------------------------------------------------------------------------------- */

static void conflict(struct import *m, const char *name, const char *address, const char *why)
{
	json_t *c = json_pack("{s:s,s:s,s:s}", "name", name, "address", address, "why", why);

	if (c == NULL) /* a holder's name that is no UTF-8 */
		c = json_pack("{s:s,s:s,s:s}", "name", "?", "address", address, "why", "stands in the way");
	json_array_append_new(m->conflicts, c);
}

static int read_blocks(struct import *m)
{
	char path[PATH_MAX], *line = NULL;
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/.ipam/cidrs", m->target.path);
	f = fopen(path, "re");
	if (f == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	while (m->blocks < BLOCKS_MAX && getline(&line, &room, f) > 0)
		if (cidr_parse(line, strcspn(line, "\n"), &m->block[m->blocks]) == 0)
			m->blocks++;
	free(line);
	fclose(f);
	return CLI_DONE;
}

static void check_address(struct import *m, const char *name, const struct hl_entry *e)
{
	char text[CIDR_ADDR_TEXT], path[PATH_MAX], holder[512], why[600];
	bool inside = m->blocks == BLOCKS_MAX; /* there may be more: the mount knows */
	ssize_t n;

	cidr_print_addr(e->family, e->addr, text);
	for (int i = 0; i < m->blocks; i++)
		inside |= cidr_has(&m->block[i], e->family, e->addr);
	snprintf(path, sizeof path, "%s/.ipam/by-ip/%s", m->target.cluster_path, text);
	n = readlink(path, holder, sizeof holder - 1);
	if (n > 0) {
		holder[n] = 0;
		snprintf(why, sizeof why, "held by %s", strncmp(holder, "../../", 6) == 0 ? holder + 6 : holder);
		conflict(m, name, text, why);
	} else if (!inside) {
		conflict(m, name, text, "in none of the node's blocks");
	}
}

/* ---- leases from entries ----------------------------------------------------------------------------------------------- */

static bool same_owner(const struct hl_entry *a, const struct hl_entry *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(hl_ifname(a), hl_ifname(b)) == 0;
}

/* It is there already, just so. */
static bool is_present(const struct import *m, const char *name, const struct hl_entry *const part[CIDR_FAMILIES])
{
	const struct hl_entry *owner = part[CIDR_V4] != NULL ? part[CIDR_V4] : part[CIDR_V6];
	struct lease_file l;

	if (lease_file_read(&m->target, name, &l) < 0 || strcmp(l.container, owner->id) != 0)
		return false;
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (part[f] != NULL && (!l.has[f] || l.addr[f] != part[f]->addr))
			return false;
	return true;
}

static int take_lease(struct import *m, const char *name, const struct hl_entry *const part[CIDR_FAMILIES])
{
	const struct hl_entry *owner = part[CIDR_V4] != NULL ? part[CIDR_V4] : part[CIDR_V6];
	json_t *addresses, *attributes, *lease;
	char text[CIDR_ADDR_TEXT];

	if (is_present(m, name, part)) {
		m->present++;
		return CLI_DONE;
	}
	addresses = json_array();
	attributes = json_pack("{s:s,s:s}", "container-id", owner->id, "network", m->network);
	if (attributes == NULL || (owner->ifname != NULL && json_object_set_new(attributes, "ifname", json_string(owner->ifname)) < 0)) {
		json_decref(addresses);
		json_decref(attributes);
		return cli_fail(CLI_REFUSED, "%s: the container's id, the interface or the network is no UTF-8", name);
	}
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (part[f] != NULL) {
			check_address(m, name, part[f]);
			cidr_print_addr(f, part[f]->addr, text);
			json_array_append_new(addresses, json_string(text));
			m->addresses++;
		}
	lease = json_pack("{s:s,s:s,s:o,s:o}", "node", m->target.node, "name", name, "addresses", addresses, "attributes", attributes);
	if (lease == NULL || json_array_append_new(m->leases, lease) < 0)
		return cli_fail(CLI_REFUSED, "%s: the name, or the node's, is no UTF-8", name);
	return CLI_DONE;
}

/* The entries of one owner, by family: the nth of each make the nth lease. */
static int take_owner(struct import *m, const struct hl_entry *e, size_t n)
{
	size_t fours = 0, leases;

	while (fours < n && e[fours].family == CIDR_V4)
		fours++;
	leases = fours > n - fours ? fours : n - fours;
	for (size_t i = 0; i < leases; i++) {
		const struct hl_entry *part[CIDR_FAMILIES] = { i < fours ? &e[i] : NULL, fours + i < n ? &e[fours + i] : NULL };
		const char *ifname = hl_ifname(e);
		char name[8192];

		if (i == 0)
			snprintf(name, sizeof name, "%s.%s", e->id, ifname);
		else
			snprintf(name, sizeof name, "%s.%s+%zu", e->id, ifname, i);
		if (strlen(name) > NAME_MAX)
			return cli_fail(CLI_REFUSED, "'%s' is too long for a lease's name", name);
		if (take_lease(m, name, part) != CLI_DONE)
			return CLI_REFUSED;
	}
	return CLI_DONE;
}

static int take_all(struct import *m)
{
	const struct hl_directory *d = &m->directory;
	struct progress progress;
	int status = CLI_DONE;

	progress_begin(&progress, "import", d->entries, !m->quiet && !m->json);
	for (size_t i = 0, n; status == CLI_DONE && i < d->entries; i += n) {
		for (n = 1; i + n < d->entries && same_owner(&d->entry[i], &d->entry[i + n]); n++)
			progress_step(&progress);
		status = take_owner(m, &d->entry[i], n);
		progress_step(&progress);
	}
	progress_end(&progress);
	return status;
}

/* ---- the file ----------------------------------------------------------------------------------------------------------- */

/* What it refused: "NODE/NAME TAB ADDRESS TAB MESSAGE" a line. */
static void read_report(struct import *m, int fd)
{
	FILE *f = lseek(fd, 0, SEEK_SET) == 0 ? fdopen(dup(fd), "r") : NULL;
	char *line = NULL;
	size_t room = 0;

	while (f != NULL && getline(&line, &room, f) > 0) {
		char *rest = line, *name = strsep(&rest, "\t"), *address = strsep(&rest, "\t"), *why = rest;

		if (why == NULL)
			continue;
		why[strcspn(why, "\n")] = 0;
		if (strchr(name, '/') != NULL)
			name = strchr(name, '/') + 1;
		conflict(m, name, address,
			 strcmp(why, strerror(EADDRNOTAVAIL)) == 0 ? "can't be leased: a network's, gateway's or "
								     "reserved address, or resting" :
								     why);
	}
	free(line);
	if (f != NULL)
		fclose(f);
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

static int store(struct import *m)
{
	char path[PATH_MAX], *text = json_dumps(m->leases, JSON_COMPACT);
	int fd, rc, status = CLI_DONE;

	snprintf(path, sizeof path, "%s/.ipam/import", m->target.cluster_path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	rc = text == NULL ? -ENOMEM : fd < 0 ? -errno : write_all(fd, text, strlen(text));
	free(text);
	if (rc < 0) {
		status = cli_fail(CLI_REFUSED, "%s: %s", path, strerror(-rc));
	} else if (fsync(fd) < 0) {
		rc = -errno;
		if (mountpoint_ended(rc) || rc == -EINTR)
			return cli_fail(CLI_REFUSED, "%s: %s; whether it was imported isn't known: run it again", path, strerror(-rc));
		read_report(m, fd);
		if (json_array_size(m->conflicts) == 0)
			conflict(m, "-", "-", strerror(-rc));
	}
	if (fd >= 0)
		close(fd);
	return status;
}

/* ---- what is said --------------------------------------------------------------------------------------------------------- */

static void tell_json(const struct import *m, bool done)
{
	json_t *skipped = json_array(), *o;

	for (size_t i = 0; i < m->directory.skips; i++)
		json_array_append_new(skipped,
				      json_pack("{s:s,s:s}", "file", m->directory.skipped[i].file, "why", m->directory.skipped[i].why));
	o = json_pack("{s:I,s:I,s:I,s:b,s:o,s:O}", "imported", (json_int_t)(done ? json_array_size(m->leases) : 0), "addresses",
		      (json_int_t)(done ? m->addresses : 0), "present", (json_int_t)m->present, "dryRun", m->dry_run, "skipped", skipped,
		      "conflicts", m->conflicts);
	json_dumpf(o, stdout, JSON_ENSURE_ASCII | JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static void tell_conflicts(const struct import *m)
{
	const json_t *c;
	size_t i;

	json_array_foreach(m->conflicts, i, c) {
		if (i == LISTED_MAX) {
			fprintf(stderr, "  and %zu more\n", json_array_size(m->conflicts) - i);
			break;
		}
		cli_say(stderr, "  %s %s: %s\n", json_string_value(json_object_get(c, "address")),
			json_string_value(json_object_get(c, "name")), json_string_value(json_object_get(c, "why")));
	}
	cli_fail(CLI_REFUSED,
		 "nothing was imported; %zu addresses stand in the way. Blocks are adopted by writing them: "
		 "echo CIDR > %s/.ipam/cidrs",
		 json_array_size(m->conflicts), m->target.path);
}

static int tell(const struct import *m)
{
	bool done = json_array_size(m->conflicts) == 0;

	if (m->json) {
		tell_json(m, done && !m->dry_run);
		return done && json_array_size(m->leases) + m->present > 0 ? CLI_DONE : CLI_REFUSED;
	}
	for (size_t i = 0; !m->quiet && i < m->directory.skips; i++)
		cli_say(stdout, "skipped %s: %s\n", m->directory.skipped[i].file, m->directory.skipped[i].why);
	if (!done) {
		tell_conflicts(m);
		return CLI_REFUSED;
	}
	if (json_array_size(m->leases) == 0 && m->present == 0)
		return cli_fail(CLI_REFUSED, "%s holds no lease of host-local's that could be imported; nothing was", m->from);
	if (!m->quiet)
		cli_say(stdout, "%s/%s: %s %zu leases with %zu addresses of network %s; %zu were there already, %zu files skipped\n",
			m->target.cluster, m->target.node, m->dry_run ? "would import" : "imported", json_array_size(m->leases),
			m->addresses, m->network, m->present, m->directory.skips);
	return CLI_DONE;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

static int parse(struct import *m, int argc, char **argv)
{
	const struct cli_option options[] = {
		TARGET_OPTIONS(&m->target),
		{ "host-local", .text = &m->from },
		{ "network", .text = &m->network },
		{ "dry-run", .flag = &m->dry_run },
		{ "json", .flag = &m->json },
		{ "quiet", .letter = 'q', .flag = &m->quiet },
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (argc != 1 || m->from == NULL)
		return cli_fail(CLI_USAGE, "say what to import: --host-local DIR or --kubernetes FILE");
	return CLI_DONE;
}

static bool is_kubernetes(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "--k", 3) == 0)
			return true;
	return false;
}

static int run(int argc, char **argv)
{
	struct import m = { .directory = { .lock = -1 } };
	char *real = NULL;
	int status;

	if (is_kubernetes(argc, argv))
		return kube_import(argc, argv);
	status = parse(&m, argc, argv);

	m.leases = json_array();
	m.conflicts = json_array();
	if (status == CLI_DONE)
		status = target_find(&m.target);
	if (status == CLI_DONE && m.network == NULL && (real = realpath(m.from, NULL)) != NULL)
		m.network = strrchr(real, '/') + 1;
	if (status == CLI_DONE)
		status = hl_read(m.from, &m.directory);
	if (status == CLI_DONE)
		status = read_blocks(&m);
	if (status == CLI_DONE)
		status = take_all(&m);
	if (status == CLI_DONE && json_array_size(m.conflicts) == 0 && json_array_size(m.leases) > 0 && !m.dry_run)
		status = store(&m);
	if (status == CLI_DONE)
		status = tell(&m);
	json_decref(m.leases);
	json_decref(m.conflicts);
	hl_free(&m.directory);
	target_free(&m.target);
	free(real);
	return status;
}

const struct command command_import = { "import", run, "take over what host-local or Kubernetes holds", usage, true };
