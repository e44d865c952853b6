#include "patrol.h"

#include "cli/say.h"
#include "clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Names alone, and, rarely, what each of them has. */
enum { EVERY_MS = 10000, ALL_EVERY = 30, OWN_EVERY = 3 };

struct patrol {
	struct table *table;
	const struct site *site;
	const struct halt *halt;
	bool whole;
	char *cidrs; /* as they were */
	pthread_t thread;
};

struct round {
	struct table *table;
	int rc;
};

static void mounted(void *arg, const char *name)
{
	struct round *r = arg;

	if (table_mounted(r->table, name) < 0)
		r->rc = -ENOMEM;
}

int patrol_mount(struct table *t, const struct site *s)
{
	struct round r = { .table = t };
	int rc;

	table_mount(t);
	rc = site_nodes(s, mounted, &r);
	if (rc == 0)
		rc = r.rc;
	if (rc < 0)
		cli_log(LOG_WARNING, "%s: %s", s->path, strerror(-rc));
	else
		table_missing(t);
	return rc;
}

static void look_at_cidrs(struct patrol *p)
{
	char *now = NULL;

	if (site_read(p->site, NULL, "cidrs", &now) < 0)
		return;
	if (p->cidrs == NULL || strcmp(p->cidrs, now) != 0)
		table_freed(p->table);
	free(p->cidrs);
	p->cidrs = now;
}

static void *go_round(void *arg)
{
	struct patrol *p = arg;

	for (unsigned n = 1; !halt_sleep(p->halt, jitter(EVERY_MS)); n++) {
		bool well = !p->whole || patrol_mount(p->table, p->site) == 0;

		if (p->whole)
			look_at_cidrs(p);
		if (well && n % (p->whole ? ALL_EVERY : OWN_EVERY) == 0)
			table_resync(p->table);
	}
	return NULL;
}

struct patrol *patrol_begin(struct table *t, const struct site *s, bool whole, const struct halt *halt)
{
	struct patrol *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	*p = (struct patrol){ .table = t, .site = s, .whole = whole, .halt = halt };
	if (pthread_create(&p->thread, NULL, go_round, p) != 0) {
		free(p);
		return NULL;
	}
	return p;
}

void patrol_end(struct patrol *p)
{
	if (p == NULL)
		return;
	pthread_join(p->thread, NULL);
	free(p->cidrs);
	free(p);
}
