/* Which etcd answers, and how far it has come: every answer says so in its header. */
#include "etcd/etcd_call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct etcd_identity identity_of(const json_t *reply)
{
	const json_t *header = json_object_get(reply, "header");
	const char *cluster;

	if (header == NULL)
		header = json_object_get(json_object_get(reply, "result"), "header");
	cluster = json_string_value(json_object_get(header, "cluster_id")); /* more than a signed number holds */
	return (struct etcd_identity){ cluster == NULL ? 0 : strtoull(cluster, NULL, 10), etcd_int(header, "revision") };
}

void etcd_mark_astray(struct etcd *e, const char *what)
{
	pthread_mutex_lock(&e->lock);
	snprintf(e->strange, sizeof e->strange, "%s", what);
	pthread_mutex_unlock(&e->lock);
	atomic_store(&e->astray, true);
}

/* Whatever was answered before this was asked, etcd has come as far, and its answers to these say so: others may be a member's own, which
 * is behind. */
static bool is_linear(const char *path)
{
	return strcmp(path, "/v3/kv/range") == 0 || strcmp(path, "/v3/kv/txn") == 0;
}

void etcd_identify(struct etcd *e, const char *endpoint, const char *path, int64_t known, const json_t *reply)
{
	struct etcd_identity now = identity_of(reply);
	uint64_t cluster = 0;
	char text[256] = "";

	if (now.cluster != 0 && !atomic_compare_exchange_strong(&e->cluster, &cluster, now.cluster) && cluster != now.cluster)
		snprintf(text, sizeof text, "%s is of etcd's cluster %" PRIx64 ", not %" PRIx64, endpoint, now.cluster, cluster);
	else if (is_linear(path) && now.revision < known)
		snprintf(text, sizeof text, "%s is at revision %" PRId64 ", and was at %" PRId64, endpoint, now.revision, known);
	if (text[0] != 0) {
		if (!atomic_load(&e->astray))
			etcd_mark_astray(e, text);
		return;
	}
	if (is_linear(path))
		etcd_saw(e, now.revision);
}

void etcd_saw(struct etcd *e, int64_t revision)
{
	int64_t known = atomic_load(&e->revision);

	while (revision > known && !atomic_compare_exchange_weak(&e->revision, &known, revision))
		;
}

bool etcd_astray(struct etcd *e, char *what, size_t size)
{
	if (!atomic_load(&e->astray))
		return false;
	if (what != NULL) {
		pthread_mutex_lock(&e->lock);
		snprintf(what, size, "%s", e->strange);
		pthread_mutex_unlock(&e->lock);
	}
	return true;
}

void etcd_expect(struct etcd *e, const struct etcd_identity *id)
{
	atomic_store(&e->cluster, id->cluster);
	atomic_store(&e->revision, id->revision);
	atomic_store(&e->astray, false);
}

void etcd_known(struct etcd *e, struct etcd_identity *out)
{
	*out = (struct etcd_identity){ atomic_load(&e->cluster), atomic_load(&e->revision) };
}

int etcd_survey(struct etcd *e, struct etcd_key key, int timeout_ms,
		int (*fn)(void *arg, const char *endpoint, const struct etcd_identity *id), void *arg)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < e->endpoints && !atomic_load(&e->stop); i++) {
		json_t *request = json_pack("{s:o, s:b}", "key", etcd_base64(key.data, key.size), "count_only", 1), *reply = NULL;
		struct etcd_identity id;
		struct ipam_error error;

		if (request == NULL)
			return -ENOMEM;
		if (etcd_login(e, NULL, timeout_ms, &error) == 0 &&
		    etcd_call_at(e, i, "/v3/kv/range", request, timeout_ms, &reply, &error) == 0) {
			id = identity_of(reply);
			rc = fn(arg, e->endpoint[i], &id);
		}
		json_decref(request);
		json_decref(reply);
	}
	return rc;
}
