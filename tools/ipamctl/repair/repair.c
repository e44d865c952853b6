/* repair — of a database that is damaged, a new one with all that can be told of it, and nothing released. */
#include "ipamctl/repair/repair.h"

#include "base/json_text.h"
#include "cli/say.h"
#include "ipamctl/check/database.h"
#include "ipamctl/check/log.h"
#include "ipamctl/check/past.h"
#include "ipamctl/repair/copy.h"
#include "ipamctl/repair/diff.h"
#include "ipamctl/repair/lease.h"
#include "ipamctl/repair/merge.h"
#include "ipamctl/repair/past.h"
#include "ipamctl/repair/rest.h"
#include "ipamctl/repair/salvage.h"
#include "ipamctl/repair/sql_functions.h"
#include "ipamctl/repair/uncertain.h"
#include "store/open_reading.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- its files ------------------------------------------------------------------------------------------------------ */

struct files {
	const char *path;
	char damaged[4200], fresh[4200], copy[4200], report[4200];
	int lock;
};

static int name_files(struct files *f, const char *path)
{
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;

	f->path = path;
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	if (strlen(path) > 4000)
		return cli_fail(CLI_REFUSED, "%s: too long a name", path);
	snprintf(f->damaged, sizeof f->damaged, "%s.damaged-%s", path, stamp);
	snprintf(f->fresh, sizeof f->fresh, "%s.repair-%s", path, stamp);
	snprintf(f->copy, sizeof f->copy, "%s.repair-%s.copy", path, stamp);
	snprintf(f->report, sizeof f->report, "%s.damaged-%s.report", path, stamp);
	return CLI_DONE;
}

static int lock_files(struct files *f)
{
	struct stat st;

	f->lock = open(f->path, O_RDWR | O_CLOEXEC);
	if (f->lock < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", f->path, strerror(errno));
	if (fstat(f->lock, &st) < 0 || !S_ISREG(st.st_mode))
		return cli_fail(CLI_REFUSED, "%s: not a database; --repair takes a file", f->path);
	if (!lock_database(f->lock, LOCK_EX))
		return cli_fail(CLI_REFUSED, "%s: in use by an ipamfs; unmount that first", f->path);
	return CLI_DONE;
}

static int sync_path(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC), rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

static int sync_directory(const char *path)
{
	char *copy = strdup(path);
	int rc = copy == NULL ? -ENOMEM : sync_path(dirname(copy), O_RDONLY | O_DIRECTORY);

	free(copy);
	return rc;
}

static int move_beside(const struct files *f, const char *suffix)
{
	char from[4300], to[4300];

	snprintf(from, sizeof from, "%s%s", f->path, suffix);
	snprintf(to, sizeof to, "%s%s", f->damaged, suffix);
	return rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
}

/* The damaged one and its log get names of their own before the new one gets theirs: whoever finds the new one finds
 * no log that isn't its own, and whoever finds the old one without its log (a cut in between) finds it marked as
 * open. */
static int exchange(const struct files *f)
{
	int rc = sync_path(f->fresh, O_RDONLY);

	if (rc == 0)
		rc = link(f->path, f->damaged) < 0 ? -errno : 0;
	if (rc == 0)
		rc = move_beside(f, "-wal");
	if (rc == 0)
		rc = move_beside(f, "-journal");
	if (rc == 0) {
		char shm[4300];

		snprintf(shm, sizeof shm, "%s-shm", f->path);
		unlink(shm);
		rc = sync_directory(f->path);
	}
	if (rc == 0)
		rc = rename(f->fresh, f->path) < 0 ? -errno : 0;
	if (rc == 0)
		rc = sync_directory(f->path);
	return rc == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "%s: %s", f->path, strerror(-rc));
}

/* ---- is there anything to repair? ---------------------------------------------------------------------------------------- */

