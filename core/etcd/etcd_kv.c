#include "etcd/etcd_call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 1000 };

/* ---- base64 (RFC 4648), which the gateway has for bytes --------------------------------------------------------------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json_t *etcd_base64(const char *data, size_t size)
{
	const unsigned char *in = (const unsigned char *)data;
	char *text = malloc(size / 3 * 4 + 5), *out = text;
	json_t *s;

	if (text == NULL)
		return NULL;
	for (; size >= 3; size -= 3, in += 3) {
		*out++ = digits[in[0] >> 2];
		*out++ = digits[(in[0] & 3) << 4 | in[1] >> 4];
		*out++ = digits[(in[1] & 15) << 2 | in[2] >> 6];
		*out++ = digits[in[2] & 63];
	}
	if (size > 0) {
		unsigned second = size == 2 ? in[1] : 0;

		*out++ = digits[in[0] >> 2];
		*out++ = digits[(in[0] & 3) << 4 | second >> 4];
		*out++ = size == 2 ? digits[(second & 15) << 2] : '=';
		*out++ = '=';
	}
	s = json_stringn_nocheck(text, (size_t)(out - text));
	free(text);
	return s;
}

static int value_of(char c)
{
	const char *at = c == 0 ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

int etcd_unbase64(const json_t *o, const char *key, char **out, size_t *size)
{
	const json_t *s = json_object_get(o, key);
	const char *text = s == NULL ? "" : json_string_value(s);
	size_t n = s == NULL ? 0 : json_string_length(s), have = 0;
	unsigned bits = 0, held = 0;
	char *data;

	if (text == NULL || n % 4 != 0)
		return -EPROTO;
	data = malloc(n / 4 * 3 + 1);
	if (data == NULL)
		return -ENOMEM;
	while (n > 0 && text[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		int value = value_of(text[i]);

		if (value < 0) {
			free(data);
			return -EPROTO;
		}
		held = held << 6 | (unsigned)value;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			data[have++] = (char)(held >> bits & 0xff);
		}
	}
	data[have] = 0;
	*out = data;
	*size = have;
	return 0;
}

int64_t etcd_int(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	return json_is_string(n) ? strtoll(json_string_value(n), NULL, 10) : json_integer_value(n);
}

int etcd_kv_parse(const json_t *o, struct etcd_kv *out)
{
	char *key = NULL, *value = NULL;
	int rc;

	*out = (struct etcd_kv){
		.create_revision = etcd_int(o, "create_revision"),
		.mod_revision = etcd_int(o, "mod_revision"),
		.version = etcd_int(o, "version"),
		.lease = etcd_int(o, "lease"),
	};
	rc = etcd_unbase64(o, "key", &key, &out->key.size);
	if (rc == 0)
		rc = etcd_unbase64(o, "value", &value, &out->value.size);
	out->key.data = key;
	out->value.data = value;
	if (rc < 0)
		etcd_kv_free(out);
	return rc;
}

void etcd_kv_free(struct etcd_kv *kv)
{
	free((char *)(uintptr_t)kv->key.data);
	free((char *)(uintptr_t)kv->value.data);
	kv->key.data = kv->value.data = NULL;
}

size_t etcd_prefix_end(struct etcd_key prefix, char *end)
{
	size_t n = prefix.size;

	memcpy(end, prefix.data, n);
	while (n > 0 && (unsigned char)end[n - 1] == 0xff)
		n--;
	if (n > 0) {
		end[n - 1]++;
		return n;
	}
	end[0] = 0; /* to the end of all keys */
	return 1;
}

/* ---- ranges ----------------------------------------------------------------------------------------------------- */

static json_t *key_json(struct etcd_key k)
{
	return etcd_base64(k.data, k.size);
}

static json_t *int_json(int64_t n)
{
	return json_sprintf("%" PRId64, n);
}

static int bad_answer(struct ipam_error *error)
{
	return etcd_fail(error, -EPROTO, "an answer of etcd's that isn't understood");
}

