/* What the controller does with a Node: the mount and the API are made to say the same. */
#include "reconcile.h"

#include "assign.h"
#include "cli/say.h"
#include "metrics.h"
#include "release.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HOLDER_TRIES = 6, /* a node that holds a block and isn't known to have it is waited for */
};

/* ---- podCIDRs that are there ------------------------------------------------------------------------------------------------ */

struct holders {
	struct worker *w;
	const char *name; /* of the Node that wants the blocks */
	const struct pod_cidrs *cidrs;
	char who[256]; /* whose Node has such podCIDRs, too; or "" */
};

static void look_at_holder(void *arg, const char *name)
{
	struct holders *h = arg;
	struct pod_cidrs theirs;

	/* Another's Node will change what it holds where it doesn't hold its own podCIDRs. */
	if (strcmp(name, h->name) != 0 && table_has_cidrs(h->w->work->table, name, &theirs) && pod_cidrs_overlap(&theirs, h->cidrs))
		snprintf(h->who, sizeof h->who, "%s", name);
}

/* Somebody has one of the blocks. */
static struct result held(struct worker *w, const struct task *task)
{
	struct holders h = { .w = w, .name = task->name, .cidrs = &task->cidrs };
	char text[NODE_CIDRS_TEXT];
	int rc = site_holders(w->work->site, &task->cidrs, look_at_holder, &h);

	if (rc < 0)
		return work_failed(w, task, "blocks", rc);
	if (h.who[0] == 0 && task->tries < HOLDER_TRIES)
		return RETRY;
	return work_refuse(w, task, REFUSED_OVERLAP, FAILED_REASON, "podCIDRs %s overlap those of node %s; left alone",
			   pod_cidrs_text(&task->cidrs, text), h.who[0] == 0 ? "that the mount has" : h.who);
}

static struct result refused_cidrs(struct worker *w, const struct task *task, int rc)
{
	char text[NODE_CIDRS_TEXT];

	switch (rc) {
	case -EADDRINUSE:
		return held(w, task);
	case -EADDRNOTAVAIL:
	case -EINVAL:
		return work_refuse(w, task, REFUSED_FOREIGN, FAILED_REASON, "podCIDRs %s are no blocks of cluster %s; left alone",
				   pod_cidrs_text(&task->cidrs, text), w->work->site->cluster);
	case -EBUSY:
		return work_refuse(w, task, REFUSED_LEASES, FAILED_REASON, "the mount's node has leases outside the podCIDRs %s",
				   pod_cidrs_text(&task->cidrs, text));
	default:
		return work_failed(w, task, "adopting its podCIDRs", rc);
	}
}

static struct result adopt(struct worker *w, const struct task *task)
{
	char text[NODE_CIDRS_TEXT];
	int rc = batch_delegate(w->work->batch, task->name, task->labels, &task->cidrs, NULL);

	if (rc == -EEXIST)
		return AGAIN;
	if (rc < 0)
		return refused_cidrs(w, task, rc);
	metrics_add(METRIC_ADOPTED, 1);
	cli_log(LOG_INFO, "%s: adopted %s", task->name, pod_cidrs_text(&task->cidrs, text));
	return SETTLED;
}

/* The mount has others: what the API has counts. */
static struct result exchange(struct worker *w, struct task *task, const struct blocks *mount)
{
	struct result may = release(w, task, mount);
	char text[NODE_CIDRS_TEXT];
	int rc;

	if (may.outcome != OUTCOME_SETTLED)
		return may;
	rc = site_exchange(w->work->site, task->name, &task->cidrs);
	if (rc == -ENOENT)
		return AGAIN;
	/* Its node has what others wait for, and one of these may have its. Where nobody waits it keeps what it has: its pods may have
	 * addresses of these. */
	if ((rc == -EADDRINUSE || rc == -EADDRNOTAVAIL) && table_claimed(w->work->table, task->name, mount, &(struct pod_cidrs){ 0 }) &&
	    site_remove(w->work->site, task->name) == 0)
		table_freed(w->work->table);
	if (rc < 0)
		return refused_cidrs(w, task, rc);
	metrics_add(METRIC_EXCHANGED, 1);
	table_freed(w->work->table);
	cli_log(LOG_NOTICE, "%s: adopted %s instead of other blocks", task->name, pod_cidrs_text(&task->cidrs, text));
	return SETTLED;
}

