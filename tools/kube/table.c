#include "table.h"

#include "clock.h"
#include "metrics.h"
#include "queue.h"
#include "span.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* More than one in so many. */
enum { MANY_SHARE = 3 };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->name, ((const struct known *)b)->name);
}

struct table *table_new(void)
{
	struct table *t = calloc(1, sizeof *t);
	pthread_condattr_t attr;

	if (t == NULL)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->work, &attr);
	pthread_cond_init(&t->idle, &attr);
	pthread_condattr_destroy(&attr);
	t->listing = true;
	return t;
}

static void entry_free(struct known *e)
{
	free(e->name);
	free(e->uid);
	free(e->labels);
	free(e->said);
	free(e);
}

/* For what another has. */
static bool waits(const struct known *e)
{
	return e->refused == REFUSED_NO_BLOCK || e->refused == REFUSED_OVERLAP;
}

void table_tally(struct table *t, const struct known *e, int sign)
{
	static const enum metric metric[REFUSALS] = {
		[REFUSED_NO_BLOCK] = METRIC_REFUSED_NO_BLOCK, [REFUSED_FOREIGN] = METRIC_REFUSED_FOREIGN,
		[REFUSED_OVERLAP] = METRIC_REFUSED_OVERLAP,   [REFUSED_PATCH] = METRIC_REFUSED_PATCH,
		[REFUSED_LEASES] = METRIC_REFUSED_LEASES,     [REFUSED_MANY] = METRIC_REFUSED_MANY,
	};

	metrics_add(METRIC_NODES, e->present ? sign : 0);
	metrics_add(METRIC_NODES_WITHOUT, e->present && e->cidrs.n == 0 && !e->cidrs.odd ? sign : 0);
	if (e->refused != REFUSED_NOT)
		metrics_add(metric[e->refused], sign);
	t->present += (size_t)(e->present ? sign : 0);
	t->strangers += (size_t)(e->stranger ? sign : 0);
	t->waiting += (size_t)(waits(e) ? sign : 0);
}

void table_forget(struct table *t, struct known *e)
{
	queue_drop(t, e);
	table_tally(t, e, -1);
	table_set_cidrs(t, e, &(struct pod_cidrs){ 0 });
	tdelete(e, &t->root, by_name);
	t->entries--;
	entry_free(e);
}

