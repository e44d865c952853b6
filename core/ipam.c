#include "ipam.h"

#include "base/caller_options.h"
#include "change/after_boot.h"
#include "change/attr.h"
#include "change/authority_local.h"
#include "change/cluster.h"
#include "change/delegate.h"
#include "change/describe.h"
#include "change/import.h"
#include "change/labels.h"
#include "change/lease.h"
#include "change/lease_remove.h"
#include "change/lease_rename.h"
#include "change/lease_write.h"
#include "change/network.h"
#include "change/node.h"
#include "change/settings.h"
#include "engine/alarm.h"
#include "engine/change.h"
#include "engine/commit.h"
#include "engine/cooldown.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "engine/metrics.h"
#include "engine/writeback.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"
#include "shared/astray.h"
#include "shared/remote.h"
#include "shared/request_run.h"
#include "store/store.h"
#include "store/store_load.h"
#include "store/store_mark.h"
#include "store/store_shared.h"
#include "store/store_track.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <syslog.h>
#include <unistd.h>

/* ---- life ------------------------------------------------------------------------------------------------- */

/* Find this boot among those loaded, or store it. */
static int enter_boot(struct ipam *ipam, struct ipam_error *error)
{
	struct registry *r = &ipam->registry;
	char boot_id[IPAM_BOOT_ID];
	uint64_t id;
	int rc;

	boot_id_read(boot_id);
	for (uint32_t i = 0; i < r->boots; i++)
		if (strcmp(r->boot[i].boot_id, boot_id) == 0) {
			ipam->boot = (uint16_t)i;
			return 0;
		}
	id = engine_id(ipam);
	rc = registry_boot(r, id, boot_id, &ipam->boot);
	if (rc < 0 || ipam->options.read_only)
		return rc;
	rc = store_begin(ipam->store, STORE_FULL);
	if (rc == 0)
		rc = store_put_next_id(ipam->store, id + 1);
	if (rc == 0)
		rc = store_put_boot(ipam->store, id, boot_id);
	if (rc == 0)
		rc = store_commit(ipam->store);
	if (rc < 0) {
		snprintf(error->text, sizeof error->text, "%s: %s", ipam->path, store_message(ipam->store));
		store_rollback(ipam->store);
	}
	return rc;
}

/* What was read ahead, brought up to date; or all of it, where there is nothing or more than leases has changed. */
static int load_rows(struct ipam *ipam, bool ahead, struct store_loaded *loaded, struct ipam_error *error)
{
	const struct ipam_touched *since = ipam->options.since;
	int rc;

	if (ahead && since != NULL && !since->more) {
		rc = store_catch_up(ipam->store, &ipam->registry, since, loaded, error);
		if (rc != -EUCLEAN)
			return rc;
	}
	if (ahead) {
		uint64_t seed = ipam->registry.seed;

		registry_close(&ipam->registry);
		registry_init(&ipam->registry, seed);
	}
	return store_load(ipam->store, &ipam->registry, loaded, error);
}

static int load(struct ipam *ipam, bool ahead, struct ipam_error *error)
{
	struct store_loaded loaded;
	int rc = load_rows(ipam, ahead, &loaded, error);

	if (rc < 0)
		return rc;
	atomic_store(&ipam->next_id, loaded.next_id);
	ipam->stored_next_id = loaded.next_id;
	ipam->history.next_id = loaded.next_history;
	if (ipam->options.opened != NULL)
		ipam->options.opened(ipam->options.arg, loaded.next_history - 1);
	ipam->opened = ipam->changed = loaded.last_event > engine_now() ? loaded.last_event : engine_now();
	behind_lost(ipam);
	engine_clocks_begin(ipam, loaded.last_event);
	rc = rest_load(ipam, loaded.rest, loaded.rests);
	free(loaded.rest);
	for (struct cluster *c = ipam->registry.first; c != NULL; c = c->next)
		for (struct node *n = c->first; n != NULL; n = n->next)
			n->next_expiry = node_setting(n, IPAM_TTL) > 0 ? 0 : INT64_MAX;
	return rc < 0 ? rc : enter_boot(ipam, error);
}

