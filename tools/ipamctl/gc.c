/* gc — release the leases whose network namespace is gone, or whose container the runtime no longer lists. */
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "hostlocal.h"
#include "lease_file.h"
#include "mountpoint.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PIDS "pid:[4026531836]" /* PROC_PID_INIT_INO, linux/proc_ns.h */

enum { SHORT_ID = 12 }; /* runtimes print so much of a container's id, or all of it */

static const char usage[] = "usage: ipamctl gc [--mount DIR] [--cluster NAME] [--node NAME] [--network NAME]\n"
			    "           [--valid-from FILE|-] [--allow-empty] [--grace SECONDS] [--dry-run]\n"
			    "           [--json] [--quiet] [--verbose]\n"
			    "\n"
			    "Releases the leases of a node (the host's name unless said) whose network\n"
			    "namespace is gone and, with a list of the containers that there are, those of\n"
			    "containers that it doesn't name. Leases that say neither are left alone.\n"
			    "\n"
			    "  --valid-from FILE|-  a container's id a line, as the runtime gives it to plugins\n"
			    "                       ('crictl pods -q'; \"ctr c ls -q | sed 's/^/default-/'\");\n"
			    "                       '#' begins a comment; at least 12 characters of an id will do\n"
			    "  --allow-empty        a list that is empty, or names no container that holds a lease,\n"
			    "                       is meant: every pod is gone. Otherwise it is refused, since a\n"
			    "                       runtime that failed, or another one, prints such lists too\n"
			    "  --grace SECONDS      leave what was made or changed less than that ago (60)\n"
			    "  --network NAME       only leases of this network\n"
			    "  --dry-run            say what would be released\n"
			    "  --quiet              say nothing unless something was released or failed\n"
			    "  --verbose            a line for each lease released\n"
			    "\n"
			    "A lease that changes meanwhile stays. Run it where the runtime's namespaces are seen,\n"
			    "on the node itself. Exit status: 0 done, 1 refused, or some could not be\n"
			    "released, 2 usage.\n";

struct gc {
	struct target target;
	const char *network, *valid_from;
	long grace;
	bool allow_empty, dry_run, json, quiet, verbose;

	char **valid; /* sorted ids */
	size_t valids;
	time_t now, listed; /* what is younger than the list is not judged by it */

	size_t scanned, alive, young, netns, container, changed, failed;
	json_t *list;
	int release; /* descriptor of the node's file for that */
};

/* ---- the list of what is alive ------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_valid(struct gc *g, const char *id)
{
	char **bigger = reallocarray(g->valid, g->valids + 1, sizeof *bigger);

	if (bigger == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	g->valid = bigger;
	g->valid[g->valids] = strdup(id);
	if (g->valid[g->valids] == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	g->valids++;
	return CLI_DONE;
}

static int read_valid(struct gc *g)
{
	bool standard = strcmp(g->valid_from, "-") == 0;
	FILE *f = standard ? stdin : fopen(g->valid_from, "re");
	int status = CLI_DONE;
	char *line = NULL;
	struct stat st;
	size_t room = 0;

	if (f == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", g->valid_from, strerror(errno));
	if (!standard && fstat(fileno(f), &st) == 0 && st.st_mtime < g->listed)
		g->listed = st.st_mtime;
	while (status == CLI_DONE && getline(&line, &room, f) > 0) {
		char *word = line + strspn(line, " \t\r\n");

		word[strcspn(word, " \t\r\n#")] = 0;
		if (*word != 0 && !hl_is_word(word))
			status = cli_fail(CLI_REFUSED, "'%s' is no container's id", word);
		else if (*word != 0)
			status = add_valid(g, word);
	}
	if (status == CLI_DONE && ferror(f))
		status = cli_fail(CLI_REFUSED, "%s: %s", g->valid_from, strerror(errno));
	free(line);
	if (!standard)
		fclose(f);
	if (status == CLI_DONE && g->valids == 0 && !g->allow_empty)
		status = cli_fail(CLI_REFUSED, "%s lists no container: did what made it fail? If there is none, say --allow-empty",
				  standard ? "standard input" : g->valid_from);
	if (g->valids > 0)
		qsort(g->valid, g->valids, sizeof *g->valid, compare);
	return status;
}

/* By the whole id or the beginning of it. The longest listed id that sorts at or before this one need not be its prefix, so
 * all lengths are tried. */
static bool is_valid(const struct gc *g, const char *container)
{
	char part[LEASE_FILE_VALUE], *p = part;

	for (size_t n = g->valids > 0 ? strlen(container) : 0; n > 0; n--) {
		if (n < SHORT_ID && n < strlen(container))
			return false;
		snprintf(part, sizeof part, "%.*s", (int)n, container);
		if (bsearch(&p, g->valid, g->valids, sizeof *g->valid, compare) != NULL)
			return true;
	}
	return false;
}

