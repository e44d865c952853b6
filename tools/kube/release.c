/* Before a block goes: whose it was is asked for by name, and what is freed is freed late. */
#include "release.h"

#include "cli/say.h"
#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MISSED = 6, /* what the API says otherwise by name, the watch will tell; after so many looks it didn't, and all is read anew */
	HELD_SAY_MS = 60000,
};

static bool is_not_found(const struct answer *a)
{
	const char *reason = text_in(a->json, "reason");

	/* Its own words, not the 404 of whatever is in between. */
	return a->status == 404 && reason != NULL && strcmp(reason, "NotFound") == 0;
}

/* It has another Node of the name, or other podCIDRs, than is known here. */
static struct result take_over(struct worker *w, const struct task *task, const struct seen *seen)
{
	if (table_see(w->work->table, seen) == 0)
		return AGAIN;
	if (task->tries >= MISSED)
		halt_set(w->work->relist);
	return RETRY;
}

/* Does the API say the same of this Node, now? */
static struct result confirm(struct worker *w, const struct task *task)
{
	char *path = work_path(task->name, "");
	struct call call = { .method = "GET", .path = path, .wanted = node_wanted };
	struct result result = RETRY;
	struct seen seen = { 0 };
	struct answer a;

	if (path == NULL)
		return RETRY;
	if (work_call(w, &call, &a) == 0) {
		if (is_not_found(&a)) {
			if (!task->present)
				result = SETTLED;
			else if (task->tries >= MISSED)
				halt_set(w->work->relist);
		} else if (a.status == 200 && seen_read(a.json, w->work->keys, &seen) == 0 && strcmp(seen.name, task->name) == 0) {
			result = task->present && strcmp(seen.uid, task->uid) == 0 && pod_cidrs_same(&seen.cidrs, &task->cidrs) ?
					 SETTLED :
					 take_over(w, task, &seen);
		}
	}
	seen_free(&seen);
	answer_free(&a);
	free(path);
	return result;
}

static struct result hold(struct worker *w)
{
	int64_t now = now_ms(), said = atomic_load(&w->work->held_at);

	if ((said == 0 || now - said > HELD_SAY_MS) && atomic_compare_exchange_strong(&w->work->held_at, &said, now))
		cli_log(LOG_WARNING,
			"many Nodes are gone at once, or the API server went back: their blocks are kept for %lld s (--mass-release-delay)",
			(long long)w->work->options->mass_release_ms / 1000);
	return (struct result){ OUTCOME_REFUSED, REFUSED_MANY };
}

struct result release(struct worker *w, struct task *task, const struct blocks *mount)
{
	const struct options *o = w->work->options;
	int64_t for_ms = now_ms() - task->since;
	struct result result;

	/* What other Nodes have can't be given to anybody else, so it need not wait: they do. */
	if (!task->present || !table_claimed(w->work->table, task->name, mount, &task->cidrs)) {
		if (for_ms < o->release_ms) {
			task->wait_ms = o->release_ms - for_ms;
			return (struct result){ OUTCOME_LATER, REFUSED_NOT };
		}
		if (for_ms < o->mass_release_ms && table_many_gone(w->work->table, task->since))
			return hold(w);
	}
	result = confirm(w, task);
	return result.outcome == OUTCOME_SETTLED && !work_may_write(w) ? RETRY : result;
}
