/* What can't be alive when the database is opened: leases whose network namespaces were those of an earlier boot, and
 * ephemeral ones, whose holders ended with the last mount. */
#include "change/after_boot.h"

#include "change/lease_remove.h"
#include "engine/change.h"
#include "engine/commit.h"
#include "engine/engine.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

/* Releases go in batches: the committer takes what is queued, and nobody waits for single ones. */
struct dead {
	pthread_mutex_t lock; /* the rest */
	pthread_cond_t wake;
	size_t left, failed;
	int error;
};

static void released(void *arg, int error, const struct ipam_object *object)
{
	struct dead *d = arg;

	(void)object;
	pthread_mutex_lock(&d->lock);
	d->left--;
	if (error < 0) {
		d->failed++;
		d->error = error;
	}
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

static bool is_dead(const struct ipam *ipam, const struct lease *l)
{
	if (l->ephemeral && !ipam->options.keep_ephemeral)
		return true;
	return !ipam->options.keep_after_boot && l->boot != ipam->boot && lease_xattr(l, "netns") != NULL;
}

/* Writes the ids of the dead where there is room: how many there are. */
static size_t collect(const struct ipam *ipam, uint64_t *id, size_t room)
{
	const struct registry *r = &ipam->registry;
	size_t n = 0;

	for (const struct cluster *c = r->first; c != NULL; c = c->next)
		for (const struct node *node = c->first; node != NULL; node = node->next)
			for (uint32_t h = node->first; h != 0; h = registry_lease(r, h)->next) {
				if (!is_dead(ipam, registry_lease(r, h)))
					continue;
				if (n < room)
					id[n] = registry_lease(r, h)->id;
				n++;
			}
	return n;
}

static void release(struct ipam *ipam, uint64_t id, struct dead *d)
{
	struct change *c = change_new(&change_lease_remove, released, d);

	if (c == NULL) {
		released(d, -ENOMEM, NULL);
		return;
	}
	c->id = id;
	c->by.uid = IPAM_BY_NOBODY;
	c->reason = registry_lease(&ipam->registry, registry_find_lease(&ipam->registry, id))->ephemeral ? "closed" : "reboot";
	change_submit(ipam, c);
}

/* All in one transaction. */
static void release_all(struct ipam *ipam, const uint64_t *id, size_t n, struct dead *d)
{
	d->left = n;
	commit_hold(ipam, true);
	for (size_t i = 0; i < n; i++)
		release(ipam, id[i], d);
	commit_hold(ipam, false);
	pthread_mutex_lock(&d->lock);
	while (d->left > 0)
		pthread_cond_wait(&d->wake, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

void engine_after_boot(struct ipam *ipam)
{
	struct dead d = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };
	size_t n = collect(ipam, NULL, 0), boot = 0;
	uint64_t *id = n == 0 ? NULL : calloc(n, sizeof *id);

	if (n > 0 && id == NULL) {
		d.error = -ENOMEM;
		d.failed = n;
	} else if (n > 0) {
		collect(ipam, id, n);
		for (size_t i = 0; i < n; i++)
			boot += !registry_lease(&ipam->registry, registry_find_lease(&ipam->registry, id[i]))->ephemeral;
		release_all(ipam, id, n, &d);
	}
	if (d.failed > 0) {
		engine_log(ipam, LOG_ERR, "%zu leases of an earlier boot or mount could not be released: %s", d.failed, strerror(-d.error));
	} else {
		ipam->after_boot = boot;
		if (boot > 0)
			engine_log(ipam, LOG_NOTICE, "released %zu leases whose network namespaces ended with an earlier boot", boot);
		if (n > boot)
			engine_log(ipam, LOG_NOTICE, "released %zu ephemeral leases, whose holders ended with the last mount", n - boot);
	}
	free(id);
}
