#include "cli/options.h"
#include "cli/say.h"
#include "ipamctl/check/database.h"
#include "ipamctl/check/engine.h"
#include "ipamctl/check/log.h"
#include "ipamctl/check/mount.h"
#include "ipamctl/check/past.h"
#include "ipamctl/commands.h"
#include "ipamctl/mountpoint.h"
#include "ipamctl/repair/repair.h"
#include "ipamctl/target.h"
#include "store/open_reading.h"
#include "store/schema.h"
#include "store/store_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: ipamctl check [DB|MOUNT] [--json] [--quiet]\n"
			    "       ipamctl check --repair DB [--json] [--quiet]\n"
			    "\n"
			    "Proves from the rows of a database, mounted or not, that no two leases and no two\n"
			    "blocks of a cluster overlap, that every lease lies in a block of its node and every\n"
			    "block in a CIDR of its cluster, and that nothing reserved is held. Of a mount, also\n"
			    "that it shows what the rows say; of one that shares an engine (etcd) with other\n"
			    "machines, that no address is in two hands on all of them, as far as they published\n"
			    "their leases, and that the engine's blocks are mirrored. Changes nothing. Without a\n"
			    "name it checks the mount that $IPAMFS_MOUNT says, or /run/ipamfs.\n"
			    "\n"
			    "With --repair, of a database that isn't mounted and has findings: makes a new one of\n"
			    "what can be read, and gives it its name. Rows, indexes, history and the log each tell a\n"
			    "part; what most of them tell is taken. The damaged one stays beside it, with a list of\n"
			    "all that isn't as it was. An address that anything says is held, and no lease has, is\n"
			    "reserved; so is all of which nothing can be told. A person looks, and takes it out of\n"
			    "CLUSTER/.ipam/reserved.\n"
			    "\n"
			    "  --json    the findings as JSON\n"
			    "  --quiet   no progress, and no summary where nothing is found\n"
			    "\n"
			    "Exit status: 0 nothing found, 1 findings (a line each) or refused, 2 usage. Of --repair: 0\n"
			    "nothing to repair, or all is as it was; 1 something isn't (a line each), or refused.\n";

static int open_db(struct check *c, const char *path)
{
	int rc;

	if (!schema_is_file(path))
		return cli_fail(CLI_REFUSED, "%s: not a regular file", path);
	if (open_reading(path, &c->db) != SQLITE_OK)
		return cli_fail(CLI_REFUSED, "%s: %s", path, open_error(c->db));
	sqlite3_busy_timeout(c->db, 5000);
	rc = schema_check(c->db);
	return rc < 0 ? cli_fail(CLI_REFUSED, "%s: %s", path, schema_error(rc, c->db)) : CLI_DONE;
}

static void print_string(const char *text)
{
	json_t *s = json_string(text == NULL ? "" : text);
	char *dump = s == NULL ? NULL : json_dumps(s, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	fputs(dump == NULL ? "\"\"" : dump, stdout);
	free(dump);
	json_decref(s);
}

/* What follows the findings. said: what the engine did, where one is shared. */
static void summary(const struct check *c, const char *target, bool shared, int asked, const char *said)
{
	if (c->json) {
		printf("],\n");
		if (shared) {
			printf(" \"engine\": {\"checked\": %s, \"said\": ", asked == CLI_DONE ? "true" : "false");
			print_string(said);
			printf("},\n");
		}
		printf(" \"clusters\": %llu, \"nodes\": %llu, \"blocks\": %llu, \"leases\": %llu}\n", (unsigned long long)c->clusters,
		       (unsigned long long)c->nodes, (unsigned long long)c->blocks, (unsigned long long)c->leases);
	} else if (!c->quiet || c->findings > 0) {
		cli_say(stdout, "%s: %llu cluster%s, %llu node%s, %llu block%s, %llu lease%s: %llu finding%s\n", target,
			CLI_COUNT(c->clusters), CLI_COUNT(c->nodes), CLI_COUNT(c->blocks), CLI_COUNT(c->leases), CLI_COUNT(c->findings));
		if (shared && asked == CLI_DONE)
			cli_say(stdout, "the engine: %s\n", said);
	}
	if (asked != CLI_DONE)
		cli_fail(asked, "%s: only this machine's own part was checked; of the engine: %s", target,
			 said == NULL ? "no answer" : said);
}

/* Without what the log had the rows tell nothing; and looking at them would change what tells how long it was. */
static int log_finding(struct check *c, const char *target, const char *text)
{
	if (c->json)
		printf("{\"findings\": [");
	check_finding(c, "%s", text);
	if (c->json)
		summary(c, target, false, CLI_DONE, NULL);
	else if (!c->silent)
		cli_say(stdout, "%s: its rows weren't looked at: 1 finding\n", target);
	return CLI_REFUSED;
}

static int check_all(struct check *c, const char *target)
{
	char source[4096];
	struct stat st;
	bool mount = stat(target, &st) == 0 && S_ISDIR(st.st_mode), shared;
	char *said = NULL;
	int status, asked = CLI_DONE;

	if (mount && !mountpoint_source(target, source))
		return cli_fail(CLI_REFUSED, "%s: not where an ipamfs is mounted; name its mount point, or the database", target);
	shared = mount && strncmp(source, "etcd://", 7) == 0;
	if (shared && !check_state_file(target, source))
		return cli_fail(CLI_REFUSED, "%s: its .ipam/health doesn't say where its state file is", target);
	if (!mount) {
		struct ipam_error error;
		int rc = check_log(target, &error);

		if (rc == -EUCLEAN)
			return log_finding(c, target, error.text);
		if (rc < 0)
			return cli_fail(CLI_REFUSED, "%s", error.text);
	}
	status = open_db(c, mount ? source : target);
	if (status != CLI_DONE)
		return status;
	if (c->json)
		printf("{\"findings\": [");
	/* One transaction: one moment, though the daemon goes on. */
	sqlite3_exec(c->db, "BEGIN", NULL, NULL, NULL);
	check_database(c);
	if (!c->foreign)
		check_past(c);
	sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
	if (mount && c->findings == 0)
		check_mount(c, target);
	else if (!mount && c->clusters == 0 && c->findings == 0)
		check_finding(c, "no cluster is in it: it is a new one, or a copy that was made while it was in use, by other means than"
				 " 'ipamctl backup'");
	if (c->failed < 0 && !c->json)
		return cli_fail(CLI_REFUSED, "%s: the mount has ended meanwhile: %s; name its database", target, strerror(-c->failed));
	if (c->failed < 0) {
		check_finding(c, "the mount has ended meanwhile: %s", strerror(-c->failed));
		asked = CLI_REFUSED;
	} else if (shared) {
		asked = check_engine(c, target, &said);
	}
	summary(c, target, shared, asked, said);
	free(said);
	return c->findings > 0 ? CLI_REFUSED : asked;
}

static int run(int argc, char **argv)
{
	struct check c = { 0 };
	bool repair = false;
	const struct cli_option options[] = {
		{ "json", .letter = 'j', .flag = &c.json },
		{ "quiet", .letter = 'q', .flag = &c.quiet },
		{ "repair", .flag = &repair, .changes = true },
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (argc > 2 || (repair && argc != 2))
		return cli_fail(CLI_USAGE, repair ? "say which database is to be repaired" : "one database or mount at a time");
	if (repair)
		return repair_run(argv[1], c.json, c.quiet);
	status = check_all(&c, argc > 1 ? argv[1] : target_mount(NULL));
	sqlite3_close(c.db);
	return status;
}

const struct command command_check = { "check", run, "prove that nothing overlaps and all is in its place", usage, false };
