#include "fs/control/show_text.h"

#include "fs/base/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int show_version(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	(void)fs;
	(void)kind;
	(void)id;
	buffer_print(out, "%s\n", IPAM_VERSION);
	return 0;
}

static void print_engine(const struct ipam_engine *e, struct buffer *out)
{
	char since[32] = "the mount";
	time_t t = (time_t)e->since;
	struct tm tm;

	if (t != 0) {
		gmtime_r(&t, &tm);
		strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &tm);
	}
	buffer_print(out, "engine %s\n%s since %s%s%s\n", e->source, e->up ? "reached" : "unreachable", since,
		     e->up || e->unreachable[0] == 0 ? "" : ": ", e->up ? "" : e->unreachable);
	if (e->member[0] != 0)
		buffer_print(out, "member %s\n", e->member);
	buffer_print(out, "state %s\nmachine %s\nnode %s\nrevision %lld\n", e->path, e->machine, e->node != NULL ? e->node : "none",
		     (long long)e->revision);
}

int show_health(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct ipam_engine e;

	(void)kind;
	(void)id;
	ipam_engine(fs->ipam, &e);
	if (!e.healthy)
		buffer_print(out, "failing: %s\n", e.problem);
	else if (e.refused[0] != 0)
		buffer_print(out, "failing: the engine refuses what this machine writes: %s\n", e.refused);
	else if (e.complaint[0] != 0)
		buffer_print(out, "failing: %s\n", e.complaint);
	else if (e.stalled >= IPAM_STALLED)
		buffer_print(out, "degraded: the disk has not answered for %llu seconds; what changes something waits for it\n",
			     (unsigned long long)e.stalled);
	else if (e.shared && !e.up)
		buffer_print(out, "degraded: the engine is unreachable; own leases go on\n");
	else
		buffer_print(out, "ok\n");
	if (e.shared)
		print_engine(&e, out);
	else
		buffer_print(out, "engine sqlite %s\n", e.path);
	buffer_print(out, "sync %s\n", fs->options.read_only ? "none, read only" : fs->options.sync == IPAM_SYNC_FULL ? "full" : "normal");
	return 0;
}

static void print_finding(void *arg, const char *text)
{
	buffer_print(arg, "finding %s\n", text);
}

/* What `ipamctl check` asks of a mount that shares an engine. */
int show_audit(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct ipam_error error;
	struct ipam_audit a;
	int rc = ipam_audit(fs->ipam, print_finding, out, &a, &error);

	(void)kind;
	(void)id;
	if (rc == -ENOMEM)
		return rc;
	if (rc == -EOPNOTSUPP)
		buffer_print(out, "alone\n");
	else if (rc < 0)
		buffer_print(out, "unproved %s\n", error.text);
	else
		buffer_print(out, "audited %llu clusters, %llu nodes, %llu blocks, %llu resting blocks, %llu leases at revision %lld\n",
			     (unsigned long long)a.clusters, (unsigned long long)a.nodes, (unsigned long long)a.blocks,
			     (unsigned long long)a.resting, (unsigned long long)a.leases, (long long)a.revision);
	return 0;
}

static void print_key(struct buffer *out, const char *key, u128 value)
{
	buffer_print(out, "%s ", key);
	buffer_u128(out, value);
	buffer_add(out, "\n", 1);
}

/* Of another machine's node: how old what is shown of its leases is. */
static void print_published(struct fs *fs, uint64_t id, struct buffer *out)
{
	struct ipam_node_view v;
	int64_t age;
	int rc;

	ipam_read_begin(fs->ipam);
	rc = ipam_view_node(fs->ipam, id, &v);
	ipam_read_end(fs->ipam);
	if (rc < 0 || !v.shared)
		return;
	buffer_print(out, "machine %s\n", v.here ? "this" : v.there ? "other" : "none");
	if (!v.there || v.published == 0)
		return;
	age = (int64_t)time(NULL) - v.published;
	print_key(out, "published_age_seconds", age > 0 ? (u128)age : 0);
}

int show_stats(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	static const char *const operation[] = {
#define X(name) #name,
		FS_OPERATIONS(X)
#undef X
	};
	struct ipam_engine e;
	struct ipam_stats s;
	int rc = ipam_stats(fs->ipam, kind, id, &s);

	if (rc < 0)
		return rc;
	if (kind == IPAM_ROOT)
		print_key(out, "clusters", s.clusters);
	print_key(out, "nodes", s.nodes);
	print_key(out, "blocks", s.blocks);
	print_key(out, "blocks_used", s.blocks_used);
	print_key(out, "addresses", s.addresses);
	print_key(out, "addresses_used", s.addresses_used);
	print_key(out, "addresses_resting", s.addresses_resting);
	print_key(out, "leases", s.leases);
	print_key(out, "leases_free", s.leases_free);
	if (kind == IPAM_NODE)
		print_published(fs, id, out);
	if (kind != IPAM_ROOT)
		return 0;
	ipam_engine(fs->ipam, &e);
	print_key(out, "commits", e.commits);
	print_key(out, "changes", e.changes);
	print_key(out, "changes_failed", e.failed_changes);
	print_key(out, "changes_queued", e.queue);
	print_key(out, "leases_expired", e.expired);
	print_key(out, "leases_dropped", e.dropped);
	print_key(out, "leases_released_after_boot", e.after_boot);
	print_key(out, "supervisor_pid", (u128)getppid());
	print_key(out, "worker_pid", (u128)getpid());
	print_key(out, "workers_started", atomic_load(&fs->keep->memory->workers));
	if (e.shared) {
		print_key(out, "engine_asked", e.asks);
		print_key(out, "engine_transactions", e.tries);
		print_key(out, "engine_conflicts", e.conflicts);
		print_key(out, "engine_full_reads", e.resyncs);
	}
	for (unsigned i = 0; i < FS_OPERATION_COUNT; i++) {
		buffer_print(out, "requests_");
		print_key(out, operation[i], atomic_load(&fs->requests[i]));
	}
	return 0;
}

