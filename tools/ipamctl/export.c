/* export — give a tree, or a node's leases, in a form that something else understands. */
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "export_json.h"
#include "export_shell.h"
#include "hostlocal.h"
#include "lease_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: ipamctl export --json|--shell [--mount DIR] [--cluster NAME] [--node NAME] [--quiet]\n"
			    "       ipamctl export --host-local DIR [--mount DIR] [--cluster NAME] [--node NAME]\n"
			    "           [--network NAME] [--quiet]\n"
			    "\n"
			    "  --json         all clusters, nodes and leases, or what --cluster and --node say, as one\n"
			    "                 document on stdout\n"
			    "  --shell        the same as a script that makes them again on an empty mount\n"
			    "\n"
			    "--host-local writes a node's leases (of the host's name unless said) as that CNI plugin\n"
			    "keeps them: a file an address, with the container's id and the interface's name.\n"
			    "DIR (/var/lib/cni/networks/NAME) must not be there, or be empty; it appears whole,\n"
			    "or not at all. A lease without a container's id gets its own name for one.\n"
			    "\n"
			    "  --network NAME   only leases of this network\n"
			    "\n"
			    "Exit status: 0 done, 1 refused, 2 usage.\n";

struct export
{
	struct target target;
	const char *to, *network;
	bool quiet, json, shell;
	char *temporary;
	int dir;
	size_t leases, addresses;
	uint64_t *id; /* of the leases met */
	size_t ids;
	uint64_t newest[CIDR_FAMILIES];
	u128 last[CIDR_FAMILIES];
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static int put_file(const struct export *x, const char *name, const char *text)
{
	int fd = openat(x->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t size = strlen(text);
	int rc = 0;

	if (fd < 0)
		return -errno;
	errno = EIO;
	if (write(fd, text, size) != (ssize_t)size || fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

static int put_lease(struct export *x, const char *name, const struct lease_file *l)
{
	char text[2 * LEASE_FILE_VALUE + 2], addr[CIDR_ADDR_TEXT];
	const char *id = l->container[0] != 0 ? l->container : name;
	const char *ifname = l->ifname[0] != 0 ? l->ifname : "eth0";
	int rc = 0;

	if (!hl_is_word(id) || !hl_is_word(ifname)) {
		cli_fail(CLI_REFUSED, "lease '%s': '%s' and '%s' are no container's id and interface that host-local knows", name, id,
			 ifname);
		return -EINVAL;
	}
	snprintf(text, sizeof text, "%s\r\n%s", id, ifname);
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++) {
		if (!l->has[f])
			continue;
		cidr_print_addr(f, l->addr[f], addr);
		rc = put_file(x, addr, text);
		x->addresses++;
		/* Inode numbers grow with each lease that is made. */
		if (l->id > x->newest[f]) {
			x->newest[f] = l->id;
			x->last[f] = l->addr[f];
		}
	}
	x->leases++;
	return rc;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Those that are not exported yet: a lease that is renamed while its directory is walked may be met under neither name. */
static int put_new(struct export *x, const struct names *names, struct progress *progress)
{
	size_t known = x->ids;
	uint64_t *bigger = reallocarray(x->id, x->ids + names->n + 1, sizeof *bigger);
	int rc = bigger == NULL ? -ENOMEM : 0;

	if (rc == 0) {
		x->id = bigger;
		qsort(x->id, known, sizeof *x->id, compare_ids);
	}
	for (size_t i = 0; rc == 0 && i < names->n; i++) {
		struct lease_file l;

		progress_step(progress);
		rc = interrupted ? -EINTR : lease_file_read(&x->target, names->name[i], &l);
		if (rc == -ENOENT || rc == -ESTALE) {
			rc = 0; /* released meanwhile */
			continue;
		}
		if (rc < 0 || bsearch(&l.id, x->id, known, sizeof *x->id, compare_ids) != NULL)
			continue;
		x->id[x->ids++] = l.id;
		if (x->network == NULL || strcmp(x->network, l.network) == 0)
			rc = put_lease(x, names->name[i], &l);
	}
	return rc;
}

static int put_all(struct export *x)
{
	char addr[CIDR_ADDR_TEXT], name[32];
	struct progress progress;
	struct names names;
	int status = CLI_DONE, rc = 0;

	for (int pass = 0; status == CLI_DONE && rc == 0 && pass < 2; pass++) {
		status = target_leases(&x->target, &names);
		progress_begin(&progress, "export", names.n, !x->quiet);
		if (status == CLI_DONE)
			rc = put_new(x, &names, &progress);
		progress_end(&progress);
		names_free(&names);
	}
	if (status == CLI_DONE && rc == 0 && x->network != NULL && x->leases == 0)
		return cli_fail(CLI_REFUSED, "no lease is of network '%s'", x->network);
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		if (x->newest[f] != 0) {
			cidr_print_addr(f, x->last[f], addr);
			snprintf(name, sizeof name, "last_reserved_ip.%u", f);
			rc = put_file(x, name, addr);
		}
	if (rc == 0)
		rc = put_file(x, "lock", "");
	return status != CLI_DONE ? status : rc < 0 ? cli_fail(CLI_REFUSED, "%s: %s", x->temporary, strerror(-rc)) : CLI_DONE;
}

/* It takes the name of an empty directory, or of none; any other stays, and the name is refused. */
static int move_into_place(struct export *x)
{
	char *copy = strdup(x->to);
	int parent = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = CLI_DONE;

	if (parent < 0 || fchmod(x->dir, 0755) < 0 || fsync(x->dir) < 0 || rename(x->temporary, x->to) < 0 || fsync(parent) < 0)
		status = cli_fail(CLI_REFUSED, "%s: %s", x->to, strerror(errno));
	if (parent >= 0)
		close(parent);
	free(copy);
	return status;
}

static void drop_temporary(const struct export *x)
{
	struct names names;
	struct target t = { .path = x->temporary };

	if (target_leases(&t, &names) == CLI_DONE)
		for (size_t i = 0; i < names.n; i++)
			unlinkat(x->dir, names.name[i], 0);
	names_free(&names);
	rmdir(x->temporary);
}

static int parse(struct export *x, int argc, char **argv)
{
	const struct cli_option options[] = {
		TARGET_OPTIONS(&x->target),
		{ "host-local", .text = &x->to },
		{ "network", .text = &x->network },
		{ "json", .flag = &x->json },
		{ "shell", .flag = &x->shell },
		{ "quiet", .letter = 'q', .flag = &x->quiet },
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (argc != 1 || (x->to != NULL) + x->json + x->shell != 1)
		return cli_fail(CLI_USAGE, "say how: --json, --shell, or --host-local DIR");
	if (x->to == NULL && x->network != NULL)
		return cli_fail(CLI_USAGE, "--network is for --host-local");
	return CLI_DONE;
}

/* Looked at first, since it takes a while until the rename would tell. */
static bool is_free(const char *path)
{
	struct target t = { .path = (char *)(uintptr_t)path };
	struct names names;
	struct stat st;
	bool free;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return true; /* what else is wrong with it shows later */
	free = target_leases(&t, &names) == CLI_DONE && names.n == 0;
	names_free(&names);
	return free;
}

static int export(struct export *x)
{
	size_t n = strlen(x->to);
	int status;

	while (n > 1 && x->to[n - 1] == '/')
		n--;
	if (!is_free(x->to))
		return cli_fail(CLI_REFUSED, "%s is not empty; name a directory that isn't there yet, or is empty", x->to);
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = interrupt }, NULL);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = interrupt }, NULL);
	if (asprintf(&x->temporary, "%.*s.XXXXXX", (int)n, x->to) < 0)
		return cli_fail(CLI_REFUSED, "out of memory");
	if (mkdtemp(x->temporary) == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", x->temporary, strerror(errno));
	x->dir = open(x->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	status = x->dir < 0 ? cli_fail(CLI_REFUSED, "%s: %s", x->temporary, strerror(errno)) : put_all(x);
	if (status == CLI_DONE)
		status = move_into_place(x);
	if (status != CLI_DONE)
		drop_temporary(x);
	else if (!x->quiet)
		cli_say(stdout, "%s: %llu lease%s, %llu address%s\n", x->to, CLI_COUNT(x->leases), (unsigned long long)x->addresses,
			x->addresses == 1 ? "" : "es");
	return status;
}

static int export_tree(const struct export *x)
{
	struct view v = { .mount = x->target.mount, .cluster = x->target.cluster, .node = x->target.node };
	int status = view_open(&v);

	if (status == CLI_DONE)
		status = (x->json ? export_json : export_shell)(&v, x->quiet);
	view_close(&v);
	return status;
}

static int run(int argc, char **argv)
{
	struct export x = { .dir = -1 };
	int status = parse(&x, argc, argv);

	if (status == CLI_DONE && x.to == NULL) {
		status = export_tree(&x);
	} else {
		if (status == CLI_DONE)
			status = target_find(&x.target);
		if (status == CLI_DONE)
			status = export(&x);
	}
	if (x.dir >= 0)
		close(x.dir);
	free(x.temporary);
	free(x.id);
	target_free(&x.target);
	return status;
}

const struct command command_export = { "export", run, "the tree as JSON or shell commands; leases as host-local's", usage, false };
