#include "damage.h"

#include <stdlib.h>
#include <string.h>

static const char *const name[] = {
	[T_SCHEMA] = "sqlite_schema",
	[T_CLUSTER] = "cluster",
	[T_NODE] = "node",
	[T_BLOCK] = "block",
	[T_LEASE] = "lease",
	[T_LEASE_NAME] = "lease_name",
	[T_LEASE_IP4] = "lease_ip4",
	[T_LEASE_IP6] = "lease_ip6",
	[T_HISTORY] = "history",
	[T_LABEL] = "label",
	[T_SETTING] = "setting",
	[T_RESERVED] = "reserved",
	[T_CIDR] = "cidr",
};

static enum tree tree_of(const char *s)
{
	for (unsigned i = 0; i < sizeof name / sizeof *name; i++)
		if (name[i] != NULL && strcmp(name[i], s) == 0)
			return i;
	return T_OTHER;
}

static sqlite3_stmt *query(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
		printf("%s: %s\n", sql, sqlite3_errmsg(db));
		exit(2);
	}
	return stmt;
}

static void take_pages(struct truth *t, sqlite3 *db)
{
	sqlite3_stmt *stmt = query(db, "PRAGMA page_count");

	sqlite3_step(stmt);
	t->pages = (size_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	t->tree = malloc(t->pages + 1);
	if (t->tree == NULL)
		abort();
	memset(t->tree, T_FREE, t->pages + 1);
	stmt = query(db, "SELECT pageno, name FROM dbstat");
	while (sqlite3_step(stmt) == SQLITE_ROW)
		t->tree[sqlite3_column_int64(stmt, 0)] = (unsigned char)tree_of((const char *)sqlite3_column_text(stmt, 1));
	sqlite3_finalize(stmt);
}

static void copy(char out[64], sqlite3_stmt *row, int column)
{
	const char *s = (const char *)sqlite3_column_text(row, column);

	snprintf(out, 64, "%s", s == NULL ? "" : s);
}

static void take_held(struct truth *t, sqlite3 *db)
{
	sqlite3_stmt *stmt = query(
		db,
		"SELECT l.cluster, l.id, c.name, n.name, l.name, l.ip4, l.ip6, EXISTS (SELECT 1 FROM history h WHERE h.cluster = l.cluster AND"
		" h.ip4 = l.ip4), EXISTS (SELECT 1 FROM history h WHERE h.cluster = l.cluster AND h.ip6 = l.ip6) FROM lease l JOIN node n ON n.id = l.node JOIN"
		" cluster c ON c.id = l.cluster");

	while (sqlite3_step(stmt) == SQLITE_ROW) {
		struct held *h;

		t->held = reallocarray(t->held, t->n + 1, sizeof *h);
		if (t->held == NULL)
			abort();
		h = &t->held[t->n++];
		h->cluster = sqlite3_column_int64(stmt, 0);
		h->id = sqlite3_column_int64(stmt, 1);
		copy(h->cluster_name, stmt, 2);
		copy(h->node, stmt, 3);
		copy(h->name, stmt, 4);
		copy(h->ip[0], stmt, 5);
		copy(h->ip[1], stmt, 6);
		h->past[0] = sqlite3_column_int(stmt, 7) == 1;
		h->past[1] = sqlite3_column_int(stmt, 8) == 1;
	}
	sqlite3_finalize(stmt);
}

static void add(char ***list, size_t *n, char *text)
{
	*list = reallocarray(*list, *n + 1, sizeof **list);
	if (*list == NULL || text == NULL)
		abort();
	(*list)[(*n)++] = text;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dump_table(sqlite3 *db, const char *table, char ***line, size_t *n)
{
	char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", table);
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK)
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			char *text = strdup(table);

			for (int i = 0; i < sqlite3_column_count(stmt); i++) {
				const char *value = (const char *)sqlite3_column_text(stmt, i);
				char *longer = NULL;

				if (asprintf(&longer, "%s\t%s", text, value == NULL ? "NULL" : value) < 0)
					abort();
				free(text);
				text = longer;
			}
			if (strncmp(text, "engine\topen", 11) == 0)
				free(text);
			else
				add(line, n, text);
		}
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
}

char **dump(sqlite3 *db, size_t *n)
{
	static const char *const table[] = { "cluster", "cidr",    "reserved", "node",         "block",   "lease",  "boot",  "lease_xattr",
					     "resting", "setting", "network",  "network_last", "history", "engine", "label", "sequence" };
	char **line = NULL;

	*n = 0;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		dump_table(db, table[i], &line, n);
	qsort(line, *n, sizeof *line, by_text);
	return line;
}

void dump_free(char **line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(line[i]);
	free(line);
}

/* What the history tells besides leases, and so can't be lost where that is whole. */
static void take_lists(struct truth *t, sqlite3 *db)
{
	sqlite3_stmt *stmt = query(
		db,
		"SELECT 'reserved' || char(9) || range FROM reserved UNION ALL SELECT 'label' || char(9) || key || char(9) || value FROM"
		" label UNION ALL SELECT 'setting' || char(9) || key || char(9) || value FROM setting UNION ALL SELECT 'cidr' || char(9)"
		" || cidr FROM cidr UNION ALL SELECT 'node' || char(9) || name FROM node UNION ALL SELECT 'cluster' || char(9) || name FROM"
		" cluster UNION ALL SELECT 'block' || char(9) || cidr FROM block");

	while (sqlite3_step(stmt) == SQLITE_ROW)
		add(&t->list, &t->lists, strdup((const char *)sqlite3_column_text(stmt, 0)));
	sqlite3_finalize(stmt);
}

void truth_take(struct truth *t, const char *path)
{
	sqlite3_stmt *stmt;
	sqlite3 *db = NULL;

	*t = (struct truth){ 0 };
	if (sqlite3_open(path, &db) != SQLITE_OK)
		abort();
	take_pages(t, db);
	take_held(t, db);
	take_lists(t, db);
	stmt = query(db, "SELECT min(id) > 1 FROM history");
	t->trimmed = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) == 1;
	sqlite3_finalize(stmt);
	t->line = dump(db, &t->lines);
	sqlite3_close(db);
}

void truth_free(struct truth *t)
{
	dump_free(t->line, t->lines);
	dump_free(t->list, t->lists);
	free(t->held);
	free(t->tree);
}
