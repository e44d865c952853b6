/* backup — a consistent copy of the database, while it is in use. */
#include "base/json_text.h"
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "ipamctl/check/database.h"
#include "ipamctl/check/log.h"
#include "mountpoint.h"
#include "progress.h"
#include "store/open_reading.h"
#include "store/schema.h"
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: ipamctl backup FILE [--force] [--json] [--quiet] [--mount DIR | --database DB]\n"
			    "\n"
			    "Copies the database of a mount, as it is at one moment, to FILE, checks the copy as\n"
			    "'ipamctl check' does, and only then gives it its name. The mount goes on meanwhile; FILE\n"
			    "can be mounted. To restore it: unmount, copy it back (without the old -wal and -shm), mount.\n"
			    "\n"
			    "  --force         FILE may be there already: it is replaced, but never a database in use\n"
			    "  --database DB   of this database, mounted or not\n"
			    "  --json          what was copied, and the findings, as JSON\n"
			    "  --quiet         no progress, and nothing said where all is well\n"
			    "\n"
			    "Exit status: 0 done, 1 refused or the copy has findings, 2 usage.\n";

enum { PORTION = 1024, BUSY_MS = 10000 }; /* pages at a time, for the progress */

struct backup {
	const char *mount, *database, *to;
	bool force, quiet, json;
	char source[4096];
	char *temporary;
	sqlite3 *from, *copy;
	struct check check;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static int fail(sqlite3 *db, const char *what)
{
	return cli_fail(CLI_REFUSED, "%s: %s", what, db != NULL ? open_error(db) : "out of memory");
}

/* One read transaction for all of it: what changes meanwhile is not in the copy, and does not make it begin anew. */
static int open_both(struct backup *b)
{
	struct ipam_error error;
	int rc = check_log(b->source, &error);

	if (rc < 0)
		return cli_fail(CLI_REFUSED, "%s", error.text);
	if (!schema_is_file(b->source))
		return cli_fail(CLI_REFUSED, "%s: not a regular file", b->source);
	if (open_reading(b->source, &b->from) != SQLITE_OK)
		return fail(b->from, b->source);
	sqlite3_busy_timeout(b->from, BUSY_MS);
	rc = schema_check(b->from);
	if (rc < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", b->source, schema_error(rc, b->from));
	if (sqlite3_exec(b->from, "BEGIN; SELECT count(*) FROM sequence", NULL, NULL, NULL) != SQLITE_OK)
		return fail(b->from, b->source);
	if (sqlite3_open_v2(b->temporary, &b->copy, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
	    sqlite3_exec(b->copy, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL) != SQLITE_OK)
		return fail(b->copy, b->temporary);
	return CLI_DONE;
}

static int copy_pages(struct backup *b)
{
	sqlite3_backup *backup = sqlite3_backup_init(b->copy, "main", b->from, "main");
	struct progress progress;
	int code = SQLITE_OK;

	if (backup == NULL)
		return fail(b->copy, b->temporary);
	progress_begin(&progress, "pages", 0, !b->quiet);
	while (code == SQLITE_OK && !interrupted) {
		code = sqlite3_backup_step(backup, PORTION);
		progress.total = (uint64_t)sqlite3_backup_pagecount(backup);
		progress_to(&progress, progress.total - (uint64_t)sqlite3_backup_remaining(backup));
	}
	progress_end(&progress);
	sqlite3_backup_finish(backup);
	if (interrupted)
		return cli_fail(CLI_REFUSED, "interrupted; nothing is left of it");
	return code == SQLITE_DONE ? CLI_DONE : cli_fail(CLI_REFUSED, "%s: %s", b->to, sqlite3_errstr(code));
}

/* The copy proves itself. It has no log beside it: what is in the file is all there is. */
static int check_copy(struct backup *b)
{
	b->check = (struct check){ .db = b->copy, .quiet = b->quiet, .json = b->json };
	/* The mark of a database that is open isn't the copy's (core/store/store_mark.c). */
	if (sqlite3_exec(b->copy, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK ||
	    (schema_check(b->copy) == 0 &&
	     sqlite3_exec(b->copy, "DELETE FROM engine WHERE key IN ('open', 'open-boot')", NULL, NULL, NULL) != SQLITE_OK))
		return fail(b->copy, b->to);
	if (b->json)
		printf("{\"findings\": [");
	check_database(&b->check);
	if (b->json)
		printf("]");
	if (b->check.findings == 0)
		return CLI_DONE;
	return cli_fail(CLI_REFUSED, "the copy has findings: the database itself does, too; see 'ipamctl check'");
}

static int sync_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC), rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

/* link(2) takes a name only where there is none. */
static int give_name(struct backup *b)
{
	char *copy = strdup(b->to);
	int rc = copy == NULL ? -ENOMEM : sync_file(b->temporary, O_RDONLY);

	if (rc == 0 && b->force)
		rc = rename(b->temporary, b->to) < 0 ? -errno : 0;
	else if (rc == 0)
		rc = link(b->temporary, b->to) < 0 ? -errno : 0;
	if (rc == 0)
		rc = sync_file(dirname(copy), O_RDONLY | O_DIRECTORY);
	free(copy);
	return rc == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "%s: %s%s", b->to, strerror(-rc), rc == -EEXIST ? "; --force replaces it" : "");
}

static int make_temporary(struct backup *b)
{
	int fd;

	if (asprintf(&b->temporary, "%s.XXXXXX", b->to) < 0) {
		b->temporary = NULL;
		return cli_fail(CLI_REFUSED, "out of memory");
	}
	fd = mkostemp(b->temporary, O_CLOEXEC); /* for its owner alone, as the database is */
	if (fd < 0) {
		int status = cli_fail(CLI_REFUSED, "%s: %s", b->to, strerror(errno));

		free(b->temporary);
		b->temporary = NULL;
		return status;
	}
	close(fd);
	return CLI_DONE;
}

/* ---- may it have that name? --------------------------------------------------------------------------------------- */

/* The daemon holds this lock as long as it has the database open. */
static bool in_use(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return is;
}

static bool is_beside(const char *path, const char *suffix, struct stat *st)
{
	char *name = NULL;
	bool is = asprintf(&name, "%s%s", path, suffix) >= 0 && stat(name, st) == 0;

	free(name);
	return is;
}

/* Neither the database itself nor a part of it, nor another one that is in use; and no log may lie beside the copy, since
 * SQLite would take it for the copy's own. */
static int may_be_named(const struct backup *b)
{
	static const char *const part[] = { "", "-wal", "-shm", "-journal" };
	struct stat st, own;
	bool there = stat(b->to, &st) == 0;

	if (there && !b->force)
		return cli_fail(CLI_REFUSED, "%s: is there already; --force replaces it", b->to);
	if (there && !S_ISREG(st.st_mode))
		return cli_fail(CLI_REFUSED, "%s: not a regular file", b->to);
	for (size_t i = 0; there && i < sizeof part / sizeof *part; i++)
		if (is_beside(b->source, part[i], &own) && own.st_dev == st.st_dev && own.st_ino == st.st_ino)
			return cli_fail(CLI_REFUSED, "%s: is the database that is to be copied", b->to);
	if (there && in_use(b->to))
		return cli_fail(CLI_REFUSED, "%s: a database in use by an ipamfs", b->to);
	for (size_t i = 1; i < sizeof part / sizeof *part; i++)
		if (is_beside(b->to, part[i], &st))
			return cli_fail(CLI_REFUSED, "%s%s: belongs to an older database of that name; remove it, or choose another name",
					b->to, part[i]);
	return CLI_DONE;
}

static void summary(const struct backup *b)
{
	struct stat st = { 0 };
	json_t *file;
	char *name;

	stat(b->to, &st);
	if (!b->json) {
		cli_say(stdout, "%s: %lld bytes, %llu lease%s, checked\n", b->to, (long long)st.st_size, CLI_COUNT(b->check.leases));
		return;
	}
	file = json_text(b->to, strlen(b->to));
	name = json_dumps(file, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	printf(",\n \"file\": %s, \"bytes\": %lld, \"clusters\": %llu, \"nodes\": %llu, \"blocks\": %llu, \"leases\": %llu}\n",
	       name != NULL ? name : "null", (long long)st.st_size, (unsigned long long)b->check.clusters,
	       (unsigned long long)b->check.nodes, (unsigned long long)b->check.blocks, (unsigned long long)b->check.leases);
	free(name);
	json_decref(file);
}

static int make(struct backup *b)
{
	int status = may_be_named(b);

	if (status != CLI_DONE)
		return status;
	sigaction(SIGHUP, &(struct sigaction){ .sa_handler = interrupt }, NULL);
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = interrupt }, NULL);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = interrupt }, NULL);
	status = make_temporary(b);
	if (status == CLI_DONE)
		status = open_both(b);
	if (status == CLI_DONE)
		status = copy_pages(b);
	if (status == CLI_DONE)
		status = check_copy(b);
	sqlite3_close(b->copy);
	sqlite3_close(b->from);
	if (status == CLI_DONE)
		status = give_name(b);
	if (b->temporary != NULL)
		unlink(b->temporary);
	if (status == CLI_DONE && (b->json || !b->quiet))
		summary(b);
	else if (b->json && b->check.db != NULL)
		puts("}");
	free(b->temporary);
	return status;
}

