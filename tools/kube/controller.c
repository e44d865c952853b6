/* controller — gives the Nodes of a cluster their podCIDRs, from the mount. */
#include "cli/say.h"
#include "clock.h"
#include "commands.h"
#include "dry.h"
#include "follow.h"
#include "metrics.h"
#include "patrol.h"
#include "queue.h"
#include "reconcile.h"
#include "start.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "usage: ipamkube controller [--cluster NAME] [--mount DIR] [--kubeconfig FILE] [OPTION...]\n"
			    "\n"
			    "Gives each Node of a Kubernetes cluster its podCIDRs, from a cluster of the mount: what\n"
			    "kube-controller-manager does otherwise (run that with --allocate-node-cidrs=false).\n"
			    "Nodes that have podCIDRs are adopted with these first; a Node that is gone gives its\n"
			    "blocks back. The cluster's directory is the controller's: a node in it without a Node\n"
			    "of the name is removed.\n"
			    "\n"
			    "  --mount DIR              where ipamfs is mounted ($IPAMFS_MOUNT, or /run/ipamfs)\n"
			    "  --cluster NAME           the cluster in it (the only one)\n"
			    "  --kubeconfig FILE        the API server and who asks ($KUBECONFIG, the pod's service\n"
			    "                           account, or ~/.kube/config)\n"
			    "  --context NAME           of the kubeconfig (its current one)\n"
			    "  --once                   do what there is to do, and end\n"
			    "  --dry-run                tell what there is to do, a line for each Node, and write\n"
			    "                           nothing, neither to the mount nor to the API server\n"
			    "  --workers N              Nodes that are worked on at once (24)\n"
			    "  --qps N --burst N        requests a second, and at once after a rest (20 and 30;\n"
			    "                           --qps 0: no limit)\n"
			    "  --timeout TIME           of a request (15s)\n"
			    "  --metrics FILE           write metrics there, for node_exporter's textfile collector\n"
			    "  --leader-elect=BOOL      of several, one leads, by a Lease (true; with --once false)\n"
			    "  --lease-namespace NAME --lease-name NAME   which one (kube-system, ipamkube)\n"
			    "  --identity NAME          who this is (host, pid and a random number)\n"
			    "  --lease-duration TIME --renew-deadline TIME --retry-period TIME   (15s, 10s, 2s)\n"
			    "  --release-delay TIME     a Node is gone for so long before its blocks are freed (10s)\n"
			    "  --mass-release-delay TIME   likewise where more than a third of them are, or the API\n"
			    "                           server went back to an older state (15m)\n"
			    "\n"
			    "Exit status: 0 done, 1 some Nodes were left alone (--once) or would be (--dry-run), or nothing\n"
			    "could be done, 2 usage.\n";

enum {
	ONCE_TRIES = 8,
	LIST_TRIES = 5,
	WATCH_TRIES = 20 /* before it lists: a server that was restored may know no such version */,
	RETRY_MS = 500,
	RETRY_MOST_MS = 30000
};

struct controller {
	struct options o;
	struct site site;
	struct client *client;
	struct leader *leader;
	struct halt stop, relist;
	/* while it leads */
	struct table *table;
	struct keys keys;
	struct follow nodes;
	struct patrol *patrol;
	struct dry dry;
	bool no_memory;
};

/* ---- what the watch tells --------------------------------------------------------------------------------------------------- */

static void see(struct controller *c, const json_t *node)
{
	struct seen s;
	int rc = seen_read(node, &c->keys, &s);

	if (rc == -EINVAL)
		cli_log(LOG_WARNING, "a Node called '%s' is passed over: no directory can be called so, or it has no uid",
			json_string_value(json_object_get(json_object_get(node, "metadata"), "name")));
	else if (rc == 0)
		rc = table_see(c->table, &s);
	c->no_memory |= rc == -ENOMEM;
	seen_free(&s);
}

static void item(void *arg, const json_t *node)
{
	see(arg, node);
}

static void change(void *arg, enum follow_change what, const json_t *node)
{
	struct controller *c = arg;
	struct seen s;
	int rc;

	if (what != FOLLOW_DELETED) {
		see(c, node);
		return;
	}
	rc = seen_read(node, &c->keys, &s);
	if (rc == 0)
		table_gone(c->table, &s);
	c->no_memory |= rc == -ENOMEM; /* the next list tells */
	seen_free(&s);
}

