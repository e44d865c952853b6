/* Reading the past: by a connection of its own, so that neither the daemon nor its changes wait. */
#include "ipam.h"

#include "store/open_reading.h"
#include "store/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 5000 };

/* A statement for each way to walk: by the index of an address, or all of it. */
enum narrow { BY_IP4, BY_IP6, IN_ORDER, NARROWS };

struct ipam_history {
	sqlite3 *db;
	sqlite3_stmt *read[NARROWS], *last, *present[CIDR_FAMILIES];
};

#define REST " AND id > ?1 AND id <= ?2 AND time < ?3 AND (?4 = 0 OR cluster = ?4) AND (?5 = 0 OR node = ?5) ORDER BY id"
#define COLUMNS "SELECT id, time, line, cluster, node FROM history WHERE "
static const char *const sql[NARROWS] = {
	[BY_IP4] = COLUMNS "ip4 = ?6" REST,
	[BY_IP6] = COLUMNS "ip6 = ?6" REST,
	[IN_ORDER] = COLUMNS "1" REST,
};

/* From the clusters on, so that the index of a cluster's addresses is used. */
#define PRESENT(column)                                                                                                                    \
	"SELECT c.name, n.name, l.name, l.btime FROM cluster c JOIN lease l ON l.cluster = c.id AND l." column " = ?1"                     \
	" JOIN node n ON n.id = l.node ORDER BY c.id"
static const char *const present_sql[CIDR_FAMILIES] = { [CIDR_V4] = PRESENT("ip4"), [CIDR_V6] = PRESENT("ip6") };

static int prepare_one(struct ipam_history *h, const char *text, sqlite3_stmt **out)
{
	return sqlite3_prepare_v3(h->db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK ? 0 : -EIO;
}

static int prepare(struct ipam_history *h)
{
	int rc = prepare_one(h, "SELECT max(id) FROM history", &h->last);

	for (int i = 0; rc == 0 && i < NARROWS; i++)
		rc = prepare_one(h, sql[i], &h->read[i]);
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		rc = prepare_one(h, present_sql[f], &h->present[f]);
	return rc;
}

static int out_of_files(sqlite3 *db)
{
	int error = sqlite3_errcode(db) == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;

	return error == EMFILE || error == ENFILE ? -error : 0;
}

static int open_database(struct ipam_history *h, const char *path)
{
	int rc;

	if (!schema_is_file(path))
		return -EINVAL;
	if (open_reading(path, &h->db) != SQLITE_OK)
		return h->db == NULL                             ? -ENOMEM :
		       out_of_files(h->db) < 0                   ? out_of_files(h->db) :
		       sqlite3_errcode(h->db) == SQLITE_CANTOPEN ? -ENOENT :
								   -EIO;
	sqlite3_busy_timeout(h->db, BUSY_MS);
	rc = schema_check(h->db);
	if (rc < 0 && out_of_files(h->db) < 0) /* its log's */
		return out_of_files(h->db);
	if (rc == 1)
		return -ENOTSUP;
	return rc < 0 ? rc : prepare(h);
}

int ipam_history_open(const char *path, struct ipam_history **out, struct ipam_error *error)
{
	struct ipam_history *h = calloc(1, sizeof *h);
	int rc = h == NULL ? -ENOMEM : open_database(h, path);
	bool named = rc == -EINVAL || rc == -ENODATA || rc == -EUCLEAN;
	const char *why = rc == -ENOTSUP ? "of another version of ipamfs; mount it with this one, which brings it up to date" :
			  rc == -ENOENT  ? "there is no such file, or it can't be read" :
			  named          ? schema_error(rc, NULL) :
					   strerror(-rc);

	error->text[0] = 0;
	if (rc < 0) {
		snprintf(error->text, sizeof error->text, "%s: %s", path, why);
		ipam_history_close(h);
		return rc;
	}
	*out = h;
	return 0;
}

void ipam_history_close(struct ipam_history *h)
{
	if (h == NULL)
		return;
	sqlite3_finalize(h->last);
	for (int i = 0; i < NARROWS; i++)
		sqlite3_finalize(h->read[i]);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		sqlite3_finalize(h->present[f]);
	sqlite3_close(h->db);
	free(h);
}

int ipam_history_last(struct ipam_history *h, uint64_t *number)
{
	int code = sqlite3_step(h->last);

	*number = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(h->last, 0) : 0;
	sqlite3_reset(h->last);
	return code == SQLITE_ROW ? 0 : -EIO;
}

static sqlite3_stmt *choose(struct ipam_history *h, const struct ipam_history_query *q)
{
	if (q->address != NULL)
		return h->read[strchr(q->address, ':') != NULL ? BY_IP6 : BY_IP4];
	return h->read[IN_ORDER];
}

int ipam_history_read(struct ipam_history *h, const struct ipam_history_query *q,
		      int (*fn)(void *arg, const struct ipam_history_event *event), void *arg)
{
	sqlite3_stmt *s = choose(h, q);
	int rc = 0, code;

	sqlite3_bind_int64(s, 1, (int64_t)q->after);
	sqlite3_bind_int64(s, 2, q->last != 0 ? (int64_t)q->last : INT64_MAX);
	sqlite3_bind_int64(s, 3, q->before != 0 ? q->before : INT64_MAX);
	sqlite3_bind_int64(s, 4, (int64_t)q->cluster);
	sqlite3_bind_int64(s, 5, (int64_t)q->node);
	if (q->address != NULL)
		sqlite3_bind_text(s, 6, q->address, -1, SQLITE_STATIC);
	while (rc == 0 && (code = sqlite3_step(s)) != SQLITE_DONE) {
		struct ipam_history_event event;

		if (code != SQLITE_ROW) {
			rc = code == SQLITE_NOMEM ? -ENOMEM : -EIO;
			break;
		}
		event.number = (uint64_t)sqlite3_column_int64(s, 0);
		event.time = sqlite3_column_int64(s, 1);
		event.line = (const char *)sqlite3_column_text(s, 2);
		event.size = (size_t)sqlite3_column_bytes(s, 2);
		event.cluster = (uint64_t)sqlite3_column_int64(s, 3);
		event.node = (uint64_t)sqlite3_column_int64(s, 4);
		rc = event.line == NULL ? -ENOMEM : fn(arg, &event);
	}
	sqlite3_reset(s); /* ends the transaction: the log can be folded back */
	sqlite3_clear_bindings(s);
	return rc;
}

int ipam_history_present(struct ipam_history *h, const char *address, int (*fn)(void *arg, const struct ipam_history_holder *holder),
			 void *arg)
{
	sqlite3_stmt *s = h->present[strchr(address, ':') != NULL ? CIDR_V6 : CIDR_V4];
	int rc = 0, code;

	sqlite3_bind_text(s, 1, address, -1, SQLITE_STATIC);
	while (rc == 0 && (code = sqlite3_step(s)) != SQLITE_DONE) {
		struct ipam_history_holder holder;

		if (code != SQLITE_ROW) {
			rc = -EIO;
			break;
		}
		holder.cluster = (const char *)sqlite3_column_text(s, 0);
		holder.node = (const char *)sqlite3_column_text(s, 1);
		holder.name = (const char *)sqlite3_column_text(s, 2);
		holder.since = sqlite3_column_int64(s, 3);
		rc = holder.cluster == NULL || holder.node == NULL || holder.name == NULL ? -ENOMEM : fn(arg, &holder);
	}
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc;
}
