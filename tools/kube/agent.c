/* agent — follows a worker node's own podCIDRs into the local mount. */
#include "cli/say.h"
#include "clock.h"
#include "commands.h"
#include "cover.h"
#include "follow.h"
#include "metrics.h"
#include "patrol.h"
#include "queue.h"
#include "start.h"
#include "work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] = "usage: ipamkube agent [--node NAME] [--cluster NAME] [--mount DIR] [OPTION...]\n"
			    "\n"
			    "Follows a Node's podCIDRs into the mount of its machine: waits until it has some, makes\n"
			    "the cluster if there is none, and in it the node with exactly these blocks. The CNI\n"
			    "plugin needs nothing else. If they change (the Node was made anew), the node's blocks\n"
			    "are exchanged, once no lease is outside; until then it says so, and tries again.\n"
			    "\n"
			    "  --node NAME              the Node ($NODE_NAME, or the host's name)\n"
			    "  --cluster NAME           the cluster in the mount (the only one)\n"
			    "  --cluster-cidr CIDR[/MASK][,...]   what the cluster is given if it lacks a podCIDR;\n"
			    "                           without a mask that of the podCIDR. Unless said, each podCIDR\n"
			    "                           becomes a CIDR of its own, if all that the cluster has are such\n"
			    "  --mount DIR              where ipamfs is mounted ($IPAMFS_MOUNT, or /run/ipamfs)\n"
			    "  --kubeconfig FILE        the API server and who asks ($KUBECONFIG, the pod's service\n"
			    "                           account, or ~/.kube/config)\n"
			    "  --context NAME           of the kubeconfig (its current one)\n"
			    "  --once                   do it now, and end; 1 if the Node has no podCIDRs yet\n"
			    "  --qps N --burst N        requests a second, and at once after a rest (20 and 30)\n"
			    "  --timeout TIME           of a request (15s)\n"
			    "  --metrics FILE           write metrics there, for node_exporter's textfile collector\n"
			    "\n"
			    "Exit status: 0 done, 1 refused, 2 usage.\n";

enum { ONCE_TRIES = 8, LIST_TRIES = 5, RETRY_MS = 500, RETRY_MOST_MS = 30000 };

struct agent {
	struct options o;
	struct covers said;
	struct site site;
	struct client *client;
	struct halt stop;
	struct table *table;
	struct keys keys; /* none: the blocks are known */
	struct follow node;
	enum { UNKNOWN, NO_NODE, NO_CIDRS, HAS_CIDRS } state; /* of the Node, as the API said last */
	bool seen;                                            /* in the list */
};

/* ---- the Node and the mount ------------------------------------------------------------------------------------------------ */

static struct result refused(struct worker *w, const struct task *task, int rc)
{
	char text[NODE_CIDRS_TEXT];

	pod_cidrs_text(&task->cidrs, text);
	switch (rc) {
	case -EADDRINUSE:
		return work_refuse(w, task, REFUSED_OVERLAP, FAILED_REASON, "another node of the mount's cluster %s holds of podCIDRs %s",
				   w->work->site->cluster, text);
	case -EADDRNOTAVAIL:
	case -EINVAL:
		return work_refuse(w, task, REFUSED_FOREIGN, FAILED_REASON, "podCIDRs %s are no blocks of the mount's cluster %s", text,
				   w->work->site->cluster);
	case -EBUSY:
		return work_refuse(w, task, REFUSED_LEASES, FAILED_REASON, "the mount has leases outside the new podCIDRs %s", text);
	default:
		return work_failed(w, task, w->work->site->path, rc);
	}
}

static struct result look(struct worker *w, struct task *task)
{
	const struct site *site = w->work->site;
	const struct agent *a = w->work->arg;
	struct blocks mount = { 0 };
	char text[NODE_CIDRS_TEXT];
	enum plan plan;
	int rc;