/* The state file of a machine among many isn't for a mount by itself: what it would delegate, others may have. */
static int check_alone(struct ipam *ipam, struct ipam_error *error)
{
	char *prefix = NULL;
	int rc = store_get_engine(ipam->store, "prefix", &prefix);

	if (rc == 0) {
		snprintf(error->text, sizeof error->text,
			 "%s: the state file of a machine that shares 'etcd://.../%s' with others; mount that, with state=%s", ipam->path,
			 prefix + (prefix[0] == '/'), ipam->path);
		rc = -EINVAL;
	}
	free(prefix);
	return rc == -ENOENT ? 0 : rc;
}

/* Without its database. */
static struct ipam *new_ipam(void)
{
	struct ipam *ipam = calloc(1, sizeof *ipam);
	uint64_t seed = 1;

	if (ipam == NULL)
		return NULL;
	ipam->delegate = &delegate_local;
	ipam->deferred_tail = &ipam->deferred;
	ipam->round = 1;
	ipam->history.tail = &ipam->history.first;
	if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
		seed = (uint64_t)engine_now();
	registry_init(&ipam->registry, seed);
	pthread_rwlock_init(&ipam->lock, NULL);
	pthread_mutex_init(&ipam->problem_lock, NULL);
	pthread_mutex_init(&ipam->clocks.lock, NULL);
	return ipam;
}

/* An engine whose registry is filled, and that has nothing else yet. */
struct ipam_ahead {
	struct ipam ipam;
};

int ipam_read_ahead(const char *path, struct ipam_ahead **out, struct ipam_error *error)
{
	struct ipam *ipam = new_ipam();
	struct store_loaded loaded;
	struct store *store = NULL;
	int rc = ipam == NULL ? -ENOMEM : store_open_ahead(path, &store, error);

	if (rc == 0) {
		rc = store_load(store, &ipam->registry, &loaded, error);
		if (rc == 0)
			free(loaded.rest);
	}
	store_close(store);
	if (rc < 0)
		ipam_close(ipam);
	else
		*out = (struct ipam_ahead *)ipam;
	return rc;
}

const char *ipam_version(void)
{
	return IPAM_VERSION;
}