static int parse(struct backup *b, int argc, char **argv)
{
	const struct cli_option options[] = {
		{ "force", .flag = &b->force, .changes = true },
		{ "json", .flag = &b->json },
		{ "quiet", .flag = &b->quiet },
		{ "database", .text = &b->database },
		{ "mount", .text = &b->mount },
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (argc != 2 || argv[1][0] == 0)
		return cli_fail(CLI_USAGE, "say where to: ipamctl backup FILE");
	if (strcmp(argv[1], "-") == 0)
		return cli_fail(CLI_USAGE,
				"a backup can't be written to standard output, since the copy is checked; name a file ('./-' is one, too)");
	if (b->mount != NULL && b->database != NULL)
		return cli_fail(CLI_USAGE, "--mount or --database, not both");
	b->to = argv[1];
	return CLI_DONE;
}

static int run(int argc, char **argv)
{
	struct backup b = { 0 };
	int status = parse(&b, argc, argv);

	if (status != CLI_DONE)
		return status;
	if (b.database != NULL)
		snprintf(b.source, sizeof b.source, "%s", b.database);
	else if (!mountpoint_source(target_mount(b.mount), b.source))
		return cli_fail(CLI_REFUSED, "%s: not where an ipamfs is mounted; say where with --mount or IPAMFS_MOUNT",
				target_mount(b.mount));
	if (strncmp(b.source, "etcd://", 7) == 0)
		return cli_fail(CLI_REFUSED,
				"%s: its blocks are etcd's ('etcdctl snapshot save'); of this machine's own part name the state"
				" file with --database",
				target_mount(b.mount));
	return make(&b);
}

const struct command command_backup = { "backup", run, "copy the database while it is in use", usage, false };