static bool is_sound(struct repair *r)
{
	struct check c = { .db = r->from, .quiet = true, .silent = true };

	if (!r->schema_same || repair_log_broken(&r->log))
		return false;
	repair_steps(r);
	r->steps *= 100; /* it reads all, several times over */
	sqlite3_exec(r->from, "BEGIN", NULL, NULL, NULL);
	check_database(&c);
	check_past(&c);
	sqlite3_exec(r->from, "ROLLBACK", NULL, NULL, NULL);
	return c.findings == 0;
}

/* A sound one whose log isn't whole: it is taken as it is. */
static int accept_sound(struct repair *r, const char *path, bool log_whole)
{
	sqlite3 *db = NULL;
	char sql[160];
	struct stat st;
	int code;

	if (log_whole || stat(path, &st) < 0)
		return CLI_DONE;
	snprintf(sql, sizeof sql, "DELETE FROM engine WHERE key = 'open' AND value = '%llu'", (unsigned long long)st.st_ino);
	code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, sql, NULL, NULL, NULL);
	if (code == SQLITE_OK && sqlite3_changes(db) > 0)
		repair_tell(
			r, TELL_UNCERTAIN,
			"its daemon died, and the log that it left is missing or damaged: what was stored last may be, too; compare with what runs"
			" before anything is leased");
	if (code != SQLITE_OK)
		cli_fail(CLI_REFUSED, "%s: %s", path, sqlite3_errmsg(db));
	sqlite3_close(db);
	return code == SQLITE_OK ? CLI_DONE : CLI_REFUSED;
}

/* ---- the new one ---------------------------------------------------------------------------------------------------------- */

