/* A Node without podCIDRs: a block of each family in the mount first, then written to the Node.
 *
 * The mount never gives a block twice, and the API never lets podCIDRs change once they are set; so whatever is lost on the way may be
 * done again. What is in the mount for a Node is what it is given, also after a crash between the two. */
#include "assign.h"

#include "cli/say.h"
#include "clock.h"
#include "metrics.h"
#include "queue.h"
#include "release.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PASSED_OVER = 4096, /* blocks that other Nodes' podCIDRs lie in are tried at most */
	PATCH_TRIES = 3,    /* before it is reported */
	KEYS_FRESH_MS = 100,
};

/* ---- writing them to the Node -------------------------------------------------------------------------------------------- */

static json_t *patch_of(const struct task *task, const struct pod_cidrs *cidrs)
{
	json_t *list = json_array();
	char text[CIDR_TEXT], first[CIDR_TEXT] = "";

	for (unsigned i = 0; i < cidrs->n; i++) {
		cidr_print(&cidrs->cidr[i], text);
		if (i == 0)
			strcpy(first, text);
		json_array_append_new(list, json_string(text));
	}
	/* The uid is a precondition: never another Node of the name. */
	return json_pack("{s:{s:s}, s:{s:s, s:o}}", "metadata", "uid", task->uid, "spec", "podCIDR", first, "podCIDRs", list);
}

/* What the API has now, after a patch that failed or whose answer was lost. */
static struct result read_anew(struct worker *w, struct task *task, const struct pod_cidrs *wanted, const char *why, bool for_good)
{
	char *path = work_path(task->name, ""), text[NODE_CIDRS_TEXT];
	struct call call = { .method = "GET", .path = path, .wanted = node_wanted };
	struct answer a;
	struct seen seen = { 0 };
	struct result result = RETRY;
	int rc;

	if (path == NULL)
		return RETRY;
	rc = work_call(w, &call, &a);
	free(path);
	if (rc == 0 && a.status == 200)
		rc = seen_read(a.json, w->work->keys, &seen);
	else
		rc = -EAGAIN;
	if (rc == 0 && strcmp(seen.uid, task->uid) != 0) {
		if (table_see(w->work->table, &seen) == 0) /* another one of the name */
			result = AGAIN;
	} else if (rc == 0 && seen.cidrs.n == 0) {
		if (for_good || task->tries >= PATCH_TRIES)
			result = work_refuse(w, task, REFUSED_PATCH, FAILED_REASON, "podCIDRs %s can't be written: %s",
					     pod_cidrs_text(wanted, text), why);
	} else if (rc == 0 && pod_cidrs_same(&seen.cidrs, wanted)) {
		table_patched(w->work->table, task, wanted);
		metrics_add(METRIC_PATCHED, 1);
		result = SETTLED;
	} else if (rc == 0) {
		cli_log(LOG_WARNING, "%s: somebody else gave it %s meanwhile", task->name, pod_cidrs_text(&seen.cidrs, text));
		if (table_see(w->work->table, &seen) == 0)
			result = AGAIN;
	}
	seen_free(&seen);
	answer_free(&a);
	return result;
}

static struct result write_to_node(struct worker *w, struct task *task, const struct pod_cidrs *cidrs)
{
	char *path = work_path(task->name, "?fieldManager=ipamkube"), text[NODE_CIDRS_TEXT];
	json_t *body = patch_of(task, cidrs);
	struct call call = { .method = "PATCH", .path = path, .type = "application/merge-patch+json", .body = body, .wanted = node_wanted };
	struct pod_cidrs has;
	struct answer a = { 0 };
	int rc = -ENOMEM;

	if (path != NULL && body != NULL) {
		table_sent(w->work->table, task, true);
		rc = work_call(w, &call, &a);
	}
	json_decref(body);
	free(path);
	pod_cidrs_read(json_object_get(a.json, "spec"), &has);
	if (rc == 0 && a.status == 200 && pod_cidrs_same(&has, cidrs)) {
		answer_free(&a);
		table_patched(w->work->table, task, cidrs);
		metrics_add(METRIC_PATCHED, 1);
		cli_log(LOG_INFO, "%s: given %s", task->name, pod_cidrs_text(cidrs, text));
		return SETTLED;
	}
	answer_free(&a);
	metrics_add(METRIC_PATCH_ERRORS, 1);
	if (rc == -ECANCELED)
		return RETRY;
	if (rc == 0 && a.status >= 400 && a.status < 500)
		table_sent(w->work->table, task, false); /* refused, so it wasn't done */
	if (rc == 0 && a.status == 404)
		return RETRY; /* gone: the watch will say so */
	if (rc == 0 && a.status == 429)
		return RETRY;
	if (rc == 0 && a.status == 200)
		snprintf(a.error, sizeof a.error, "the answer has others");
	if (work_is_news(task))
		cli_log(LOG_WARNING, "%s: podCIDRs %s weren't written: %s", task->name, pod_cidrs_text(cidrs, text), a.error);
	return read_anew(w, task, cidrs, a.error, rc == 0 && (a.status == 403 || a.status == 422));
}