int ipam_open(const char *path, const struct ipam_options *options, struct ipam **out, struct ipam_error *error)
{
	struct ipam_options known;
	struct ipam *ipam;
	bool ahead;
	int rc;

	error->text[0] = 0;
	rc = caller_options(&known, options, error);
	if (rc < 0)
		return rc;
	ahead = known.ahead != NULL;
	ipam = ahead ? (struct ipam *)known.ahead : new_ipam();
	if (ipam == NULL)
		return -ENOMEM;
	ipam->options = known;
	options = &ipam->options;
	rc = store_open(path, options, &ipam->store, error);
	if (rc == 0 && (ipam->path = strdup(store_path(ipam->store))) == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = load(ipam, ahead, error);
	/* The one before may have stored something without a sync, and the log was left as it was. */
	ipam->unsynced = options->since != NULL && options->since->sound;
	if (rc == 0 && store_lost(ipam->store) > 0)
		engine_log(ipam, store_lost(ipam->store) > 1 ? LOG_ERR : LOG_NOTICE,
			   "the log of the database breaks off before its end, so that %u transactions are lost: %s",
			   store_lost(ipam->store),
			   store_lost(ipam->store) == 1 ?
				   "one that was not answered yet, most likely" :
				   "by a loss of power with sync=normal, or since the log is damaged; compare with what runs");
	/* While nothing else uses the store. */
	if (rc == 0 && !options->read_only)
		rc = options->remote != NULL ? remote_open(ipam, options->remote, error) : check_alone(ipam, error);
	if (rc == 0 && !options->read_only)
		rc = commit_start(ipam);
	if (rc == 0 && !options->read_only) {
		engine_after_boot(ipam);
		rc = timer_start(ipam);
	}
	if (rc == 0 && ipam->remote != NULL)
		rc = remote_start(ipam->remote);
	if (rc == 0 && ipam->remote != NULL)
		remote_first(ipam->remote);
	if (rc < 0) {
		if (error->text[0] == 0)
			snprintf(error->text, sizeof error->text, "%s: %s", path, strerror(-rc));
		ipam_close(ipam);
		return rc;
	}
	*out = ipam;
	return 0;
}

static void tell_touched(struct ipam *ipam)
{
	struct ipam_touched t = { 0 };
	uint64_t *lease;

	if (ipam->options.touched != NULL && store_tracked(ipam->store, &lease, &t.leases, &t.more)) {
		t.lease = lease;
		t.sound = !store_broken(ipam->store);
		ipam->options.touched(ipam->options.arg, &t);
		free(lease);
	}
}

/* Nothing changes after. */
static void stop(struct ipam *ipam)
{
	timer_stop(ipam); /* it submits changes: first */
	remote_stop(ipam->remote);
	commit_stop(ipam);
	tell_touched(ipam);
}

void ipam_close(struct ipam *ipam)
{
	if (ipam == NULL)
		return;
	stop(ipam);
	remote_close(ipam->remote);
	timer_free(ipam);
	store_close(ipam->store);
	registry_close(&ipam->registry);
	free(ipam->rests.heap);
	free(ipam->behind.mark);
	history_forget(ipam);
	pthread_rwlock_destroy(&ipam->lock);
	pthread_mutex_destroy(&ipam->problem_lock);
	pthread_mutex_destroy(&ipam->clocks.lock);
	free(ipam->path);
	free(ipam);
}

void ipam_leave(struct ipam *ipam)
{
	stop(ipam);
	store_leave(ipam->store);
}

uint64_t ipam_next_id(const struct ipam *ipam)
{
	return atomic_load(&ipam->next_id);
}

/* ---- changes: each call fills a record and submits it -------------------------------------------------------- */

static void submit(struct ipam *ipam, struct change *c, ipam_done *done, void *arg)
{
	if (c == NULL)
		done(arg, -ENOMEM, NULL);
	else
		change_submit(ipam, c);
}

void ipam_make(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, unsigned flags, const struct ipam_owner *owner,
	       struct ipam_by by, ipam_done *done, void *arg)
{
	static const struct change_type *const type[] = {
		[IPAM_CLUSTER] = &change_cluster_make,
		[IPAM_NODE] = &change_node_make,
		[IPAM_LEASE] = &change_lease_make,
	};
	struct change *c = change_name(change_new(type[kind], done, arg), name);

	if (c != NULL) {
		c->parent = parent;
		c->exclusive = flags & IPAM_EXCLUSIVE;
		c->ephemeral = flags & IPAM_EPHEMERAL;
		c->alone = flags & IPAM_ALONE;
		c->owner = *owner;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

void ipam_remove(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, struct ipam_by by, ipam_done *done, void *arg)
{
	static const struct change_type *const type[] = {
		[IPAM_CLUSTER] = &change_cluster_remove,
		[IPAM_NODE] = &change_node_remove,
		[IPAM_LEASE] = &change_lease_remove,
	};
	struct change *c = change_name(change_new(type[kind], done, arg), name);

	if (c != NULL) {
		c->parent = parent;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

void ipam_remove_force(struct ipam *ipam, uint64_t cluster, const char *name, struct ipam_by by, ipam_done *done, void *arg)
{
	struct change *c = change_name(change_new(&change_force, done, arg), name);

	if (c != NULL) {
		c->parent = cluster;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

void ipam_release(struct ipam *ipam, uint64_t lease, uint32_t generation, bool unused, struct ipam_by by, ipam_done *done, void *arg)
{
	struct change *c = change_new(&change_lease_remove, done, arg);

	if (c != NULL) {
		c->id = lease;
		c->generation = generation;
		c->unused = unused;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

void ipam_drop(struct ipam *ipam, uint64_t lease)
{
	uint32_t h;

	pthread_rwlock_wrlock(&ipam->lock);
	h = registry_find_lease(&ipam->registry, lease);
	if (h != 0 && registry_lease(&ipam->registry, h)->ephemeral) {
		struct lease *l = registry_lease(&ipam->registry, h);

		l->dropped = true;
		lease_node(&ipam->registry, l)->next_expiry = 0;
		timer_at(ipam, 0);
	}
	pthread_rwlock_unlock(&ipam->lock);
}

void ipam_describe(struct ipam *ipam, uint64_t lease, const struct ipam_attribute *list, size_t n, bool keep, struct ipam_by by,
		   ipam_done *done, void *arg)
{
	struct change *c = change_new(&change_lease_describe, done, arg);
	int rc = c == NULL ? -ENOMEM : 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct xattr *x = NULL;

		if (list[i].name[0] == 0 || strlen(list[i].name) > IPAM_NAME_MAX)
			rc = -EINVAL;
		else if (list[i].size > IPAM_XATTR_BUDGET)
			rc = -ENOSPC;
		else if ((x = xattr_new(list[i].name, list[i].value, list[i].size)) == NULL)
			rc = -ENOMEM;
		if (rc == 0) {
			x->next = c->xattr;
			c->xattr = x;
		}
	}
	if (rc < 0) {
		if (c != NULL)
			change_finish(ipam, c, rc);
		else
			done(arg, rc, NULL);
		return;
	}
	c->id = lease;
	c->keep = keep;
	c->by = by;
	change_submit(ipam, c);
}

void ipam_import(struct ipam *ipam, uint64_t cluster, struct ipam_import *list, size_t n, const struct ipam_owner *owner, struct ipam_by by,
		 ipam_done *done, void *arg)
{
	struct change *c = change_new(&change_import, done, arg);

	if (c != NULL) {
		c->id = cluster;
		c->import = list;
		c->size = n;
		c->owner = *owner;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

/* ---- networks --------------------------------------------------------------------------------------------- */

static void submit_network(struct ipam *ipam, const struct change_type *type, uint64_t node, const char *name, struct ipam_by by,
			   ipam_done *done, void *arg)
{
	struct change *c = change_name(change_new(type, done, arg), name);

	if (c != NULL) {
		c->parent = node;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

void ipam_network_make(struct ipam *ipam, uint64_t node, const char *name, struct ipam_by by, ipam_done *done, void *arg)
{
	submit_network(ipam, &change_network_make, node, name, by, done, arg);
}

void ipam_network_remove(struct ipam *ipam, uint64_t node, const char *name, struct ipam_by by, ipam_done *done, void *arg)
{
	submit_network(ipam, &change_network_remove, node, name, by, done, arg);
}

void ipam_network_set_last(struct ipam *ipam, uint64_t id, unsigned range, uint8_t family, const u128 *addr, ipam_done *done, void *arg)
{
	struct change *c = change_new(&change_network_last, done, arg);

	if (c != NULL) {
		c->id = id;
		c->which = range;
		c->exclusive = addr == NULL;
		c->rest.family = family;
		c->rest.addr = addr != NULL ? *addr : 0;
	}
	submit(ipam, c, done, arg);
}

void ipam_rename(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
		 struct ipam_by by, ipam_done *done, void *arg)
{
	static const struct change_type *const type[] = {
		[IPAM_CLUSTER] = &change_cluster_rename,
		[IPAM_NODE] = &change_node_rename,
		[IPAM_LEASE] = &change_lease_rename,
	};
	struct change *c = change_name(change_name(change_new(type[kind], done, arg), name), new_name);

	if (c != NULL) {
		c->parent = parent;
		c->new_parent = new_parent;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

void ipam_write(struct ipam *ipam, enum ipam_text what, uint64_t id, const char *text, size_t size, bool append, struct ipam_by by,
		ipam_done *done, void *arg)
{
	static const struct change_type *const type[] = {
		[IPAM_CLUSTER_CIDRS] = &change_cidrs,
		[IPAM_CLUSTER_RESERVED] = &change_reserved,
		[IPAM_CLUSTER_SETTINGS] = &change_cluster_settings,
		[IPAM_NODE_CIDRS] = &change_node_cidrs,
		[IPAM_NODE_SETTINGS] = &change_node_settings,
		[IPAM_NODE_LABELS] = &change_node_labels,
		[IPAM_LEASE_ADDRESSES] = &change_lease_write,
		[IPAM_LEASE_FIRST] = &change_lease_write,
	};
	struct change *c;

	if (memchr(text, 0, size) != NULL) {
		done(arg, -EINVAL, NULL);
		return;
	}
	c = change_text(change_new(type[what], done, arg), text, size);
	if (c != NULL) {
		c->what = what;
		c->id = id;
		c->append = append;
		c->unused = what == IPAM_LEASE_FIRST;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

void ipam_delegate(struct ipam *ipam, uint64_t cluster, const char *text, size_t size, const struct ipam_owner *owner, struct ipam_by by,
		   ipam_done *done, void *arg)
{
	struct change *c;

	if (memchr(text, 0, size) != NULL) {
		done(arg, -EINVAL, NULL);
		return;
	}
	c = change_text(change_new(&change_delegate, done, arg), text, size);
	if (c != NULL) {
		c->id = cluster;
		c->owner = *owner;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

void ipam_set_attr(struct ipam *ipam, enum ipam_kind kind, uint64_t id, unsigned which, const struct ipam_attr *attr, struct ipam_by by,
		   ipam_done *done, void *arg)
{
	struct change *c = change_new(&change_attr, done, arg);

	if (c != NULL) {
		c->kind = kind;
		c->id = id;
		c->which = which;
		c->attr = *attr;
		/* Times, and all of a lease, are this machine's alone. */
		c->mirrored = kind == IPAM_LEASE || (which & (IPAM_SET_UID | IPAM_SET_GID | IPAM_SET_MODE)) == 0;
		c->by = by;
	}
	submit(ipam, c, done, arg);
}

void ipam_sync_object(struct ipam *ipam, enum ipam_kind kind, uint64_t id, ipam_done *done, void *arg)
{
	struct change *c = change_new(&change_sync, done, arg);

	if (c != NULL) {
		c->kind = kind;
		c->id = id;
	}
	submit(ipam, c, done, arg);
}

static int track_reserve(struct ipam *ipam, struct change *c)
{
	(void)ipam;
	c->soft = true;
	return 0;
}

static int track_apply(struct ipam *ipam, struct change *c)
{
	(void)c;
	return store_track(ipam->store);
}

static void track_settle(struct ipam *ipam, struct change *c)
{
	(void)ipam;
	(void)c;
}

void ipam_track(struct ipam *ipam, ipam_done *done, void *arg)
{
	static const struct change_type type = { .reserve = track_reserve, .apply = track_apply, .settle = track_settle };

	submit(ipam, change_new(&type, done, arg), done, arg);
}

struct ipam_by ipam_by_self(void)
{
	return (struct ipam_by){ .uid = getuid(), .pid = (uint32_t)getpid() };
}

int ipam_accept_engine(struct ipam *ipam)
{
	return ipam->remote == NULL ? -EOPNOTSUPP : astray_accept(ipam->remote);
}

uint64_t ipam_stalled(struct ipam *ipam)
{
	int64_t since = atomic_load(&ipam->storing), passed = since == 0 ? 0 : meter_now() - since;

	return passed < 0 ? 0 : (uint64_t)(passed / NANOSECONDS);
}

void ipam_engine(struct ipam *ipam, struct ipam_engine *out)
{
	*out = (struct ipam_engine){
		.path = ipam->path,
		.commits = atomic_load(&ipam->commits),
		.changes = atomic_load(&ipam->changes),
		.failed_changes = atomic_load(&ipam->failed_changes),
		.expired = atomic_load(&ipam->expired),
		.dropped = atomic_load(&ipam->dropped),
		.after_boot = ipam->after_boot,
		.queue = atomic_load(&ipam->queued),
		.stalled = ipam_stalled(ipam),
	};
	pthread_mutex_lock(&ipam->problem_lock);
	out->healthy = ipam->problem[0] == 0;
	memcpy(out->problem, ipam->problem, sizeof out->problem);
	pthread_mutex_unlock(&ipam->problem_lock);
	if (ipam->remote != NULL)
		remote_engine(ipam->remote, out);
}
