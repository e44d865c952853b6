#include "target_sqlite.h"

#include <unistd.h>

int sqlite_open(struct target *t)
{
	int rc = bench_db_open(t->path, &t->db);

	if (rc == 0)
		rc = bench_db_as_daemon(t->db, t->options.durable);
	if (rc == 0)
		rc = bench_db_add_node(t->db);
	t->worker[0] = (struct worker){ .target = t, .files = -1 };
	t->workers = 1;
	return rc;
}

void sqlite_target_close(struct target *t)
{
	bench_db_close(t->db);
	t->db = NULL;
	unlink(t->path);
}

int sqlite_insert(struct worker *w, const char *name)
{
	return bench_db_insert(w->target->db, name);
}

int sqlite_delete(struct worker *w, const char *name)
{
	return bench_db_delete(w->target->db, name);
}