/* ---- leading ------------------------------------------------------------------------------------------------------------------ */

static bool ended(const struct controller *c)
{
	return halt_is(leader_halt(c->leader));
}

/* All Nodes, and all nodes of the mount. */
static int list(struct controller *c)
{
	int rc;

	c->no_memory = false;
	table_list(c->table);
	rc = follow_list(&c->nodes);
	if (rc == 0 && c->no_memory)
		rc = -ENOMEM;
	if (rc < 0 && rc != -ECANCELED)
		cli_log(LOG_WARNING, "the Nodes can't be listed: %s",
			c->nodes.answer.error[0] != 0 ? c->nodes.answer.error : strerror(-rc));
	if (rc < 0)
		return rc;
	if (c->nodes.went_back) {
		cli_log(LOG_WARNING,
			"the API server has gone back to an older state: it was restored, or is another cluster's; no block is freed for %lld s",
			(long long)c->o.mass_release_ms / 1000);
		table_beware(c->table, now_ms() + c->o.mass_release_ms);
	}
	table_sweep(c->table);
	return patrol_mount(c->table, &c->site);
}

/* What exists is adopted before anything is freed, and that before anything is given. */
static bool start(struct controller *c)
{
	table_start(c->table, PHASE_ADOPT);
	if (table_drain(c->table, leader_halt(c->leader)))
		return false;
	table_start(c->table, PHASE_REMOVE);
	if (table_drain(c->table, leader_halt(c->leader)))
		return false;
	table_start(c->table, PHASE_REST);
	metrics_set(METRIC_LAST_SYNC, time(NULL));
	metrics_set(METRIC_SYNCED, 1);
	return true;
}

/* Until the list is of no use any more. */
static void watch(struct controller *c)
{
	unsigned failures = 0;
	int rc;

	do {
		int64_t begun = now_ms(), wait = 0;

		rc = follow_watch(&c->nodes);
		if (halt_is(&c->relist) && !ended(c))
			return;
		if (rc != 0 && rc != -ECANCELED && c->nodes.answer.error[0] != 0)
			cli_log(LOG_WARNING, "the watch of Nodes: %s", c->nodes.answer.error);
		failures = now_ms() - begun > RETRY_MOST_MS ? 0 : failures + 1;
		wait = failures == 0 ? 0 : backoff(failures, rc == 0 ? 1 : RETRY_MS, RETRY_MOST_MS);
		if (c->nodes.retry_ms > wait)
			wait = c->nodes.retry_ms;
		if (rc != -ESTALE && rc != -ECANCELED)
			halt_sleep(leader_halt(c->leader), wait);
	} while (!ended(c) && (rc == 0 || (rc == -EHOSTUNREACH && failures < WATCH_TRIES)));
}

/* Until it doesn't lead any more, or what is known is to be learnt anew. A status. */
static int follow(struct controller *c)
{
	unsigned failures = 0;

	while (!halt_is(&c->relist)) {
		int64_t begun = now_ms();
		size_t left;
		int rc = list(c);

		if (rc == 0 && !start(c))
			break;
		if (rc == 0 && c->o.once) {
			left = table_settle(c->table, ONCE_TRIES, &c->relist);
			if (c->o.dry_run && !halt_is(&c->relist) && left == c->dry.refused)
				return dry_end(&c->dry);
			if (left > 0 && !halt_is(&c->relist))
				cli_log(LOG_WARNING, "%zu Node%s left alone", left, left == 1 ? "" : "s");
			return left > 0 || halt_is(&c->relist) ? CLI_REFUSED : CLI_DONE;
		}
		if (rc == 0) {
			watch(c);
			metrics_set(METRIC_SYNCED, 0);
		}
		/* One that is of no use at once isn't asked for again at once. */
		failures = rc == 0 && now_ms() - begun > RETRY_MOST_MS ? 0 : failures + 1;
		if (c->o.once && (failures == LIST_TRIES || rc == -EACCES))
			return CLI_REFUSED;
		if (rc < 0 || failures > 1)
			halt_sleep(&c->relist, backoff(failures, RETRY_MS, RETRY_MOST_MS));
	}
	return c->o.once ? CLI_REFUSED : CLI_DONE;
}

static bool may_write(void *arg)
{
	return leader_left(((struct controller *)arg)->leader) > 0;
}