	/* A Node that is gone takes nothing with it: its pods run on until their end. */
	if (!task->present || (task->cidrs.n == 0 && !task->cidrs.odd))
		return SETTLED;
	if (task->cidrs.odd)
		return work_refuse(w, task, REFUSED_FOREIGN, FAILED_REASON, "its podCIDRs are no CIDRs, or more than one of each family");
	rc = cover(site, &a->said, &task->cidrs);
	if (rc < 0)
		return refused(w, task, rc);
	rc = site_blocks(site, task->name, &mount);
	if (rc < 0 && rc != -ENOENT)
		return refused(w, task, rc);
	plan = plan_for(true, false, &task->cidrs, rc == 0, &mount);
	rc = plan == PLAN_ADOPT    ? site_delegate(site, task->name, "", &task->cidrs) :
	     plan == PLAN_EXCHANGE ? site_exchange(site, task->name, &task->cidrs) :
				     0;
	if (rc == 0 && plan == PLAN_EXCHANGE)
		cover_trim(site, &mount, &task->cidrs);
	blocks_free(&mount);
	if (rc == -EEXIST)
		return AGAIN;
	if (rc < 0)
		return refused(w, task, rc);
	if (plan != PLAN_NOTHING) {
		metrics_add(plan == PLAN_ADOPT ? METRIC_ADOPTED : METRIC_EXCHANGED, 1);
		cli_log(LOG_NOTICE, "%s: has %s", task->name, pod_cidrs_text(&task->cidrs, text));
	}
	return SETTLED;
}

/* ---- what the API tells ------------------------------------------------------------------------------------------------------ */

static void item(void *arg, const json_t *node)
{
	struct agent *a = arg;
	struct seen s;
	int rc = seen_read(node, &a->keys, &s);
	bool none = s.cidrs.n == 0 && !s.cidrs.odd;

	if (rc == 0 && strcmp(s.name, a->o.node) == 0 && (rc = table_see(a->table, &s)) == 0) {
		a->seen = true;
		if (none && a->state != NO_CIDRS)
			cli_log(LOG_NOTICE, "%s: waits for its podCIDRs", s.name);
		a->state = none ? NO_CIDRS : HAS_CIDRS;
	}
	if (rc == -ENOMEM)
		cli_log(LOG_ERR, "out of memory");
	seen_free(&s);
}

static void change(void *arg, enum follow_change what, const json_t *node)
{
	struct agent *a = arg;
	struct seen s;

	if (what != FOLLOW_DELETED) {
		item(a, node);
		return;
	}
	if (seen_read(node, &a->keys, &s) == 0 && strcmp(s.name, a->o.node) == 0) {
		cli_log(LOG_NOTICE, "%s: the Node is gone; the mount keeps what it has", s.name);
		a->state = NO_NODE;
		table_gone(a->table, &s);
	}
	seen_free(&s);
}

static void look_at_all(struct agent *a)
{
	for (int phase = PHASE_ADOPT; phase <= PHASE_REST; phase++)
		table_start(a->table, (enum phase)phase);
	metrics_set(METRIC_LAST_SYNC, time(NULL));
}

static int list(struct agent *a)
{
	int rc;

	a->seen = false;
	table_list(a->table);
	rc = follow_list(&a->node);
	if (rc < 0 && rc != -ECANCELED)
		cli_log(LOG_WARNING, "Node %s can't be read: %s", a->o.node,
			a->node.answer.error[0] != 0 ? a->node.answer.error : strerror(-rc));
	if (rc < 0)
		return rc;
	if (!a->seen && a->state != NO_NODE)
		cli_log(LOG_NOTICE, "there is no Node %s", a->o.node);
	if (!a->seen)
		a->state = NO_NODE;
	table_sweep(a->table);
	look_at_all(a);
	metrics_set(METRIC_SYNCED, 1);
	return 0;
}

