#include "fs/control/show_metrics.h"

#include "fs/base/buffer.h"
#include "fs/control/stream.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the lines with labels are about, copied so that nothing waits while they are written. */
struct subject {
	char cluster[IPAM_NAME_MAX + 1], node[IPAM_NAME_MAX + 1];
	uint64_t cluster_id, node_id;
	bool is_node;
	struct ipam_stats stats;
};

struct subjects {
	struct ipam *ipam;
	bool nodes;
	struct subject *subject;
	size_t n, room;
};

/* ---- gathering -------------------------------------------------------------------------------------------- */

static struct subject *add_subject(struct subjects *s)
{
	struct subject *bigger;
	size_t room = s->room == 0 ? 16 : s->room * 2;

	if (s->n == s->room) {
		bigger = reallocarray(s->subject, room, sizeof *bigger);
		if (bigger == NULL)
			return NULL;
		s->subject = bigger;
		s->room = room;
	}
	memset(&s->subject[s->n], 0, sizeof *s->subject);
	return &s->subject[s->n++];
}

static int add_node(void *arg, const struct ipam_node_view *v)
{
	struct subjects *s = arg;
	struct subject *node = add_subject(s);

	if (node == NULL)
		return -ENOMEM;
	node->is_node = true;
	node->node_id = v->id;
	node->cluster_id = v->cluster;
	strcpy(node->node, v->name);
	return ipam_view_stats(s->ipam, IPAM_NODE, v->id, &node->stats);
}

