/* What etcd says: records and keys, answers, and the lines of a watch, in pieces as a network has them. */
#include "fuzz.h"

#include "etcd/etcd_call.h"
#include "etcd/etcd_stream.h"
#include "shared/record.h"
#include "shared/record_key.h"

static void record(enum ipam_kind kind, const char *text, size_t size)
{
	struct record r, again;
	char *value;

	if (record_decode(kind, "name", 4, text, size, &r) < 0)
		return;
	value = record_encode(&r);
	REQUIRE(value != NULL && record_decode(kind, "name", 4, value, strlen(value), &again) == 0);
	REQUIRE(again.id == r.id && again.uid == r.uid && again.mode == r.mode && strcmp(again.machine, r.machine) == 0);
	REQUIRE((again.cidrs == NULL) == (r.cidrs == NULL) && (r.cidrs == NULL || strcmp(again.cidrs, r.cidrs) == 0));
	free(value);
	record_free(&r);
	record_free(&again);
}

static void block(const char *text, size_t size)
{
	struct record_block b, again;
	char *value;

	if (record_decode_block(text, size, &b) < 0)
		return;
	value = record_encode_block(&b);
	REQUIRE(value != NULL && record_decode_block(value, strlen(value), &again) == 0 && again.node == b.node);
	free(value);
}

static void key(const char *text, size_t size)
{
	struct record_name n;
	char out[RECORD_KEY];

	if (record_parse_key("/ipam", text, size, &n) < 0)
		return;
	if (n.what == RECORD_BLOCK) {
		size_t made = record_key_block("/ipam", n.id, &n.cidr, out);

		REQUIRE(made == size && memcmp(out, text, made) == 0);
	}
	if (n.what == RECORD_CLUSTER || n.what == RECORD_NODE)
		REQUIRE(n.name >= text && n.name + n.name_size <= text + size);
}

static void answer(const char *text, size_t size)
{
	json_t *o = json_loadb(text, size, 0, NULL);
	struct ipam_error error;
	struct etcd_kv kv;

	if (o != NULL && etcd_kv_parse(o, &kv) == 0)
		etcd_kv_free(&kv);
	if (o != NULL)
		REQUIRE(etcd_refusal("http://127.0.0.1:1", 400, o, &error) < 0);
	json_decref(o);
}

static int events(void *arg, const struct etcd_kv *kv, size_t n, int64_t revision)
{
	(void)arg;
	(void)revision;
	for (size_t i = 0; i < n; i++)
		REQUIRE(kv[i].key.data != NULL || kv[i].key.size == 0);
	return 0;
}

static void watch(const char *text, size_t size, size_t piece)
{
	struct ipam_error error;
	struct etcd_stream t = { .endpoint = "http://127.0.0.1:1", .events = events, .error = &error };

	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		char *part = fuzz_copy((const uint8_t *)text + at, n, 0);
		int rc = etcd_stream_take(&t, part, n);

		free(part);
		REQUIRE(rc == t.rc);
		if (rc < 0)
			break;
	}
	etcd_stream_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = fuzz_copy(data + 1, size - 1, 0);
	switch (data[0] % 6) {
	case 0:
		record(IPAM_CLUSTER, text, size - 1);
		break;
	case 1:
		record(IPAM_NODE, text, size - 1);
		break;
	case 2:
		block(text, size - 1);
		break;
	case 3:
		key(text, size - 1);
		break;
	case 4:
		answer(text, size - 1);
		break;
	default:
		watch(text, size - 1, data[0] / 6 + 1);
	}
	free(text);
	return 0;
}
