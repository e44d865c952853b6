/* The version of what lies under the prefix. */
#include "shared/format.h"

#include "etcd/etcd.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/remote.h"
#include "shared/request_run.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MS = 4000 };

static struct etcd_key text_key(const char *s)
{
	return (struct etcd_key){ s, strlen(s) };
}

static const struct etcd_key no_end;

struct schema {
	bool any;
	int version; /* 0: not ours */
	int64_t revision;
};

static int see_schema(void *arg, const struct etcd_kv *kv)
{
	struct schema *s = arg;
	char *end;
	long version = strtol(kv->value.data, &end, 10);

	s->any = true;
	s->version = kv->value.size > 0 && *end == 0 && version >= 1 && version <= INT16_MAX ? (int)version : 0;
	s->revision = kv->mod_revision;
	return 0;
}

static int see_any(void *arg, const struct etcd_kv *kv)
{
	(void)kv;
	*(bool *)arg = true;
	return 1;
}

/* The key as it was found becomes this version: 1, or 0 where somebody was faster. */
static int put_schema(struct remote *r, const struct schema *found, int version, int timeout_ms, struct ipam_error *error)
{
	struct etcd_txn *txn = etcd_txn_new();
	char key[RECORD_KEY], text[16];
	int64_t revision;
	int rc = -ENOMEM;

	record_key(r->prefix, "schema", key);
	snprintf(text, sizeof text, "%d", version);
	if (txn != NULL) {
		etcd_if_revision(txn, text_key(key), no_end, found->revision);
		etcd_put(txn, text_key(key), text_key(text), 0);
		rc = etcd_commit(r->etcd, txn, timeout_ms, NULL, NULL, &revision, error);
	}
	etcd_txn_free(txn);
	return rc;
}

/* Nothing of anybody's lies there yet. */
static int check_empty(struct remote *r, int timeout_ms, struct ipam_error *error)
{
	char prefix[RECORD_KEY], end[RECORD_KEY + 1];
	bool any = false;
	int rc;

	snprintf(prefix, sizeof prefix, "%s/", r->prefix);
	rc = etcd_range(r->etcd, text_key(prefix), (struct etcd_key){ end, etcd_prefix_end(text_key(prefix), end) }, timeout_ms, see_any,
			&any, NULL, error);
	if (rc < 0 || !any)
		return rc;
	snprintf(error->text, sizeof error->text, "under '%s' lie keys of something else; choose a prefix of its own for the addresses",
		 r->prefix);
	return -ENOTSUP;
}

static int judge(const struct remote *r, const struct schema *s, struct ipam_error *error)
{
	bool newer = s->version > RECORD_SCHEMA;

	if (s->version > 0 && !newer)
		return 0;
	snprintf(error->text, sizeof error->text, "under '%s' lies %s; %s", r->prefix,
		 newer ? "the state of a newer version" : "something else",
		 newer ? "upgrade this ipamfs" : "choose a prefix of its own for the addresses");
	return -ENOTSUP;
}

/* At least this version: found, made or raised. */
static int reach(struct remote *r, int least, int timeout_ms, struct ipam_error *error)
{
	int64_t until = remote_now_ms() + timeout_ms;
	char key[RECORD_KEY];
	int rc;

	record_key(r->prefix, "schema", key);
	for (;;) {
		int left = (int)(until - remote_now_ms());
		struct schema s = { 0 };

		rc = left <= 0 ? -EHOSTUNREACH : etcd_range(r->etcd, text_key(key), no_end, left, see_schema, &s, NULL, error);
		if (rc == 0)
			rc = s.any ? judge(r, &s, error) : check_empty(r, left, error);
		if (rc == 0 && s.version < least) {
			rc = put_schema(r, &s, least, left, error);
			if (rc == 0)
				continue; /* somebody was faster */
			s.version = least;
		}
		if (rc < 0)
			return rc;
		pthread_mutex_lock(&r->lock);
		r->schema = s.version;
		pthread_cond_broadcast(&r->moved);
		pthread_mutex_unlock(&r->lock);
		return 0;
	}
}

int remote_check_schema(struct remote *r, struct ipam_error *error)
{
	return reach(r, RECORD_SCHEMA_FIRST, CALL_MS, error);
}

int remote_raise_schema(struct remote *r, int version, int timeout_ms, struct ipam_error *error)
{
	return reach(r, version, timeout_ms, error);
}