static int add_cluster(void *arg, const struct ipam_cluster_view *v)
{
	struct subjects *s = arg;
	struct subject *cluster = add_subject(s);
	size_t first = s->n;
	int rc;

	if (cluster == NULL)
		return -ENOMEM;
	cluster->cluster_id = v->id;
	strcpy(cluster->cluster, v->name);
	rc = ipam_view_stats(s->ipam, IPAM_CLUSTER, v->id, &cluster->stats);
	if (rc == 0 && s->nodes)
		rc = ipam_each_node(s->ipam, v->id, add_node, s);
	for (size_t i = first; i < s->n; i++)
		strcpy(s->subject[i].cluster, v->name);
	return rc;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static void head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_print(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value is UTF-8. A name that is none gets its id beside what can be shown of it, so that it stays one of a kind. */
static void label(struct buffer *out, const char *key, const char *name, uint64_t id)
{
	json_t *text = json_string(name);
	bool valid = text != NULL;

	json_decref(text);
	buffer_print(out, "%s=\"", key);
	for (const char *s = name; *s != 0; s++)
		if (*s == '\\' || *s == '"')
			buffer_print(out, "\\%c", *s);
		else if (*s == '\n')
			buffer_print(out, "\\n");
		else if ((unsigned char)*s >= 0x80 && !valid)
			buffer_print(out, "?");
		else
			buffer_add(out, s, 1);
	if (!valid)
		buffer_print(out, "#%llu", (unsigned long long)id);
	buffer_print(out, "\"");
}

static void value(struct buffer *out, u128 n)
{
	buffer_print(out, " ");
	buffer_u128(out, n);
	buffer_print(out, "\n");
}

static void labels(struct buffer *out, const char *name, const struct subject *s)
{
	buffer_print(out, "%s{", name);
	label(out, "cluster", s->cluster, s->cluster_id);
	if (s->is_node) {
		buffer_print(out, ",");
		label(out, "node", s->node, s->node_id);
	}
}

/* ---- of clusters and nodes -------------------------------------------------------------------------------- */

static u128 get_nodes(const struct ipam_stats *s)
{
	return s->nodes;
}
static u128 get_leases(const struct ipam_stats *s)
{
	return s->leases;
}
static u128 get_leases_free(const struct ipam_stats *s)
{
	return s->leases_free;
}
static u128 get_blocks(const struct ipam_family *f)
{
	return f->blocks;
}
static u128 get_blocks_used(const struct ipam_family *f)
{
	return f->blocks_used;
}
static u128 get_addresses(const struct ipam_family *f)
{
	return f->addresses;
}
static u128 get_used(const struct ipam_family *f)
{
	return f->used;
}
static u128 get_resting(const struct ipam_family *f)
{
	return f->resting;
}

static const struct {
	const char *name, *help;
	bool of_nodes;
	u128 (*get)(const struct ipam_stats *s);
	u128 (*get_family)(const struct ipam_family *f);
} gauge[] = {
	{ "ipamfs_nodes", "Nodes of the cluster.", false, get_nodes, NULL },
	{ "ipamfs_leases", "Leases held.", false, get_leases, NULL },
	{ "ipamfs_leases_free", "Further leases that fit into the delegated blocks.", false, get_leases_free, NULL },
	{ "ipamfs_blocks", "Blocks that the CIDRs of the cluster have.", false, NULL, get_blocks },
	{ "ipamfs_blocks_delegated", "Blocks that nodes own.", false, NULL, get_blocks_used },
	{ "ipamfs_addresses", "Addresses of the delegated blocks that can be leased.", false, NULL, get_addresses },
	{ "ipamfs_addresses_leased", "Addresses that leases hold.", false, NULL, get_used },
	{ "ipamfs_addresses_resting", "Addresses released and not to be leased yet.", false, NULL, get_resting },
	{ "ipamfs_node_leases", "Leases held in the node.", true, get_leases, NULL },
	{ "ipamfs_node_leases_free", "Further leases that fit into the node's blocks.", true, get_leases_free, NULL },
};

static void show_gauges(const struct subjects *s, struct buffer *out)
{
	static const char *const family[CIDR_FAMILIES] = { [CIDR_V4] = "ipv4", [CIDR_V6] = "ipv6" };

	for (size_t i = 0; i < sizeof gauge / sizeof *gauge; i++) {
		if (gauge[i].of_nodes && !s->nodes)
			continue;
		head(out, gauge[i].name, "gauge", gauge[i].help);
		for (size_t k = 0; k < s->n; k++) {
			const struct subject *of = &s->subject[k];

			if (of->is_node != gauge[i].of_nodes)
				continue;
			for (unsigned f = 0; f < (gauge[i].get == NULL ? CIDR_FAMILIES : 1); f++) {
				labels(out, gauge[i].name, of);
				if (gauge[i].get == NULL)
					buffer_print(out, ",family=\"%s\"", family[f]);
				buffer_print(out, "}");
				value(out, gauge[i].get != NULL ? gauge[i].get(&of->stats) : gauge[i].get_family(&of->stats.family[f]));
			}
		}
	}
}

/* ---- of the engine ---------------------------------------------------------------------------------------- */

static void plain(struct buffer *out, const char *name, const char *type, const char *help, uint64_t n)
{
	head(out, name, type, help);
	buffer_print(out, "%s", name);
	value(out, n);
}

/* scale: what the values are divided by, for a base unit. */
static void histogram(struct buffer *out, const char *name, const char *help, const struct ipam_histogram *h, double scale)
{
	uint64_t total = 0;

	head(out, name, "histogram", help);
	for (unsigned i = 0; i < IPAM_BUCKETS; i++) {
		total += h->count[i];
		buffer_print(out, "%s_bucket{le=\"%g\"} %llu\n", name, (double)h->bounds[i] / scale, (unsigned long long)total);
	}
	total += h->count[IPAM_BUCKETS];
	buffer_print(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name, (unsigned long long)total, name,
		     (double)h->sum / scale, name, (unsigned long long)total);
}

static void show_engine(struct fs *fs, struct buffer *out)
{
	static const double nanoseconds = 1e9;
	struct stream_numbers stream;
	struct ipam_meters m;
	struct ipam_engine e;

	ipam_engine(fs->ipam, &e);
	ipam_meters(fs->ipam, &m);
	stream_numbers(fs->stream, &stream);
	plain(out, "ipamfs_engine_healthy", "gauge", "1 if changes can be stored, 0 if they fail.", e.healthy);
	plain(out, "ipamfs_commit_stalled_seconds", "gauge", "For how long the transaction that runs has waited for the disk.", e.stalled);
	plain(out, "ipamfs_queue_length", "gauge", "Changes that wait to be stored.", e.queue);
	plain(out, "ipamfs_allocations_total", "counter", "Leases made.", m.allocations);
	head(out, "ipamfs_releases_total", "counter", "Leases released.");
	for (unsigned i = 0; i < IPAM_RELEASES; i++)
		buffer_print(out, "ipamfs_releases_total{reason=\"%s\"} %llu\n", ipam_release_name[i], (unsigned long long)m.releases[i]);
	head(out, "ipamfs_allocation_failures_total", "counter", "Leases that could not be made.");
	for (unsigned i = 0; i < IPAM_FAILURES; i++)
		buffer_print(out, "ipamfs_allocation_failures_total{reason=\"%s\"} %llu\n", ipam_failure_name[i],
			     (unsigned long long)m.failures[i]);
	histogram(out, "ipamfs_allocation_duration_seconds", "From the request for a lease to the answer.", &m.allocation, nanoseconds);
	plain(out, "ipamfs_commits_total", "counter", "Transactions stored.", e.commits);
	plain(out, "ipamfs_commit_failures_total", "counter", "Transactions that could not be stored.", m.commit_failures);
	histogram(out, "ipamfs_commit_duration_seconds", "How long a transaction took.", &m.commit, nanoseconds);
	histogram(out, "ipamfs_commit_changes", "Changes stored in one transaction.", &m.batch, 1);
	plain(out, "ipamfs_history_rows_total", "counter", "Events stored in the history.", m.history_rows);
	plain(out, "ipamfs_history_expired_total", "counter", "Events removed from the history by retention.", m.history_expired);
	plain(out, "ipamfs_events_total", "counter", "Events told to readers of events.", stream.events);
	plain(out, "ipamfs_events_dropped_total", "counter", "Events that slow readers missed.", stream.dropped);
	plain(out, "ipamfs_event_readers", "gauge", "Open readers of events.", stream.readers);
}

/* ---- of the engine that machines share ---------------------------------------------------------------------- */

static void show_shared(struct fs *fs, struct buffer *out)
{
	int64_t now = (int64_t)time(NULL);
	struct ipam_engine e;

	ipam_engine(fs->ipam, &e);
	if (!e.shared)
		return;
	plain(out, "ipamfs_etcd_up", "gauge", "1 if etcd is reached, 0 if not.", e.up);
	plain(out, "ipamfs_etcd_refused", "gauge", "1 if etcd refuses what this machine writes.", e.refused[0] != 0);
	plain(out, "ipamfs_etcd_revision", "gauge", "The revision of etcd's up to which all is seen here.", (uint64_t)e.revision);
	plain(out, "ipamfs_etcd_asks_total", "counter", "Changes that etcd was asked for.", e.asks);
	plain(out, "ipamfs_etcd_transactions_total", "counter", "Transactions that were sent for them.", e.tries);
	plain(out, "ipamfs_etcd_conflicts_total", "counter", "Those before which somebody else was.", e.conflicts);
	plain(out, "ipamfs_etcd_watches_total", "counter", "How often listening to a member was begun.", e.watches);
	plain(out, "ipamfs_etcd_full_reads_total", "counter", "How often all was read.", e.resyncs);
	plain(out, "ipamfs_etcd_unpublished", "gauge", "Parts of own nodes whose leases are not published as they are.", e.unpublished);
	plain(out, "ipamfs_etcd_publication_lag_seconds", "gauge", "For how long something of them hasn't been published.",
	      e.unpublished_since == 0 || now < e.unpublished_since ? 0 : (uint64_t)(now - e.unpublished_since));
	plain(out, "ipamfs_etcd_nodes_lost", "gauge", "Own nodes whose blocks were taken by force while leases ran.", e.lost);
	plain(out, "ipamfs_etcd_nodes_doubled", "gauge", "Own nodes that another machine with a copy of the state file has, too.",
	      e.doubled);
}

static void show_requests(struct fs *fs, struct buffer *out)
{
	static const char *const operation[] = {
#define X(name) #name,
		FS_OPERATIONS(X)
#undef X
	};

	head(out, "ipamfs_requests_total", "counter", "Requests of the kernel.");
	for (unsigned i = 0; i < FS_OPERATION_COUNT; i++)
		buffer_print(out, "ipamfs_requests_total{operation=\"%s\"} %llu\n", operation[i],
			     (unsigned long long)atomic_load(&fs->requests[i]));
}

int show_metrics(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct subjects s = { .ipam = fs->ipam, .nodes = fs->options.metrics_nodes };
	int rc;

	(void)kind;
	(void)id;
	ipam_read_begin(fs->ipam);
	rc = ipam_each_cluster(fs->ipam, add_cluster, &s);
	ipam_read_end(fs->ipam);
	if (rc == 0) {
		head(out, "ipamfs_build_info", "gauge", "The version that runs.");
		buffer_print(out, "ipamfs_build_info{version=\"%s\"} 1\n", IPAM_VERSION);
		head(out, "ipamfs_mount_time_seconds", "gauge", "When it was mounted, in seconds since the epoch.");
		buffer_print(out, "ipamfs_mount_time_seconds %.3f\n", (double)fs->mounted / 1e9);
		show_gauges(&s, out);
		show_engine(fs, out);
		show_shared(fs, out);
		show_requests(fs, out);
	}
	free(s.subject);
	return rc;
}