/* ---- a block in the mount --------------------------------------------------------------------------------------------------- */

/* The selectors of now may name other labels than are kept. Of many Nodes at once, not each has to ask. */
static int labels_suffice(struct worker *w)
{
	int64_t now = now_ms();
	struct keys keys;
	bool same;
	int rc;

	if (now - atomic_load(&w->work->keys_at) < KEYS_FRESH_MS)
		return true;
	rc = site_keys(w->work->site, &keys);
	if (rc < 0)
		return rc;
	same = keys_same(&keys, w->work->keys);
	keys_free(&keys);
	if (same)
		atomic_store(&w->work->keys_at, now);
	return same;
}

/* out: what it got, which is asked for where the mount didn't say. */
static struct result delegate(struct worker *w, struct task *task, struct pod_cidrs *out)
{
	struct blocks made = { 0 };
	int rc = labels_suffice(w);

	if (rc == 0) {
		halt_set(w->work->relist);
		return RETRY;
	}
	if (rc > 0)
		rc = batch_delegate(w->work->batch, task->name, task->labels, NULL, &made);
	if (rc == -EEXIST)
		return AGAIN;
	if (rc == -ENOSPC)
		return work_refuse(w, task, REFUSED_NO_BLOCK, NO_BLOCK_REASON, "cluster %s has no block left%s%s", w->work->site->cluster,
				   *task->labels == 0 ? "" : " for ", task->labels);
	if (rc < 0)
		return work_failed(w, task, "delegating a block", rc);
	metrics_add(METRIC_DELEGATED, 1);
	if (made.n == 0)
		rc = site_blocks(w->work->site, task->name, &made);
	if (rc < 0)
		return work_failed(w, task, "its blocks", rc);
	pod_cidrs_of_blocks(&made, out);
	blocks_free(&made);
	return SETTLED;
}

/* Given back, to take the next ones: the mount goes on after those it gave last. */
static int give_back(struct worker *w, struct task *task)
{
	int rc = work_may_write(w) ? site_remove(w->work->site, task->name) : -ECANCELED;

	return rc == -ENOENT ? 0 : rc;
}

struct result assign(struct worker *w, struct task *task, bool mounted, const struct blocks *mount)
{
	struct pod_cidrs cidrs, first = { 0 };
	struct result result = SETTLED;
	char who[256], text[NODE_CIDRS_TEXT];
	bool fresh = task->fresh || (mounted && mount->n == 0);

	pod_cidrs_of_blocks(mount, &cidrs);
	for (unsigned i = 0; result.outcome == OUTCOME_SETTLED; i++) {
		int rc = 0;

		if (mounted && !fresh) {
			/* What Nodes have is theirs, though the mount couldn't adopt it. */
			if (!table_overlaps(w->work->table, task->name, &cidrs, who))
				return work_may_write(w) ? write_to_node(w, task, &cidrs) : RETRY;
			if (task->sent)
				return work_refuse(w, task, REFUSED_OVERLAP, FAILED_REASON,
						   "blocks %s overlap the podCIDRs of Node %s, and may have been written already",
						   pod_cidrs_text(&cidrs, text), who);
			if (i == PASSED_OVER || (first.n > 0 && pod_cidrs_same(&first, &cidrs)))
				result = work_refuse(w, task, REFUSED_NO_BLOCK, NO_BLOCK_REASON,
						     "each free block of cluster %s overlaps another Node's podCIDRs",
						     w->work->site->cluster);
			if (first.n == 0)
				first = cidrs;
		}
		if (mounted && i == 0 && mount->n > 0) {
			struct result may = release(w, task, mount);

			if (may.outcome != OUTCOME_SETTLED)
				return may;
		}
		if (mounted)
			rc = give_back(w, task);
		if (rc < 0)
			return work_failed(w, task, "giving its blocks back", rc);
		fresh = false;
		if (result.outcome != OUTCOME_SETTLED || !work_may_write(w))
			break;
		result = delegate(w, task, &cidrs);
		mounted = result.outcome == OUTCOME_SETTLED;
	}
	return result.outcome == OUTCOME_SETTLED ? RETRY : result;
}