/* ---- cidrs, reserved, settings, gateway, blocks ------------------------------------------------------------ */

static int print_block_cidr(void *arg, const struct ipam_block_view *v)
{
	char text[CIDR_TEXT];

	cidr_print(&v->cidr, text);
	buffer_print(arg, "%s\n", text);
	return 0;
}

static int print_cluster_cidrs(struct fs *fs, uint64_t id, struct buffer *out)
{
	struct ipam_cluster_view cluster;
	struct ipam_cidr_view v;
	char text[CIDR_TEXT];
	int rc = ipam_view_cluster(fs->ipam, id, &cluster);

	for (size_t i = 0; rc == 0 && i < cluster.cidrs; i++) {
		rc = ipam_view_cidr(fs->ipam, id, i, &v);
		if (rc < 0)
			break;
		cidr_print(&v.cidr, text);
		buffer_print(out, "%s %u%s%s\n", text, v.node_mask, v.selector != NULL ? " selector=" : "",
			     v.selector != NULL ? v.selector : "");
	}
	return rc;
}

int show_cidrs(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	int rc;

	ipam_read_begin(fs->ipam);
	if (kind == IPAM_CLUSTER)
		rc = print_cluster_cidrs(fs, id, out);
	else
		rc = ipam_each_block(fs->ipam, kind, id, print_block_cidr, out);
	ipam_read_end(fs->ipam);
	return rc;
}

int show_reserved(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct ipam_cluster_view v;
	char text[CIDR_RANGE_TEXT];
	int rc;

	(void)kind;
	ipam_read_begin(fs->ipam);
	rc = ipam_view_cluster(fs->ipam, id, &v);
	for (size_t i = 0; rc == 0 && i < v.reserved; i++) {
		cidr_print_range(&v.reserved_range[i].range, text);
		buffer_print(out, "%s%s\n", text, v.reserved_range[i].services ? " services" : "");
	}
	ipam_read_end(fs->ipam);
	return rc;
}

int show_settings(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	char value[32];
	bool inherited;
	int rc = 0;

	ipam_read_begin(fs->ipam);
	for (unsigned i = 0; rc == 0 && i < IPAM_SETTINGS; i++) {
		rc = ipam_setting(fs->ipam, kind, id, i, value, &inherited);
		/* As a comment, so that writing the file back sets only what is set. */
		if (rc == 0 && inherited)
			buffer_print(out, "# %s %s (%s)\n", ipam_setting_name(i), value, kind == IPAM_NODE ? "inherited" : "default");
		else if (rc == 0)
			buffer_print(out, "%s %s\n", ipam_setting_name(i), value);
	}
	ipam_read_end(fs->ipam);
	return rc;
}

int show_labels(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct ipam_node_view v;
	int rc;

	(void)kind;
	ipam_read_begin(fs->ipam);
	rc = ipam_view_node(fs->ipam, id, &v);
	if (rc == 0)
		buffer_add(out, v.labels, strlen(v.labels));
	ipam_read_end(fs->ipam);
	return rc;
}

static int print_gateway(void *arg, const struct ipam_block_view *v)
{
	char text[CIDR_ADDR_TEXT];

	if (v->has_gateway) {
		cidr_print_addr(v->cidr.family, v->gateway, text);
		buffer_print(arg, "%s\n", text);
	}
	return 0;
}

int show_gateway(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	int rc;

	ipam_read_begin(fs->ipam);
	rc = ipam_each_block(fs->ipam, kind, id, print_gateway, out);
	ipam_read_end(fs->ipam);
	return rc;
}

static int print_block(void *arg, const struct ipam_block_view *v)
{
	char text[CIDR_TEXT];

	cidr_print(&v->cidr, text);
	buffer_print(arg, "%s %s ", text, v->node_name);
	buffer_u128(arg, v->used);
	buffer_add(arg, " ", 1);
	buffer_u128(arg, v->capacity);
	buffer_add(arg, "\n", 1);
	return 0;
}

int show_blocks(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	int rc;

	ipam_read_begin(fs->ipam);
	rc = ipam_each_block(fs->ipam, kind, id, print_block, out);
	ipam_read_end(fs->ipam);
	return rc;
}
