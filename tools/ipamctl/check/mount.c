/* The mount against the rows: every lease's file says what its row says, and no file is without a row. The daemon goes
 * on meanwhile, so what differs is looked at again before it counts. */
#include "ipamctl/check/mount.h"

#include "ipamctl/check/log.h"
#include "ipamctl/mountpoint.h"
#include "ipamctl/progress.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 5, BETWEEN = 200000000 /* ns */ };

#define ROWS                                                                                                                               \
	"SELECT l.id, c.name, n.name, l.name, l.ip4, l.ip6 FROM lease l JOIN node n ON n.id = l.node"                                      \
	" JOIN cluster c ON c.id = l.cluster"

struct node {
	int64_t id;
	char *cluster, *name;
};

struct walk {
	const char *mount;
	struct progress progress;
	struct node *node;
	size_t nodes;
};

static void wait_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = BETWEEN }, NULL);
}

/* An error of a mount that has ended isn't its files'. */
static void note_end(struct check *c, int error)
{
	if (mountpoint_ended(-error))
		c->failed = -error;
}

static bool read_file(struct check *c, const char *path, char *out, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, room - 1);

	if (n < 0)
		note_end(c, errno);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	out[n] = 0;
	return true;
}

/* Does line i of the content begin with this address and a slash? */
static bool says(const char *content, const char *ip4, const char *ip6)
{
	const char *const ip[] = { ip4, ip6 };

	for (int f = 0; f < 2; f++) {
		size_t n = ip[f] == NULL ? 0 : strlen(ip[f]);

		if (n == 0)
			continue;
		if (strncmp(content, ip[f], n) != 0 || content[n] != '/')
			return false;
		content += strcspn(content, "\n");
		content += *content == '\n';
	}
	return *content == 0;
}

/* Does the file of a row (id, cluster, node, lease, ip4, ip6) say what the row says? */
static bool row_agrees(struct check *c, const struct walk *w, sqlite3_stmt *row)
{
	char *path = NULL, content[256];
	bool good;

	if (asprintf(&path, "%s/%s/%s/%s", w->mount, check_text(row, 1), check_text(row, 2), check_text(row, 3)) < 0)
		abort();
	good = read_file(c, path, content, sizeof content) &&
	       says(content, (const char *)sqlite3_column_text(row, 4), (const char *)sqlite3_column_text(row, 5));
	free(path);
	return good;
}

/* The row as it is now: a connection of its own sees this moment, the walk's an older one. Without a log nobody has the database open
 * any more, and a reader would make one. */
static bool agrees_now(struct check *c, const struct walk *w, int64_t lease)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	bool good = false;

	if (!check_log_exists(sqlite3_db_filename(c->db, "main")))
		c->failed = -ENOTCONN;
	else if (sqlite3_open_v2(sqlite3_db_filename(c->db, "main"), &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
		 sqlite3_prepare_v2(db, ROWS " WHERE l.id = ?", -1, &stmt, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, lease);
		good = sqlite3_step(stmt) != SQLITE_ROW || row_agrees(c, w, stmt); /* or released since */
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return good;
}

static void compare(struct check *c, sqlite3_stmt *row, void *arg)
{
	struct walk *w = arg;
	bool good = row_agrees(c, w, row);

	progress_step(&w->progress);
	for (int i = 0; i < TRIES && !good && c->failed == 0; i++) {
		wait_a_little();
		good = agrees_now(c, w, sqlite3_column_int64(row, 0));
	}
	if (!good && c->failed == 0)
		check_finding(c, "the mount's '%s/%s/%s' doesn't say what its row says", check_text(row, 1), check_text(row, 2),
			      check_text(row, 3));
}

/* Visible entries of a directory. */
static int64_t entries(struct check *c, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int64_t n = 0;

	if (d == NULL) {
		note_end(c, errno);
		return -1;
	}
	errno = 0;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	note_end(c, errno);
	closedir(d);
	return n;
}

/* The number of a node's rows now; -1: the node has gone, or has another name. */
static int64_t count_rows(struct check *c, int64_t node, const char *name)
{
	sqlite3_stmt *stmt = NULL;
	int64_t rows = -1;

	if (sqlite3_prepare_v2(c->db, "SELECT (SELECT count(*) FROM lease WHERE node = n.id) FROM node n WHERE id = ? AND name = ?", -1,
			       &stmt, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, node);
		sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
		if (sqlite3_step(stmt) == SQLITE_ROW)
			rows = sqlite3_column_int64(stmt, 0);
	}
	sqlite3_finalize(stmt);
	return rows;
}

/* No file without a row, taken together with compare: as many of the one as of the other. */
static void check_node(struct check *c, const struct walk *w, const struct node *n)
{
	int64_t files = 0, rows = 1;
	char *path = NULL;

	if (asprintf(&path, "%s/%s/%s", w->mount, n->cluster, n->name) < 0)
		abort();
	for (int i = 0; i < TRIES && files != rows && c->failed == 0; i++) {
		if (i > 0)
			wait_a_little();
		files = entries(c, path);
		rows = count_rows(c, n->id, n->name);
	}
	if (files != rows && c->failed == 0)
		check_finding(c, "the mount's '%s/%s' has %lld files, the database %lld rows", n->cluster, n->name, (long long)files,
			      (long long)rows);
	free(path);
}

static void take_node(struct check *c, sqlite3_stmt *row, void *arg)
{
	struct walk *w = arg;
	struct node *bigger = reallocarray(w->node, w->nodes + 1, sizeof *bigger);

	(void)c;
	if (bigger == NULL)
		abort();
	w->node = bigger;
	w->node[w->nodes++] = (struct node){ sqlite3_column_int64(row, 0), strdup(check_text(row, 1)), strdup(check_text(row, 2)) };
}

void check_mount(struct check *c, const char *mount)
{
	struct walk w = { .mount = mount };

	progress_begin(&w.progress, "files", c->leases, !c->quiet);
	check_rows(c, ROWS, compare, &w);
	progress_end(&w.progress);
	if (c->failed < 0)
		return;
	/* Not those of other machines (held: enum ipam_held), whose leases are no rows here. Listed first, then counted: while a query
	 * runs, the connection sees an older moment. */
	check_rows(c, "SELECT n.id, c.name, n.name FROM node n JOIN cluster c ON c.id = n.cluster WHERE n.held = 0", take_node, &w);
	for (size_t i = 0; i < w.nodes; i++) {
		check_node(c, &w, &w.node[i]);
		free(w.node[i].cluster);
		free(w.node[i].name);
	}
	free(w.node);
}