static int each_kv(const json_t *kvs, int (*fn)(void *arg, const struct etcd_kv *kv), void *arg, struct ipam_error *error)
{
	const json_t *it;
	int rc = 0;
	size_t i;

	json_array_foreach(kvs, i, it) {
		struct etcd_kv kv;

		rc = etcd_kv_parse(it, &kv);
		if (rc < 0)
			return rc == -EPROTO ? bad_answer(error) : etcd_fail(error, rc, "out of memory");
		if (fn != NULL)
			rc = fn(arg, &kv);
		etcd_kv_free(&kv);
		if (rc != 0)
			break;
	}
	return rc;
}

int etcd_range(struct etcd *e, struct etcd_key key, struct etcd_key end, int timeout_ms, int (*fn)(void *arg, const struct etcd_kv *kv),
	       void *arg, int64_t *revision, struct ipam_error *error)
{
	int64_t at = 0, until = etcd_now_ms() + timeout_ms;
	json_t *from = key_json(key), *request = NULL, *reply = NULL;
	bool more;
	int rc;

	do {
		const json_t *kvs, *last;

		request = json_pack("{s:O, s:o, s:o}", "key", from, "limit", int_json(PAGE), "revision", int_json(at));
		if (request != NULL && end.size > 0)
			json_object_set_new(request, "range_end", key_json(end));
		rc = request == NULL ? -ENOMEM : etcd_call(e, "/v3/kv/range", request, (int)(until - etcd_now_ms()), &reply, error);
		json_decref(request);
		if (rc < 0)
			break;
		if (at == 0)
			at = etcd_int(json_object_get(reply, "header"), "revision");
		kvs = json_object_get(reply, "kvs");
		rc = at == 0 ? bad_answer(error) : each_kv(kvs, fn, arg, error);
		more = json_is_true(json_object_get(reply, "more")) && end.size > 0;
		last = json_array_get(kvs, json_array_size(kvs) - 1);
		if (rc == 0 && more) {
			char *bytes;
			size_t n;

			/* The next key is the last one with a NUL. */
			rc = etcd_unbase64(last, "key", &bytes, &n);
			if (rc == 0) {
				json_decref(from);
				from = etcd_base64(bytes, n + 1);
				free(bytes);
			}
		}
		json_decref(reply);
		reply = NULL;
	} while (rc == 0 && more);
	json_decref(from);
	if (rc == 0 && revision != NULL)
		*revision = at;
	return rc;
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

struct etcd_txn {
	json_t *compare, *success, *failure;
	bool failed; /* for want of memory */
};

struct etcd_txn *etcd_txn_new(void)
{
	struct etcd_txn *t = calloc(1, sizeof *t);

	if (t != NULL) {
		t->compare = json_array();
		t->success = json_array();
		t->failure = json_array();
		t->failed = t->compare == NULL || t->success == NULL || t->failure == NULL;
	}
	return t;
}

void etcd_txn_free(struct etcd_txn *t)
{
	if (t == NULL)
		return;
	json_decref(t->compare);
	json_decref(t->success);
	json_decref(t->failure);
	free(t);
}

static void add(struct etcd_txn *t, json_t *list, json_t *o)
{
	if (o == NULL || json_array_append_new(list, o) < 0)
		t->failed = true;
}

static void add_end(struct etcd_txn *t, json_t *o, struct etcd_key end)
{
	if (end.size > 0 && json_object_set_new(o, "range_end", key_json(end)) < 0)
		t->failed = true;
}

void etcd_if_revision(struct etcd_txn *t, struct etcd_key key, struct etcd_key end, int64_t mod_revision)
{
	json_t *compare = json_pack("{s:o, s:s, s:s, s:o}", "key", key_json(key), "target", "MOD", "result", "EQUAL", "mod_revision",
				    int_json(mod_revision));
	json_t *range = json_pack("{s:o, s:o}", "key", key_json(key), "limit", int_json(PAGE));

	add_end(t, compare, end);
	add_end(t, range, end);
	add(t, t->compare, compare);
	add(t, t->failure, json_pack("{s:o}", "request_range", range));
}

void etcd_put(struct etcd_txn *t, struct etcd_key key, struct etcd_key value, int64_t lease)
{
	add(t, t->success,
	    json_pack("{s:{s:o, s:o, s:o}}", "request_put", "key", key_json(key), "value", key_json(value), "lease", int_json(lease)));
}

void etcd_delete(struct etcd_txn *t, struct etcd_key key, struct etcd_key end)
{
	json_t *o = json_pack("{s:o}", "key", key_json(key));

	add_end(t, o, end);
	add(t, t->success, json_pack("{s:o}", "request_delete_range", o));
}

size_t etcd_txn_size(const struct etcd_txn *t)
{
	size_t compares = json_array_size(t->compare), changes = json_array_size(t->success);

	return compares > changes ? compares : changes;
}

int etcd_commit(struct etcd *e, const struct etcd_txn *t, int timeout_ms, int (*fn)(void *arg, const struct etcd_kv *kv), void *arg,
		int64_t *revision, struct ipam_error *error)
{
	json_t *request =
		t->failed ? NULL : json_pack("{s:O, s:O, s:O}", "compare", t->compare, "success", t->success, "failure", t->failure);
	json_t *reply = NULL;
	const json_t *it;
	size_t i;
	int rc;

	if (request == NULL)
		return etcd_fail(error, -ENOMEM, "out of memory");
	rc = etcd_call(e, "/v3/kv/txn", request, timeout_ms, &reply, error);
	json_decref(request);
	if (rc < 0)
		return rc;
	*revision = etcd_int(json_object_get(reply, "header"), "revision");
	if (*revision == 0) {
		rc = etcd_fail(error, -EHOSTUNREACH, "an answer of etcd's that isn't understood"); /* it may have been done */
	} else if (json_is_true(json_object_get(reply, "succeeded"))) {
		rc = 1;
	} else {
		json_array_foreach(json_object_get(reply, "responses"), i, it) {
			rc = each_kv(json_object_get(json_object_get(it, "response_range"), "kvs"), fn, arg, error);
			if (rc != 0)
				break;
		}
		rc = rc < 0 ? rc : 0;
	}
	json_decref(reply);
	return rc;
}

/* ---- leases ----------------------------------------------------------------------------------------------------- */

int etcd_grant(struct etcd *e, int64_t seconds, int timeout_ms, int64_t *lease, struct ipam_error *error)
{
	json_t *request = json_pack("{s:o}", "TTL", int_json(seconds)), *reply = NULL;
	int rc = request == NULL ? -ENOMEM : etcd_call(e, "/v3/lease/grant", request, timeout_ms, &reply, error);

	if (rc == 0) {
		*lease = etcd_int(reply, "ID");
		if (*lease == 0)
			rc = bad_answer(error);
	}
	json_decref(request);
	json_decref(reply);
	return rc;
}

int etcd_keep_alive(struct etcd *e, int64_t lease, int timeout_ms, struct ipam_error *error)
{
	json_t *request = json_pack("{s:o}", "ID", int_json(lease)), *reply = NULL;
	int rc = request == NULL ? -ENOMEM : etcd_call(e, "/v3/lease/keepalive", request, timeout_ms, &reply, error);

	/* A stream of one answer; a lease that has ended is told by no TTL. */
	if (rc == 0 && etcd_int(json_object_get(reply, "result"), "TTL") <= 0)
		rc = etcd_fail(error, -ENOENT, "the lease has ended");
	json_decref(request);
	json_decref(reply);
	return rc;
}

int etcd_revoke(struct etcd *e, int64_t lease, int timeout_ms, struct ipam_error *error)
{
	json_t *request = json_pack("{s:o}", "ID", int_json(lease)), *reply = NULL;
	int rc = request == NULL ? -ENOMEM : etcd_call(e, "/v3/lease/revoke", request, timeout_ms, &reply, error);

	json_decref(request);
	json_decref(reply);
	return rc;
}