/* ---- one lease ------------------------------------------------------------------------------------------------------ */

/* Process numbers are those of the first namespace of them, and /proc may hide what lives. */
static bool process_is_gone(const char *path)
{
	char link[64];
	ssize_t n = readlink("/proc/self/ns/pid", link, sizeof link - 1);
	char *end;
	long pid = strtol(path, &end, 10);

	link[n > 0 ? n : 0] = 0;
	return *end == '/' && pid > 0 && strcmp(link, FIRST_PIDS) == 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* Only where it surely isn't there; what can't be seen is alive. Without its directory we are likely to look from a place,
 * a container's, that doesn't see the runtime's namespaces; those of processes have theirs in /proc. */
static bool is_gone(const char *netns)
{
	char directory[PATH_MAX];
	struct stat st;

	if (netns[0] != '/' || stat(netns, &st) == 0 || (errno != ENOENT && errno != ENOTDIR))
		return false;
	if (strncmp(netns, "/proc/", 6) == 0)
		return process_is_gone(netns + 6);
	snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(netns, '/') - netns), netns);
	return stat(directory, &st) == 0;
}

enum verdict { ALIVE, YOUNG, NETNS_GONE, CONTAINER_GONE };

static enum verdict judge(const struct gc *g, const struct lease_file *l)
{
	bool netns, container;

	if (g->network != NULL && strcmp(g->network, l->network) != 0)
		return ALIVE;
	netns = is_gone(l->netns);
	container = g->valid_from != NULL && l->container[0] != 0 && !is_valid(g, l->container);
	if (!netns && !container)
		return ALIVE;
	if (l->changed > g->now - g->grace || (!netns && l->changed >= g->listed))
		return YOUNG;
	return netns ? NETNS_GONE : CONTAINER_GONE;
}

static int release(const struct gc *g, const struct lease_file *l)
{
	char line[48];
	int n = snprintf(line, sizeof line, "%" PRIu64 " %u\n", l->id, l->generation);

	return pwrite(g->release, line, (size_t)n, 0) < 0 ? -errno : 0;
}