/* The labels that are kept are those that the selectors name now. */
static int begin(struct controller *c, struct work *work)
{
	char text[512];
	int rc = site_check(&c->site);

	if (rc == 0)
		rc = site_keys(&c->site, &c->keys);
	if (rc < 0) {
		cli_log(LOG_WARNING, "%s", site_error(&c->site, rc, text));
		return rc;
	}
	c->nodes = (struct follow){ .conn = conn_new(c->client, &c->relist),
				    .path = "/api/v1/nodes",
				    .kind = "NodeList",
				    .query = "",
				    .timeout_ms = c->o.timeout_ms,
				    .arg = c,
				    .item = item,
				    .change = change };
	work->table = c->table = table_new();
	work->batch = batch_new(&c->site, may_write, c);
	work->reporter = reporter_new(c->client, "ipamkube-controller", c->o.timeout_ms, leader_halt(c->leader));
	if (c->nodes.conn == NULL || c->table == NULL || work->batch == NULL || work->reporter == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = work_begin(work, c->o.workers);
	if (rc == 0 && (c->patrol = patrol_begin(c->table, &c->site, true, &c->relist)) == NULL)
		rc = -ENOMEM;
	if (rc < 0)
		cli_log(LOG_ERR, "%s", strerror(-rc));
	return rc;
}

static void end(struct controller *c, struct work *work, bool last)
{
	halt_set(&c->relist);
	patrol_end(c->patrol);
	c->patrol = NULL;
	if (c->table != NULL)
		work_end(work);
	reporter_end(work->reporter);
	metrics_set(METRIC_SYNCED, 0);
	if (last) { /* that is told of Nodes */
		metrics_set(METRIC_LEADER, 0);
		halt_set(&c->stop);
		metrics_end();
	}
	table_free(c->table);
	c->table = NULL;
	batch_free(work->batch);
	conn_free(c->nodes.conn);
	c->nodes.conn = NULL;
	follow_free(&c->nodes);
	keys_free(&c->keys);
}

/* While it leads. */
static int lead(struct controller *c)
{
	unsigned failures = 0;
	bool again, last;
	int status;

	do {
		struct work work = { .look = c->o.dry_run ? dry_look : reconcile,
				     .arg = &c->dry,
				     .options = &c->o,
				     .site = &c->site,
				     .client = c->client,
				     .leader = c->leader,
				     .halt = leader_halt(c->leader),
				     .keys = &c->keys,
				     .relist = &c->relist };
		int rc;

		c->relist.also = leader_halt(c->leader);
		halt_clear(&c->relist);
		rc = begin(c, &work);
		status = rc == 0 ? follow(c) : CLI_REFUSED;
		again = halt_is(&c->relist);
		last = halt_is(&c->stop) || (c->o.once && (rc < 0 || !again));
		end(c, &work, last);
		failures = rc == 0 ? 0 : failures + 1;
		if (last)
			break;
		if (rc < 0)
			halt_sleep(leader_halt(c->leader), backoff(failures, RETRY_MS, RETRY_MOST_MS));
	} while (!ended(c));
	return status;
}

static int run(int argc, char **argv)
{
	struct controller c = { .stop.fd = -1, .relist.fd = -1 };
	int status = options_parse(&c.o, OPTIONS_CONTROLLER, argc, argv), rc = 0;

	if (status == CLI_DONE)
		status = start_up(&c.o, false, &c.stop, &c.site, &c.client);
	if (status != CLI_DONE)
		goto out;
	c.leader = leader_new(c.client, &c.o, &c.stop);
	if (c.leader == NULL || halt_init(&c.relist, NULL) < 0) {
		status = cli_fail(CLI_REFUSED, "out of memory");
		goto end;
	}
	do {
		rc = leader_win(c.leader);
		if (rc < 0)
			status = rc == -ECANCELED && !c.o.once ? CLI_DONE : CLI_REFUSED;
		else
			status = lead(&c);
		leader_leave(c.leader);
	} while (rc == 0 && !c.o.once && !halt_is(&c.stop));
end:
	halt_set(&c.stop);
	metrics_end();
out:
	leader_free(c.leader);
	start_down(&c.stop, &c.site, &c.client);
	halt_close(&c.relist);
	return status;
}

const struct command command_controller = { "controller", run, "give Nodes their podCIDRs, from the mount", usage, false };