void table_free(struct table *t)
{
	if (t == NULL)
		return;
	while (t->root != NULL)
		table_forget(t, *(struct known **)t->root);
	free(t->heap);
	pthread_cond_destroy(&t->work);
	pthread_cond_destroy(&t->idle);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct known *find(struct table *t, const char *name)
{
	struct known key = { .name = (char *)name };
	struct known **at = tfind(&key, &t->root, by_name);

	return at == NULL ? NULL : *at;
}

static struct known *make(struct table *t, const char *name)
{
	struct known *e = calloc(1, sizeof *e);

	if (e == NULL)
		return NULL;
	e->name = strdup(name);
	e->uid = strdup("");
	e->labels = strdup("");
	e->since = t->list_at;
	t->entries++;
	if (e->name == NULL || e->uid == NULL || e->labels == NULL || queue_reserve(t) < 0 || tsearch(e, &t->root, by_name) == NULL) {
		t->entries--;
		entry_free(e);
		return NULL;
	}
	return e;
}

/* Changed, or to be looked at anyhow. */
static void changed(struct table *t, struct known *e)
{
	e->version++;
	e->tries = 0;
	if (!t->listing)
		queue_add(t, e, now_ms());
}

/* ---- what the API tells ------------------------------------------------------------------------------------------------- */

void table_list(struct table *t)
{
	pthread_mutex_lock(&t->lock);
	t->listing = true;
	t->epoch++;
	t->list_at = now_ms();
	pthread_mutex_unlock(&t->lock);
}

static int replace(char **text, const char *by)
{
	char *copy;

	if (strcmp(*text, by) == 0)
		return 0;
	copy = strdup(by);
	if (copy == NULL)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 1;
}

static int take(struct table *t, struct known *e, const struct seen *s)
{
	bool known = e->present, named = *e->uid != 0, renewed = strcmp(e->uid, s->uid) != 0, different;
	struct pod_cidrs cidrs = s->cidrs;
	int labels = replace(&e->labels, s->labels), uid = replace(&e->uid, s->uid);

	if (labels < 0 || uid < 0)
		return -ENOMEM;
	/* Once set they stay so: this was said before what is known here. */
	if (!renewed && known && cidrs.n == 0 && !cidrs.odd)
		cidrs = e->cidrs;
	different = !pod_cidrs_same(&cidrs, &e->cidrs);
	if (renewed) {
		e->fresh = named && labels > 0;
		e->sent = false;
		e->refused = REFUSED_NOT;
	}
	if (renewed || different || !known)
		e->stranger = cidrs.n > 0;
	if (renewed || different || !known)
		e->since = t->listing ? t->list_at : now_ms();
	e->present = true;
	e->deleting = s->deleting;
	e->api_version = s->version;
	if (different)
		table_set_cidrs(t, e, &cidrs);
	/* What the patch did that is under way, most likely: its worker will know. */
	if (different && known && !renewed && labels == 0 && e->running && e->sent)
		e->echo = true;
	else if (renewed || different || !known || labels > 0)
		changed(t, e);
	return 0;
}

/* Told late, or by a server that is behind: what is known came after it. */
static bool is_older(const struct known *e, const struct seen *s)
{
	return s->version != 0 && e->api_version != 0 && s->version < e->api_version;
}

int table_see(struct table *t, const struct seen *s)
{
	struct known *e;
	int rc = -ENOMEM;

	pthread_mutex_lock(&t->lock);
	e = find(t, s->name);
	if (e != NULL && !t->listing && is_older(e, s)) {
		pthread_mutex_unlock(&t->lock);
		return 1;
	}
	if (e == NULL)
		e = make(t, s->name);
	else
		table_tally(t, e, -1);
	if (e != NULL) {
		rc = take(t, e, s);
		e->epoch = t->epoch;
		table_tally(t, e, 1);
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

static void gone(struct table *t, struct known *e, int64_t when)
{
	table_tally(t, e, -1);
	e->since = when;
	e->present = e->deleting = e->sent = e->stranger = e->fresh = false;
	e->refused = REFUSED_NOT;
	table_set_cidrs(t, e, &(struct pod_cidrs){ 0 });
	table_tally(t, e, 1);
	changed(t, e);
}

void table_gone(struct table *t, const struct seen *s)
{
	struct known *e;

	pthread_mutex_lock(&t->lock);
	e = find(t, s->name);
	if (e != NULL && e->present && strcmp(e->uid, s->uid) == 0 && !is_older(e, s)) {
		e->api_version = s->version;
		gone(t, e, now_ms());
	}
	pthread_mutex_unlock(&t->lock);
}

void table_mount(struct table *t)
{
	pthread_mutex_lock(&t->lock);
	t->round++;
	pthread_mutex_unlock(&t->lock);
}

int table_mounted(struct table *t, const char *name)
{
	struct known *e;

	pthread_mutex_lock(&t->lock);
	e = find(t, name);
	if (e == NULL) {
		e = make(t, name);
		if (e != NULL)
			changed(t, e);
	}
	if (e != NULL) {
		e->round = t->round;
		if (e->mounted_at == 0)
			e->mounted_at = t->listing ? t->list_at : now_ms();
	}
	pthread_mutex_unlock(&t->lock);
	return e == NULL ? -ENOMEM : 0;
}

/* ---- all of them ------------------------------------------------------------------------------------------------------- */

/* twalk_r passes a pointer through. */
struct walk {
	struct table *t;
	void (*fn)(struct walk *w, struct known *e);
	enum phase phase;
	const char *name;
	const struct pod_cidrs *cidrs;
	struct known *found;
	int64_t since;
	size_t stayed;
};

static void visit(const void *node, VISIT when, void *arg)
{
	struct walk *w = arg;

	if (when == postorder || when == leaf)
		w->fn(w, *(struct known *const *)node);
}

static void sweep_one(struct walk *w, struct known *e)
{
	if (e->present && e->epoch != w->t->epoch)
		gone(w->t, e, w->t->list_at);
}

void table_sweep(struct table *t)
{
	struct walk w = { .t = t, .fn = sweep_one };

	pthread_mutex_lock(&t->lock);
	twalk_r(t->root, visit, &w);
	pthread_mutex_unlock(&t->lock);
}

static void start_one(struct walk *w, struct known *e)
{
	enum phase phase = !e->present ? PHASE_REMOVE : e->cidrs.n > 0 || e->cidrs.odd ? PHASE_ADOPT : PHASE_REST;

	if (phase == w->phase)
		queue_add(w->t, e, now_ms());
}

void table_start(struct table *t, enum phase phase)
{
	struct walk w = { .t = t, .fn = start_one, .phase = phase };

	pthread_mutex_lock(&t->lock);
	twalk_r(t->root, visit, &w);
	if (phase == PHASE_REST)
		t->listing = false;
	pthread_mutex_unlock(&t->lock);
}

static void resync_one(struct walk *w, struct known *e)
{
	queue_add(w->t, e, now_ms());
}

void table_resync(struct table *t)
{
	struct walk w = { .t = t, .fn = resync_one };

	pthread_mutex_lock(&t->lock);
	if (!t->listing)
		twalk_r(t->root, visit, &w);
	pthread_mutex_unlock(&t->lock);
}

static void missing_one(struct walk *w, struct known *e)
{
	if (e->present && e->refused == REFUSED_NOT && e->cidrs.n > 0 && e->round != w->t->round)
		queue_add(w->t, e, now_ms());
}

void table_missing(struct table *t)
{
	struct walk w = { .t = t, .fn = missing_one };

	pthread_mutex_lock(&t->lock);
	if (!t->listing)
		twalk_r(t->root, visit, &w);
	pthread_mutex_unlock(&t->lock);
}

static void freed_one(struct walk *w, struct known *e)
{
	if (waits(e))
		queue_add(w->t, e, now_ms());
}

void table_freed(struct table *t)
{
	struct walk w = { .t = t, .fn = freed_one };

	pthread_mutex_lock(&t->lock);
	if (t->waiting > 0)
		twalk_r(t->root, visit, &w);
	pthread_mutex_unlock(&t->lock);
}

static void overlap_one(struct walk *w, struct known *e)
{
	if (w->found == NULL && (e->stranger || w->t->blind) && strcmp(e->name, w->name) != 0 && pod_cidrs_overlap(&e->cidrs, w->cidrs))
		w->found = e;
}

bool table_overlaps(struct table *t, const char *name, const struct pod_cidrs *cidrs, char who[256])
{
	struct walk w = { .t = t, .fn = overlap_one, .name = name, .cidrs = cidrs };

	pthread_mutex_lock(&t->lock);
	w.found = span_find(t, name, cidrs);
	if (w.found == NULL && (t->strangers > 0 || t->blind))
		twalk_r(t->root, visit, &w);
	if (w.found != NULL) {
		size_t n = strnlen(w.found->name, 255);

		memcpy(who, w.found->name, n);
		who[n] = 0;
		if (!w.found->stranger) /* somebody took it from the mount */
			queue_add(t, w.found, now_ms());
	}
	pthread_mutex_unlock(&t->lock);
	return w.found != NULL;
}

bool table_claimed(struct table *t, const char *name, const struct blocks *blocks, const struct pod_cidrs *kept)
{
	bool claimed = true;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; claimed && i < blocks->n; i++) {
		claimed = span_is_anothers(t, name, &blocks->cidr[i]);
		for (unsigned k = 0; k < kept->n; k++)
			claimed = claimed || cidr_compare(&kept->cidr[k], &blocks->cidr[i]) == 0;
	}
	pthread_mutex_unlock(&t->lock);
	return claimed;
}

void table_beware(struct table *t, int64_t until)
{
	pthread_mutex_lock(&t->lock);
	t->beware = until;
	pthread_mutex_unlock(&t->lock);
}

static void stayed_one(struct walk *w, struct known *e)
{
	w->stayed += e->present && e->mounted_at != 0 && e->mounted_at <= w->since;
}

/* Those that came later are another server's, perhaps. */
bool table_many_gone(struct table *t, int64_t since)
{
	struct walk w = { .t = t, .fn = stayed_one, .since = since };
	size_t left;
	bool many;

	pthread_mutex_lock(&t->lock);
	left = t->entries - t->present;
	many = now_ms() < t->beware || left * MANY_SHARE > (left == 1 ? MANY_SHARE : t->entries);
	if (!many && left > 0) {
		twalk_r(t->root, visit, &w);
		many = w.stayed == 0 || (left > 1 && left * MANY_SHARE > left + w.stayed);
	}
	pthread_mutex_unlock(&t->lock);
	return many;
}

bool table_has_cidrs(struct table *t, const char *name, struct pod_cidrs *out)
{
	struct known *e;
	bool has;

	pthread_mutex_lock(&t->lock);
	e = find(t, name);
	has = e != NULL && e->present && e->cidrs.n > 0;
	if (has)
		*out = e->cidrs;
	if (e != NULL)
		queue_add(t, e, now_ms());
	pthread_mutex_unlock(&t->lock);
	return has;
}