static int open_fresh(struct repair *r, const struct files *f)
{
	struct stat st;
	int fd = open(f->fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || fstat(f->lock, &st) < 0 || fchmod(fd, st.st_mode & 07777) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0) {
		cli_fail(CLI_REFUSED, "%s: %s", f->fresh, strerror(errno));
		if (fd >= 0)
			close(fd);
		return CLI_REFUSED;
	}
	close(fd);
	r->report = fopen(f->report, "wxe");
	if (r->report == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", f->report, strerror(errno));
	if (sqlite3_open_v2(f->fresh, &r->to, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
	    sqlite3_exec(r->to, "PRAGMA page_size = 2048; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL) !=
		    SQLITE_OK ||
	    schema_migrate(r->to) < 0 || repair_functions(r->to) != SQLITE_OK)
		return cli_fail(CLI_REFUSED, "%s: %s", f->fresh, sqlite3_errmsg(r->to));
	return CLI_DONE;
}

static void tell_log(struct repair *r)
{
	const struct repair_log *l = &r->log;

	if (!repair_log_broken(l))
		return;
	repair_tell(
		r, TELL_UNCERTAIN,
		"its log breaks off at page %llu of %llu: what lies behind, %llu transactions, is read page by page, of which %llu are damaged;"
		" compare with what runs",
		(unsigned long long)l->whole, (unsigned long long)l->frames, (unsigned long long)l->behind, (unsigned long long)l->unsound);
}

static int make_fresh(struct repair *r, struct check *check)
{
	tell_log(r);
	repair_do(r, "BEGIN");
	repair_read(r);
	repair_past(r);
	repair_merge(r);
	repair_settings(r);
	repair_leases(r);
	repair_rest(r);
	repair_doubt(r);
	repair_diff(r);
	repair_close_past(r);
	repair_do(r, "COMMIT");
	if (r->error < 0)
		return CLI_REFUSED;
	*check = (struct check){ .db = r->to, .quiet = true, .silent = r->json };
	check_database(check);
	check_past(check);
	return CLI_DONE;
}

static int rebuild(struct repair *r, struct files *f, struct check *check)
{
	int status = open_fresh(r, f);

	if (status == CLI_DONE)
		status = make_fresh(r, check);
	sqlite3_close(r->to);
	if (r->report != NULL && (fflush(r->report) != 0 || fsync(fileno(r->report)) < 0 || fclose(r->report) != 0) && status == CLI_DONE)
		status = cli_fail(CLI_REFUSED, "%s: %s", f->report, strerror(errno));
	r->report = NULL;
	if (status == CLI_DONE && check->findings > 0)
		return cli_fail(CLI_REFUSED, "%s: what could be made of it still has findings, and lies in %s; the database is as it was",
				f->path, f->fresh);
	if (status == CLI_DONE)
		status = exchange(f);
	if (status != CLI_DONE) {
		unlink(f->fresh);
		unlink(f->report);
	}
	return status;
}

/* ---- the command ------------------------------------------------------------------------------------------------------------ */

static json_t *lines(const struct repair *r, enum tell how)
{
	json_t *list = json_array();

	for (uint64_t i = 0; i < r->told[how]; i++)
		json_array_append_new(list, json_text(r->line[how][i], strlen(r->line[how][i])));
	return list;
}

static void summary(const struct repair *r, const struct files *f, const struct check *check, bool rebuilt)
{
	json_t *o;

	if (!r->json) {
		if (rebuilt) {
			cli_say(stdout,
				"%s: made anew: %llu clusters, %llu nodes, %llu blocks, %llu leases; %llu kept in part, %llu lost, %llu uncertain\n",
				f->path, (unsigned long long)check->clusters, (unsigned long long)check->nodes,
				(unsigned long long)check->blocks, (unsigned long long)check->leases,
				(unsigned long long)r->told[TELL_KEPT], (unsigned long long)r->told[TELL_LOST],
				(unsigned long long)r->told[TELL_UNCERTAIN]);
			cli_say(stdout, "the damaged one: %s\n", f->damaged);
			cli_say(stdout, "this list: %s\n", f->report);
		} else if (!r->quiet && r->told[TELL_UNCERTAIN] == 0) {
			cli_say(stdout, "%s: nothing to repair\n", f->path);
		}
		return;
	}
	o = json_pack("{s:b, s:o, s:o, s:o}", "repaired", rebuilt || r->told[TELL_UNCERTAIN] > 0, "kept", lines(r, TELL_KEPT), "lost",
		      lines(r, TELL_LOST), "uncertain", lines(r, TELL_UNCERTAIN));
	if (rebuilt) {
		json_object_set_new(o, "damaged", json_text(f->damaged, strlen(f->damaged)));
		json_object_set_new(o, "report", json_text(f->report, strlen(f->report)));
		json_object_set_new(o, "leases", json_integer((json_int_t)check->leases));
	}
	json_dumpf(o, stdout, JSON_ENSURE_ASCII | JSON_INDENT(1));
	putchar('\n');
	json_decref(o);
}

int repair_run(const char *path, bool json, bool quiet)
{
	struct repair r = { .json = json, .quiet = quiet };
	struct files f = { .lock = -1 };
	struct check check = { 0 };
	struct ipam_error error;
	bool rebuilt = false, log_whole = check_log(path, &error) != -EUCLEAN;
	int status = name_files(&f, path);

	if (status == CLI_DONE)
		status = lock_files(&f);
	if (status == CLI_DONE)
		status = repair_copy(&r, path, f.copy);
	if (status == CLI_DONE && is_sound(&r)) {
		sqlite3_close(r.from);
		r.from = NULL;
		status = accept_sound(&r, path, log_whole);
	} else if (status == CLI_DONE) {
		status = rebuild(&r, &f, &check);
		rebuilt = status == CLI_DONE;
	}
	sqlite3_close(r.from);
	sqlite3_close(r.ours);
	if (status == CLI_DONE)
		summary(&r, &f, &check, rebuilt);
	if (status == CLI_DONE && r.told[TELL_KEPT] + r.told[TELL_LOST] + r.told[TELL_UNCERTAIN] > 0)
		status = CLI_REFUSED;
	for (int how = 0; how < TELLS; how++) {
		for (uint64_t i = 0; i < r.told[how]; i++)
			free(r.line[how][i]);
		free(r.line[how]);
	}
	if (f.lock >= 0)
		close(f.lock);
	return status;
}
