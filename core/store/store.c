#include "store/store.h"

#include "base/caller_options.h"
#include "store/checkpoint.h"
#include "store/guard.h"
#include "store/open_reading.h"
#include "store/schema.h"
#include "store/store_db.h"
#include "store/store_mark.h"
#include "store/store_watch.h"
#include "text/label.h"
#include "text/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	PAGE_SIZE = 2048, /* of a new database: a change writes six or seven pages, whatever is new in them */
	BUSY_MS = 5000,   /* how long a foreign writer (a shell) may hold the database */
};

static int fail(struct ipam_error *error, int rc, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error->text, sizeof error->text, format, ap);
	va_end(ap);
	return rc;
}

/* A lock of our own kind (flock) on the database's file: SQLite's own locks come and go with each transaction. The
 * descriptor stays open until the connection is closed, since closing any descriptor of a file drops its POSIX locks. */
int ipam_lock(const char *path, const struct ipam_options *options, struct ipam_error *error)
{
	struct ipam_options known;
	int fd, flags, rc = caller_options(&known, options, error);
	struct stat st;

	if (rc == 0)
		rc = guard_database(path, known.insecure_dir, error);
	if (rc < 0)
		return rc;
	flags = (known.read_only ? O_RDONLY : O_RDWR | (known.create ? O_CREAT : 0)) | O_CLOEXEC;
	fd = open(path, flags | O_NONBLOCK | O_NOCTTY, 0600); /* of a FIFO nobody may be at the other end */
	if (fd < 0)
		rc = fail(error, -errno, "%s: %s%s", path, strerror(errno),
			  errno == ENOENT && !known.create ? "; make it with 'ipamctl init'" : "");
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = fail(error, -EINVAL, "%s: not a regular file; name the SQLite file to use", path);
	else if (!lock_database(fd, LOCK_EX))
		rc = fail(error, -EBUSY, "%s: in use by another ipamfs; unmount that first, or name another file", path);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

static int set_up(struct store *s, const struct ipam_options *options)
{
	/* Sizes in KiB; the page cache keeps the upper levels of the indexes of millions of leases. */
	const char *pragmas = "PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY;"
			      "PRAGMA trusted_schema = OFF;";
	char page_size[64];

	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	if (sqlite3_exec(s->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
		return -EIO;
	if (options->read_only)
		return 0;
	s->full_now = true;
	snprintf(page_size, sizeof page_size, "PRAGMA page_size = %d", PAGE_SIZE); /* of no effect on one that has pages */
	if (sqlite3_exec(s->db, page_size, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(s->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL) != SQLITE_OK)
		return store_error(sqlite3_extended_errcode(s->db));
	store_log_start(s, options->log_pages);
	return 0;
}

static int identify(struct store *s, const char *path, bool read_only, struct ipam_error *error)
{
	int rc = schema_check(s->db);

	if (rc == 0 || (rc == 1 && !read_only) || (rc == -ENODATA && !read_only))
		return 0;
	if (rc == 1)
		return fail(error, -ENOTSUP, "%s: made by an older ipamfs; mount it once without 'ro', which brings it up to date", path);
	return fail(error, rc == -ENODATA ? -EINVAL : rc, "%s: %s", path, schema_error(rc, s->db));
}

static void first_difference(void *arg, bool foreign, const char *what)
{
	struct ipam_error *first = arg;

	(void)foreign;
	if (first->text[0] == 0)
		snprintf(first->text, sizeof first->text, "%s", what);
}

/* Before a row is read: a view or a trigger of somebody else's may do anything, and what is missing guards nothing. */
static int compare(struct store *s, const char *path, struct ipam_error *error)
{
	struct ipam_error first = { "" };
	int rc = schema_compare(s->db, first_difference, &first);

	if (rc > 0)
		return fail(error, -EUCLEAN, "%s: %.300s; 'ipamctl check' tells all, and 'ipamctl check --repair' makes it anew", path,
			    first.text);
	return rc;
}

static int settle_log(struct store *s)
{
	bool whole;
	int rc;

	s->unfolded = false;
	rc = store_log_rewrite(s);
	if (rc == 0)
		rc = store_log_gap(s, &s->lost);
	if (rc == 0)
		rc = store_mark(s, true);
	if (rc == 0)
		rc = store_fold(s, &whole);
	s->unfolded = rc < 0;
	return rc;
}

/* The log that was found, and the mark, into the database before anything else is stored. With a full disk it is read alone until
 * there is room: store_begin tries again. */
static int take_over(struct store *s, bool sound)
{
	int rc;

	s->mine = true;
	store_watch_again(s); /* SQLite has removed a log that an empty database can't have, or made its index anew */
	/* Who had it before has just closed it, knows it to be well, and has left the log as it is. */
	if (sound)
		return 0;
	rc = settle_log(s);
	s->unfolded = rc == -ENOSPC;
	store_watch_again(s);
	return s->unfolded ? 0 : rc;
}

/* Its own name, whatever links lead there and whatever becomes of them: SQLite, too, keeps the log beside the file itself. */
static int resolve(struct store *s, const char *path, char **out, struct ipam_error *error)
{
	struct stat locked, named;
	char *name = realpath(path, NULL);
	int rc = name == NULL || stat(name, &named) < 0 || fstat(s->lock_fd, &locked) < 0 ? -errno : 0;

	if (rc < 0)
		fail(error, rc, "%s: %s", path, strerror(-rc));
	else if (named.st_dev != locked.st_dev || named.st_ino != locked.st_ino)
		rc = fail(error, -ESTALE, "%s: another file now than the one that is in use by this name; put that back", path);
	if (rc < 0)
		free(name);
	else
		*out = name;
	return rc;
}

/* What SQLite has at its end is folded back and its log removed only where all is well: see store_close. */
static int open_database(struct store *s, const char *path, bool read_only, struct ipam_error *error)
{
	int code = sqlite3_open_v2(path, &s->db, (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX, NULL);

	if (code != SQLITE_OK)
		return fail(error, -EIO, "%s: %s", path, s->db != NULL ? open_error(s->db) : "out of memory");
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return identify(s, path, read_only, error);
}

static int open_locked(struct store *s, const char *path, const struct ipam_options *options, struct ipam_error *error)
{
	bool sound = options->since != NULL && options->since->sound;
	int rc = store_watch_start(s, path) < 0 ? fail(error, -ENOMEM, "out of memory") : 0;

	if (rc == 0 && !sound)
		rc = store_verify_log(path, options->boot, error);
	if (rc == 0 && !sound && !options->read_only)
		store_trim_log(path, s->boot);
	if (rc == 0)
		rc = open_database(s, path, options->read_only, error);
	if (rc == 0)
		rc = set_up(s, options);
	if (rc == 0 && !options->read_only)
		rc = schema_migrate(s->db);
	if (rc == 0)
		rc = compare(s, path, error);
	if (rc == 0 && !options->read_only)
		rc = take_over(s, sound);
	if (rc < 0 && error->text[0] == 0)
		fail(error, rc, "%s: %s", path,
		     s->broken[0] == 0 && sqlite3_errcode(s->db) == SQLITE_OK ? "can't be brought up to date" : store_message(s));
	return rc;
}

int store_open(const char *path, const struct ipam_options *options, struct store **out, struct ipam_error *error)
{
	struct store *s = calloc(1, sizeof *s);
	char *name = NULL;
	int rc;

	if (s == NULL)
		return fail(error, -ENOMEM, "out of memory");
	s->lock_fd = -1;
	s->full = options->sync == IPAM_SYNC_FULL;
	s->keep_names = options->keep_names;
	s->put_aside = options->put_aside;
	s->arg = options->arg;
	if (options->boot != NULL)
		snprintf(s->boot, sizeof s->boot, "%s", options->boot);
	else
		boot_id_read(s->boot);
	rc = options->lock > 0 ? fcntl(options->lock, F_DUPFD_CLOEXEC, 3) : ipam_lock(path, options, error);
	if (rc >= 0) {
		s->lock_fd = rc;
		rc = resolve(s, path, &name, error);
	}
	if (rc == 0)
		rc = open_locked(s, name, options, error);
	free(name);
	if (rc < 0)
		store_close(s);
	else
		*out = s;
	return rc;
}

int store_open_ahead(const char *path, struct store **out, struct ipam_error *error)
{
	const struct ipam_options options = { .read_only = true };
	struct store *s = calloc(1, sizeof *s);
	int rc;

	if (s == NULL)
		return fail(error, -ENOMEM, "out of memory");
	s->lock_fd = -1;
	rc = open_database(s, path, true, error);
	if (rc == 0)
		rc = set_up(s, &options);
	if (rc == 0)
		rc = compare(s, path, error);
	if (rc < 0)
		store_close(s);
	else
		*out = s;
	return rc;
}

/* The end of one that was opened to be changed: its mark goes, and then the log may be folded back and removed. Where something is wrong,
 * or the mark can't go, what lies there stays as it is: a mark and no log is what a loss looks like. */
static bool end_well(struct store *s)
{
	return store_watch(s) == 0 && store_mark(s, false) == 0 && s->broken[0] == 0 && s->trouble[0] == 0;
}

void store_close(struct store *s)
{
	bool fold;

	if (s == NULL)
		return;
	fold = s->mine && end_well(s);
	for (int i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(s->cache[i].stmt);
	if (fold) {
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		if (s->keep_names)
			store_log_stays(s);
	}
	sqlite3_close(s->db);
	store_watch_stop(s);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}

void store_leave(struct store *s)
{
	if (s->broken[0] == 0)
		s->mine = false; /* the mark stays: it is another's at once */
	store_close(s);
}

const char *store_path(const struct store *s)
{
	return s->file[STORE_DB].path;
}

unsigned store_lost(const struct store *s)
{
	return s->lost;
}

bool store_broken(const struct store *s)
{
	return s->broken[0] != 0;
}

const char *store_message(struct store *s)
{
	if (s->broken[0] != 0 || s->trouble[0] != 0)
		return s->broken[0] != 0 ? s->broken : s->trouble;
	snprintf(s->message, sizeof s->message, "%s%s%s", sqlite3_errmsg(s->db), s->system != 0 ? ": " : "",
		 s->system != 0 ? strerror(s->system) : "");
	return s->message;
}

int store_begin(struct store *s, enum store_sync sync)
{
	bool full = sync == STORE_FULL || (sync == STORE_AS_OPENED && s->full);

	int rc = store_watch(s);

	if (rc == 0 && s->unfolded) {
		rc = settle_log(s);
		store_watch_again(s);
	}
	if (rc < 0)
		return rc;
	if (full != s->full_now) {
		/* Not a cached statement: this pragma acts when it is compiled. */
		const char *sql = full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";

		if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
			return store_error(sqlite3_extended_errcode(s->db));
		s->full_now = full;
	}
	return store_run(s, "BEGIN IMMEDIATE", "");
}

int store_commit(struct store *s)
{
	return store_run(s, "COMMIT", "");
}

void store_rollback(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		store_run(s, "ROLLBACK", "");
}

int store_save(struct store *s)
{
	return store_run(s, "SAVEPOINT change", "");
}

int store_unsave(struct store *s, bool undo)
{
	int rc = undo ? store_run(s, "ROLLBACK TO change", "") : 0;

	return rc < 0 ? rc : store_run(s, "RELEASE change", "");
}

int store_put_next_id(struct store *s, uint64_t next_id)
{
	return store_run(s, "UPDATE sequence SET next_id = ?1 WHERE next_id < ?1", "i", (int64_t)next_id);
}

int store_touch(struct store *s)
{
	return store_run(s, "UPDATE sequence SET next_id = next_id", "");
}

int store_put_boot(struct store *s, uint64_t id, const char *boot_id)
{
	return store_run_one(s, "INSERT INTO boot VALUES (?, ?)", "it", (int64_t)id, boot_id);
}

int store_add_cluster(struct store *s, uint64_t id, const char *name, const struct ipam_attr *a)
{
	return store_run_one(s,
			     "INSERT INTO cluster (id, name, uid, gid, mode, atime, mtime, ctime, btime)"
			     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			     "itiiiiiii", (int64_t)id, name, (int64_t)a->uid, (int64_t)a->gid, (int64_t)a->mode, a->atime, a->mtime,
			     a->ctime, a->btime);
}

int store_rename_cluster(struct store *s, uint64_t id, const char *name)
{
	return store_run_one(s, "UPDATE cluster SET name = ? WHERE id = ?", "ti", name, (int64_t)id);
}

int store_delete_cluster(struct store *s, uint64_t id)
{
	return store_run_one(s, "DELETE FROM cluster WHERE id = ?", "i", (int64_t)id);
}

int store_delete_cidrs(struct store *s, uint64_t cluster)
{
	return store_run(s, "DELETE FROM cidr WHERE cluster = ?", "i", (int64_t)cluster);
}

int store_add_cidr(struct store *s, uint64_t cluster, size_t position, const struct cidr *cidr, unsigned node_mask, const char *selector)
{
	char text[CIDR_TEXT], first[33], last[33];

	cidr_print(cidr, text);
	cidr_print_key(cidr->family, cidr->base, first);
	cidr_print_key(cidr->family, cidr_last(cidr), last);
	return store_run_one(s,
			     "INSERT INTO cidr (cluster, position, cidr, node_mask, first_key, last_key, selector)"
			     " VALUES (?, ?, ?, ?, ?, ?, ?)",
			     "iitittt", (int64_t)cluster, (int64_t)position, text, (int64_t)node_mask, first, last, selector);
}

int store_delete_reserved(struct store *s, uint64_t cluster)
{
	return store_run(s, "DELETE FROM reserved WHERE cluster = ?", "i", (int64_t)cluster);
}

int store_add_reserved(struct store *s, uint64_t cluster, size_t position, const struct ipam_reserved *r)
{
	char text[CIDR_RANGE_TEXT];

	cidr_print_range(&r->range, text);
	return store_run_one(s, "INSERT INTO reserved VALUES (?, ?, ?, ?)", "iiti", (int64_t)cluster, (int64_t)position, text,
			     (int64_t)r->services);
}

int store_add_node(struct store *s, uint64_t id, uint64_t cluster, const char *name, const struct ipam_attr *a)
{
	return store_run_one(s,
			     "INSERT INTO node (id, cluster, name, uid, gid, mode, atime, mtime, ctime, btime)"
			     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			     "iitiiiiiii", (int64_t)id, (int64_t)cluster, name, (int64_t)a->uid, (int64_t)a->gid, (int64_t)a->mode,
			     a->atime, a->mtime, a->ctime, a->btime);
}

int store_rename_node(struct store *s, uint64_t id, const char *name)
{
	return store_run_one(s, "UPDATE node SET name = ? WHERE id = ?", "ti", name, (int64_t)id);
}

int store_delete_node(struct store *s, uint64_t id)
{
	return store_run_one(s, "DELETE FROM node WHERE id = ?", "i", (int64_t)id);
}

int store_put_labels(struct store *s, uint64_t node, const char *labels)
{
	int rc = store_run(s, "DELETE FROM label WHERE node = ?", "i", (int64_t)node);
	struct label l;

	while (rc == 0 && labels_next(&labels, &l))
		rc = store_run_one(s, "INSERT INTO label VALUES (?, ?, ?)", "iTT", (int64_t)node, l.key, l.key_size, l.value, l.value_size);
	return rc;
}

int store_add_block(struct store *s, uint64_t id, uint64_t cluster, uint64_t node, const struct cidr *cidr)
{
	char text[CIDR_TEXT], first[33], last[33];

	cidr_print(cidr, text);
	cidr_print_key(cidr->family, cidr->base, first);
	cidr_print_key(cidr->family, cidr_last(cidr), last);
	return store_run_one(s, "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)", "iiittt", (int64_t)id, (int64_t)cluster,
			     (int64_t)node, text, first, last);
}

int store_delete_block(struct store *s, uint64_t id)
{
	return store_run_one(s, "DELETE FROM block WHERE id = ?", "i", (int64_t)id);
}

int store_put_given(struct store *s, uint64_t block, unsigned family, u128 addr, uint64_t lease)
{
	char text[CIDR_ADDR_TEXT];

	cidr_print_addr(family, addr, text);
	return store_run(s, "UPDATE block SET given = ?, given_lease = ? WHERE id = ?", "tii", text, (int64_t)lease, (int64_t)block);
}

/* The texts of a lease's addresses, NULL for a family it hasn't. */
struct addr_texts {
	char buffer[CIDR_FAMILIES][CIDR_ADDR_TEXT];
	const char *text[CIDR_FAMILIES];
};

static void print_addrs(const struct store_lease *l, struct addr_texts *out)
{
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		out->text[f] = l->has[f] ? out->buffer[f] : NULL;
		if (l->has[f])
			cidr_print_addr(f, l->addr[f], out->buffer[f]);
	}
}

int store_add_lease(struct store *s, const struct store_lease *l)
{
	const struct ipam_attr *a = &l->attr;
	struct addr_texts ip;

	print_addrs(l, &ip);
	return store_run_one(s, "INSERT INTO lease VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "iiitttiiiiiiiiii",
			     (int64_t)l->id, (int64_t)l->cluster, (int64_t)l->node, l->name, ip.text[CIDR_V4], ip.text[CIDR_V6],
			     (int64_t)a->uid, (int64_t)a->gid, (int64_t)a->mode, a->atime, a->mtime, a->ctime, a->btime,
			     (int64_t)l->generation, (int64_t)l->boot, (int64_t)l->ephemeral);
}

int store_rename_lease(struct store *s, uint64_t id, const char *name, int64_t ctime)
{
	return store_run_one(s, "UPDATE lease SET name = ?, ctime = ?, generation = generation + 1 WHERE id = ?", "tii", name, ctime,
			     (int64_t)id);
}

int store_delete_lease(struct store *s, uint64_t id)
{
	return store_run_one(s, "DELETE FROM lease WHERE id = ?", "i", (int64_t)id);
}

int store_put_lease(struct store *s, const struct store_lease *l)
{
	struct addr_texts ip;

	print_addrs(l, &ip);
	return store_run_one(s, "UPDATE lease SET ip4 = ?, ip6 = ?, mtime = ?, ctime = ?, generation = ? WHERE id = ?", "ttiiii",
			     ip.text[CIDR_V4], ip.text[CIDR_V6], l->attr.mtime, l->attr.ctime, (int64_t)l->generation, (int64_t)l->id);
}

int store_put_times(struct store *s, uint64_t lease, const struct ipam_attr *a, uint32_t generation)
{
	return store_run(s, "UPDATE lease SET atime = ?, mtime = ?, ctime = ?, generation = ? WHERE id = ?", "iiiii", a->atime, a->mtime,
			 a->ctime, (int64_t)generation, (int64_t)lease);
}

int store_delete_xattrs(struct store *s, uint64_t lease)
{
	return store_run(s, "DELETE FROM lease_xattr WHERE lease = ?", "i", (int64_t)lease);
}

int store_add_xattr(struct store *s, uint64_t lease, const char *name, const void *value, size_t size)
{
	/* A blob of no bytes needs a pointer all the same, or it is NULL. */
	return store_run_one(s, "INSERT INTO lease_xattr VALUES (?, ?, ?)", "itb", (int64_t)lease, name, size > 0 ? value : "", size);
}

int store_put_attr(struct store *s, enum ipam_kind kind, uint64_t id, unsigned which, const struct ipam_attr *a)
{
#define PUT_ATTR(table, more)                                                                                                              \
	"UPDATE " table " SET uid = iif(?1 & 1, ?2, uid), gid = iif(?1 & 2, ?3, gid), mode = iif(?1 & 4, ?4, mode),"                       \
	" atime = iif(?1 & 8, ?5, atime), mtime = iif(?1 & 16, ?6, mtime), ctime = ?7" more " WHERE id = ?8"
	static const char *const sql[] = {
		[IPAM_CLUSTER] = PUT_ATTR("cluster", ""),
		[IPAM_NODE] = PUT_ATTR("node", ""),
		[IPAM_LEASE] = PUT_ATTR("lease", ", generation = generation + iif(?1 & 16, 1, 0)"),
	};
#undef PUT_ATTR

	return store_run(s, sql[kind], "iiiiiiii", (int64_t)which, (int64_t)a->uid, (int64_t)a->gid, (int64_t)a->mode, a->atime, a->mtime,
			 a->ctime, (int64_t)id);
}

int store_put_setting(struct store *s, uint64_t owner, enum ipam_setting setting, uint64_t value)
{
	char text[32];

	settings_print(setting, value, text);
	return store_run_one(s, "INSERT OR REPLACE INTO setting VALUES (?, ?, ?)", "itt", (int64_t)owner, ipam_setting_name(setting), text);
}

int store_delete_settings(struct store *s, uint64_t owner)
{
	return store_run(s, "DELETE FROM setting WHERE owner = ?", "i", (int64_t)owner);
}

int store_put_rest(struct store *s, const struct store_rest *rest)
{
	char text[CIDR_ADDR_TEXT];

	cidr_print_addr(rest->family, rest->addr, text);
	return store_run_one(s, "INSERT OR REPLACE INTO resting VALUES (?, ?, ?)", "iti", (int64_t)rest->cluster, text, rest->until);
}

int store_shorten_rest(struct store *s, const struct store_rest *rest)
{
	char text[CIDR_ADDR_TEXT];

	cidr_print_addr(rest->family, rest->addr, text);
	return store_run(s, "UPDATE resting SET until = ? WHERE cluster = ? AND address = ? AND until > ?", "iiti", rest->until,
			 (int64_t)rest->cluster, text, rest->until);
}

int store_delete_rest(struct store *s, const struct store_rest *rest)
{
	char text[CIDR_ADDR_TEXT];

	cidr_print_addr(rest->family, rest->addr, text);
	return store_run(s, "DELETE FROM resting WHERE cluster = ? AND address = ? AND until <= ?", "iti", (int64_t)rest->cluster, text,
			 rest->until);
}

int store_describe_lease(struct store *s, uint64_t id, bool keep, int64_t ctime, uint32_t generation)
{
	return store_run_one(s, "UPDATE lease SET ephemeral = iif(?, 0, ephemeral), ctime = ?, generation = ? WHERE id = ?", "iiii",
			     (int64_t)keep, ctime, (int64_t)generation, (int64_t)id);
}

int store_put_xattr(struct store *s, uint64_t lease, const char *name, const void *value, size_t size)
{
	return store_run_one(s, "INSERT OR REPLACE INTO lease_xattr VALUES (?, ?, ?)", "itb", (int64_t)lease, name, size > 0 ? value : "",
			     size);
}

int store_add_network(struct store *s, uint64_t id, uint64_t node, const char *name)
{
	return store_run_one(s, "INSERT INTO network VALUES (?, ?, ?)", "iit", (int64_t)id, (int64_t)node, name);
}

int store_delete_network(struct store *s, uint64_t id)
{
	return store_run(s, "DELETE FROM network WHERE id = ?", "i", (int64_t)id);
}

int store_put_last(struct store *s, uint64_t network, unsigned range, unsigned family, u128 addr)
{
	char text[CIDR_ADDR_TEXT];

	cidr_print_addr(family, addr, text);
	/* The network may be gone by now: then so is this. */
	return store_run(s, "INSERT OR REPLACE INTO network_last SELECT id, ?2, ?3 FROM network WHERE id = ?1", "iit", (int64_t)network,
			 (int64_t)range, text);
}

int store_delete_last(struct store *s, uint64_t network, unsigned range)
{
	return store_run(s, "DELETE FROM network_last WHERE network = ? AND range = ?", "ii", (int64_t)network, (int64_t)range);
}

int store_add_history(struct store *s, uint64_t number, int64_t time, const struct ipam_event *event,
		      const char *const address[CIDR_FAMILIES])
{
	return store_run_one(s, "INSERT INTO history VALUES (?, ?, nullif(?, 0), nullif(?, 0), ?, ?, ?)", "iiiittT", (int64_t)number, time,
			     (int64_t)event->cluster, (int64_t)event->node, address[CIDR_V4], address[CIDR_V6], event->line,
			     event->size - 1);
}

int store_trim_history(struct store *s, unsigned rows, int64_t before)
{
	int rc = store_run(s,
			   "DELETE FROM history WHERE id <= (SELECT max(id) FROM"
			   " (SELECT id, time FROM history ORDER BY id LIMIT ?) WHERE time < ?)",
			   "ii", (int64_t)rows, before);

	return rc < 0 ? rc : sqlite3_changes(s->db);
}