static int once(struct agent *a)
{
	if (table_settle(a->table, ONCE_TRIES, &a->stop) > 0 || halt_is(&a->stop))
		return CLI_REFUSED;
	return a->state == HAS_CIDRS ? CLI_DONE : CLI_REFUSED;
}

/* 0 while the watch can go on from where it was. */
static int watch(struct agent *a)
{
	int rc = follow_watch(&a->node);

	if (rc == -EPROTO || rc == -EACCES || rc == -EHOSTUNREACH)
		cli_log(LOG_WARNING, "the watch of Node %s: %s", a->o.node, a->node.answer.error);
	return rc == -EHOSTUNREACH ? 0 : rc;
}

static int follow(struct agent *a)
{
	unsigned failures = 0;
	bool listed = false;

	while (!halt_is(&a->stop)) {
		int64_t begun = now_ms();
		int rc = listed ? watch(a) : list(a);

		if (rc == 0 && a->o.once)
			return once(a);
		if (a->o.once && (failures == LIST_TRIES || rc == -EACCES))
			return CLI_REFUSED;
		failures = rc == 0 && (!listed || now_ms() - begun > RETRY_MS) ? 0 : failures + 1;
		listed = rc == 0;
		metrics_set(METRIC_SYNCED, listed);
		if (failures > 0)
			halt_sleep(&a->stop, backoff(failures, RETRY_MS, RETRY_MOST_MS));
	}
	return a->o.once ? CLI_REFUSED : CLI_DONE;
}

static int serve(struct agent *a)
{
	struct work work = {
		.look = look, .arg = a, .options = &a->o, .site = &a->site, .client = a->client, .halt = &a->stop, .keys = &a->keys
	};
	char *name = client_escape(a->o.node), *query = NULL;
	struct patrol *patrol = NULL;
	int status = CLI_REFUSED, rc = -ENOMEM;

	if (name != NULL && asprintf(&query, "&fieldSelector=metadata.name%%3D%s", name) < 0)
		query = NULL;
	free(name);
	a->node = (struct follow){ .conn = conn_new(a->client, &a->stop),
				   .path = "/api/v1/nodes",
				   .kind = "NodeList",
				   .query = query,
				   .timeout_ms = a->o.timeout_ms,
				   .arg = a,
				   .item = item,
				   .change = change };
	work.table = a->table = table_new();
	work.reporter = reporter_new(a->client, "ipamkube-agent", a->o.timeout_ms, &a->stop);
	if (query != NULL && a->node.conn != NULL && a->table != NULL && work.reporter != NULL)
		rc = work_begin(&work, 1);
	if (rc == 0 && (patrol = patrol_begin(a->table, &a->site, false, &a->stop)) == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		status = follow(a);
	else
		cli_fail(status, "%s", strerror(-rc));
	if (a->table != NULL)
		work_end(&work);
	reporter_end(work.reporter); /* which writes what waits, so before the halt */
	halt_set(&a->stop);
	patrol_end(patrol);
	metrics_set(METRIC_SYNCED, 0);
	metrics_end();
	table_free(a->table);
	conn_free(a->node.conn);
	follow_free(&a->node);
	free(query);
	return status;
}

static int run(int argc, char **argv)
{
	struct agent a = { .stop.fd = -1 };
	int status = options_parse(&a.o, OPTIONS_AGENT, argc, argv);

	if (status == CLI_DONE && a.o.cluster_cidr != NULL && covers_parse(a.o.cluster_cidr, &a.said) < 0)
		status = cli_fail(CLI_USAGE, "--cluster-cidr wants CIDR[/MASK], with commas between, not '%s'", a.o.cluster_cidr);
	if (status == CLI_DONE)
		status = start_up(&a.o, true, &a.stop, &a.site, &a.client);
	if (status == CLI_DONE)
		status = serve(&a);
	start_down(&a.stop, &a.site, &a.client);
	return status;
}

const struct command command_agent = { "agent", run, "follow a Node's podCIDRs into the mount of its machine", usage, false };