/* The mount knows the labels that selectors name: they decide where another block comes from. */
static struct result keep_labels(struct worker *w, const struct task *task)
{
	char *there = NULL, *wanted = NULL;
	size_t n;
	int rc;

	if (w->work->keys->n == 0)
		return SETTLED;
	n = strlen(task->labels);
	rc = site_read(w->work->site, task->name, "labels", &there);
	if (rc == 0 && asprintf(&wanted, "%s%s", task->labels, n == 0 ? "" : "\n") < 0) {
		wanted = NULL;
		rc = -ENOMEM;
	}
	for (char *p = wanted; rc == 0 && *p != 0; p++)
		if (*p == ' ')
			*p = '\n';
	if (rc == 0 && strcmp(wanted, there) != 0)
		rc = site_write(w->work->site, task->name, "labels", wanted, O_TRUNC);
	free(there);
	free(wanted);
	if (rc == -ENOENT)
		return AGAIN;
	return rc < 0 ? work_failed(w, task, "its labels", rc) : SETTLED;
}

/* ---- Nodes that are gone ----------------------------------------------------------------------------------------------------- */

static struct result remove_node(struct worker *w, struct task *task, const struct blocks *mount)
{
	struct result may = release(w, task, mount);
	int rc;

	if (may.outcome != OUTCOME_SETTLED)
		return may;
	rc = site_remove(w->work->site, task->name);
	if (rc == -ENOENT)
		return AGAIN;
	if (rc == -ENOTEMPTY || rc == -EBUSY)
		return work_refuse(w, task, REFUSED_LEASES, "NodeNotRemoved", "the Node is gone, but the mount's node %s",
				   rc == -ENOTEMPTY ? "has leases still" : "is in use by a machine");
	if (rc < 0)
		return work_failed(w, task, "removing its node", rc);
	metrics_add(METRIC_REMOVED, 1);
	cli_log(LOG_INFO, "%s: gone, its blocks are free", task->name);
	table_freed(w->work->table);
	return SETTLED;
}

/* ---- a Node ------------------------------------------------------------------------------------------------------------------ */

struct result reconcile(struct worker *w, struct task *task)
{
	struct blocks mount = { 0 };
	struct result result = SETTLED;
	int rc = site_blocks(w->work->site, task->name, &mount);
	bool mounted = rc == 0;

	if (rc < 0 && rc != -ENOENT)
		return work_failed(w, task, w->work->site->path, rc);
	if (!work_may_write(w)) {
		blocks_free(&mount);
		return RETRY;
	}
	switch (plan_for(task->present, task->deleting, &task->cidrs, mounted, &mount)) {
	case PLAN_NOTHING:
		if (mounted)
			result = keep_labels(w, task);
		break;
	case PLAN_WAIT:
		break;
	case PLAN_DELEGATE:
	case PLAN_PATCH:
		result = assign(w, task, mounted, &mount);
		break;
	case PLAN_ADOPT:
		result = adopt(w, task);
		break;
	case PLAN_EXCHANGE:
		result = exchange(w, task, &mount);
		break;
	case PLAN_REMOVE:
		result = remove_node(w, task, &mount);
		break;
	case PLAN_REFUSE:
		result = work_refuse(w, task, REFUSED_FOREIGN, FAILED_REASON, "%s; left alone",
				     node_name_is_made_up(task->name) ? "its name is none that a directory can have, or it has no uid" :
									"its podCIDRs are no CIDRs, or more than one of each family");
		break;
	}
	blocks_free(&mount);
	return result;
}
