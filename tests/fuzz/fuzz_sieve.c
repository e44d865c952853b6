/* What ipamkube reads of an API server's answers. What jansson reads it reads as well, and finds the same there. */
#include "fuzz.h"

#include "kube/node.h"
#include "kube/sieve.h"

static void add(void *arg, const json_t *element)
{
	*(size_t *)arg += json_is_object(element);
}

static void in_pieces(const char *text, size_t size)
{
	static const char *const wanted[] = { "kind", NODE_WANTED("items.*."), NULL };
	size_t n = 0, cut = size == 0 ? 0 : (unsigned char)text[size - 1] % size;
	struct sieve s = { .wanted = wanted, .take = add, .arg = &n, .kind = "NodeList" };

	if (sieve_feed(&s, text, cut) == 0 && sieve_feed(&s, text + cut, size - cut) == 0)
		json_decref(sieve_end(&s));
	sieve_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *key[] = { "zone" };
	struct keys keys = { key, 1 };
	char *text = fuzz_copy(data, size, 0);
	json_t *node = sieve_text(text, size, node_wanted), *whole = json_loadb(text, size, JSON_ALLOW_NUL, NULL);
	struct seen seen, same;

	in_pieces(text, size);
	if (json_is_object(whole)) {
		int rc = seen_read(node, &keys, &seen);

		REQUIRE(node != NULL);
		REQUIRE(rc == seen_read(whole, &keys, &same));
		REQUIRE(seen.version == same.version && seen.deleting == same.deleting && pod_cidrs_same(&seen.cidrs, &same.cidrs));
		REQUIRE(rc != 0 || (strcmp(seen.name, same.name) == 0 && strcmp(seen.labels, same.labels) == 0));
		seen_free(&seen);
		seen_free(&same);
	}
	json_decref(node);
	json_decref(whole);
	free(text);
	return 0;
}