/* JSON is UTF-8; a byte that is none becomes a question mark. */
static json_t *text(const char *s)
{
	json_t *out = json_string(s);
	char *copy = out == NULL ? strdup(s) : NULL;

	for (char *p = copy; p != NULL && *p != 0; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	if (out == NULL)
		out = json_string(copy != NULL ? copy : "?");
	free(copy);
	return out;
}

static void tell(struct gc *g, const char *name, const struct lease_file *l, const char *why)
{
	char addresses[128];

	lease_file_addresses(l, addresses, sizeof addresses);
	if (g->json)
		json_array_append_new(g->list, json_pack("{s:o,s:s,s:o,s:s}", "name", text(name), "addresses", addresses, "pod",
							 text(l->pod), "why", why));
	else if (g->verbose || g->dry_run)
		cli_say(stdout, "%s%s (%s%s%s): %s\n", g->dry_run ? "would release " : "released ", name, addresses,
			l->pod[0] != 0 ? ", " : "", l->pod, why);
}

/* -errno: the mount has ended. */
static int collect_one(struct gc *g, const char *name)
{
	struct lease_file l;
	enum verdict verdict;
	int rc = lease_file_read(&g->target, name, &l);

	if (rc == -ENOENT || rc == -ESTALE)
		return 0; /* released meanwhile */
	if (mountpoint_ended(rc))
		return rc;
	g->scanned++;
	if (rc < 0) {
		g->failed++;
		cli_fail(CLI_REFUSED, "%s: %s", name, strerror(-rc));
		return 0;
	}
	verdict = judge(g, &l);
	if (verdict == ALIVE || verdict == YOUNG) {
		*(verdict == ALIVE ? &g->alive : &g->young) += 1;
		return 0;
	}
	rc = g->dry_run ? 0 : release(g, &l);
	if (rc == -ESTALE || rc == -ENOENT) {
		g->changed++;
	} else if (mountpoint_ended(rc)) {
		return rc;
	} else if (rc < 0) {
		g->failed++;
		cli_fail(CLI_REFUSED, "%s can't be released: %s", name, strerror(-rc));
	} else {
		*(verdict == NETNS_GONE ? &g->netns : &g->container) += 1;
		tell(g, name, &l, verdict == NETNS_GONE ? "its network namespace is gone" : "its container is not listed");
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static void summary(const struct gc *g)
{
	if (g->json) {
		json_t *o = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:O}", "scanned", (json_int_t)g->scanned, "alive",
				      (json_int_t)g->alive, "young", (json_int_t)g->young, "netnsGone", (json_int_t)g->netns,
				      "containerGone", (json_int_t)g->container, "changedMeanwhile", (json_int_t)g->changed, "failed",
				      (json_int_t)g->failed, "dryRun", g->dry_run, "released", g->list);

		json_dumpf(o, stdout, JSON_ENSURE_ASCII | JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
	} else if (!g->quiet || g->netns + g->container + g->failed > 0) {
		cli_say(stdout,
			"%s/%s: %zu leases: %s%zu released (%zu by namespace, %zu by container), %zu alive, %zu too young, "
			"%zu changed meanwhile, %zu failed\n",
			g->target.cluster, g->target.node, g->scanned, g->dry_run ? "dry run: would have " : "", g->netns + g->container,
			g->netns, g->container, g->alive, g->young, g->changed, g->failed);
	}
}

/* A list that names no container of this node's at all is more likely another runtime's, or of other ids (ctr's networks
 * know a container as NAMESPACE-ID), than the sign that every pod is gone. */
static int check_list(const struct gc *g, const struct names *names)
{
	char example[sizeof(((struct lease_file *)0)->container)] = "";
	struct lease_file l;

	for (size_t i = 0; i < names->n; i++) {
		if (lease_file_read(&g->target, names->name[i], &l) < 0 || l.container[0] == 0)
			continue;
		if (is_valid(g, l.container))
			return CLI_DONE;
		strcpy(example, l.container);
	}
	return example[0] != 0 ? cli_fail(CLI_REFUSED,
					  "the list names no container that holds a lease here, as '%s' does; is it the right one? "
					  "If every pod is gone, say --allow-empty",
					  example) :
				 CLI_DONE;
}

static int collect(struct gc *g)
{
	struct progress progress;
	struct names names;
	char path[PATH_MAX];
	int status = target_leases(&g->target, &names), rc = 0;

	snprintf(path, sizeof path, "%s/.ipam/release", g->target.path);
	if (status == CLI_DONE && g->valid_from != NULL && !g->allow_empty)
		status = check_list(g, &names);
	if (status == CLI_DONE && !g->dry_run && (g->release = open(path, O_WRONLY | O_CLOEXEC)) < 0)
		status = cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	if (status == CLI_DONE) {
		progress_begin(&progress, "gc", names.n, !g->quiet && !g->json);
		for (size_t i = 0; rc == 0 && i < names.n; i++) {
			rc = collect_one(g, names.name[i]);
			progress_step(&progress);
		}
		progress_end(&progress);
		summary(g);
		status = g->failed > 0 ? CLI_REFUSED : CLI_DONE;
		if (rc < 0)
			status = cli_fail(CLI_REFUSED, "%s: the mount has ended meanwhile: %s", g->target.path, strerror(-rc));
	}
	if (g->release >= 0)
		close(g->release);
	names_free(&names);
	return status;
}

static bool take_grace(const char *value, void *to)
{
	char *end;

	*(long *)to = strtol(value, &end, 10);
	return *value >= '0' && *value <= '9' && *end == 0;
}

static int parse(struct gc *g, int argc, char **argv)
{
	const struct cli_option options[] = {
		TARGET_OPTIONS(&g->target),
		{ "network", .text = &g->network },
		{ "valid-from", .text = &g->valid_from },
		{ "allow-empty", .flag = &g->allow_empty },
		{ "grace", .take = take_grace, .to = &g->grace, .wrong = "--grace '%s' is no number of seconds" },
		{ "dry-run", .flag = &g->dry_run },
		{ "json", .flag = &g->json },
		{ "quiet", .letter = 'q', .flag = &g->quiet },
		{ "verbose", .letter = 'v', .flag = &g->verbose },
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (argc != 1)
		return cli_fail(CLI_USAGE, "gc takes options alone; '%s' is none", argv[1]);
	return CLI_DONE;
}

static int run(int argc, char **argv)
{
	struct gc g = { .grace = 60, .release = -1 };
	int status = parse(&g, argc, argv);

	g.now = g.listed = time(NULL);
	g.list = json_array();
	if (status == CLI_DONE)
		status = target_find(&g.target);
	if (status == CLI_DONE && g.valid_from != NULL)
		status = read_valid(&g);
	if (status == CLI_DONE)
		status = collect(&g);
	for (size_t i = 0; i < g.valids; i++)
		free(g.valid[i]);
	free(g.valid);
	json_decref(g.list);
	target_free(&g.target);
	return status;
}

const struct command command_gc = { "gc", run, "release leases that nobody uses any more", usage, true };
