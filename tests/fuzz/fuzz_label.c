/* Labels, selectors, and the nodes that are made with them. What is taken, printed and read again, must be the same. */
#include "fuzz.h"

#include "ipam.h"
#include "text/label.h"
#include "text/text.h"
#include "text/text_node.h"

/* Canonical: by key, no key twice, and what is read of it is itself. */
static void check_labels(const char *labels)
{
	const char *at = labels;
	char key[512] = "", *again = NULL;
	struct label l;

	REQUIRE(labels != NULL && strlen(labels) <= IPAM_LABELS_MAX);
	while (labels_next(&at, &l)) {
		char next[sizeof key];

		snprintf(next, sizeof next, "%.*s", (int)l.key_size, l.key);
		REQUIRE(strcmp(key, next) < 0);
		memcpy(key, next, sizeof key);
	}
	REQUIRE(*at == 0);
	REQUIRE(text_labels(labels, strlen(labels), NULL, &again) == 0 && strcmp(labels, again) == 0);
	free(again);
}

/* Where the bytes are two texts with a NUL between, where the second begins; their end, if it is one. */
static size_t second(const char *s, size_t n)
{
	const char *nul = n == 0 ? NULL : memchr(s, 0, n);

	return nul == NULL ? n : (size_t)(nul - s) + 1;
}

/* OLD NUL LABELS: laid over. */
static void labels(const char *s, size_t n)
{
	size_t at = second(s, n), old_size = at < n ? at - 1 : at;
	char *old = NULL, *both = NULL;
	const char *each;
	struct label l;

	if (text_labels(s, old_size, NULL, &old) < 0)
		return;
	check_labels(old);
	if (text_labels(s + at, n - at, old, &both) == 0) {
		char *only = NULL;

		check_labels(both);
		/* What was written is all there. */
		REQUIRE(text_labels(s + at, n - at, NULL, &only) == 0);
		for (each = only; labels_next(&each, &l);) {
			size_t size = l.key_size + l.value_size + 2;
			char *line = fuzz_copy((const uint8_t *)l.key, size, 1), *there = strstr(both, line);

			while (there != NULL && there != both && there[-1] != '\n')
				there = strstr(there + 1, line);
			REQUIRE(there != NULL);
			free(line);
		}
		free(only);
	}
	free(both);
	free(old);
}

/* SELECTOR NUL LABELS: its canonical text selects the same as it. */
static void selector(const char *s, size_t n)
{
	size_t at = second(s, n), size = at < n ? at - 1 : at;
	char *canonical = NULL, *again = NULL, *of = NULL, *raw;
	unsigned commas = 0;

	if (selector_parse(s, size, &canonical) < 0)
		return;
	REQUIRE(selector_parse(canonical, strlen(canonical), &again) == 0 && strcmp(canonical, again) == 0);
	raw = fuzz_copy((const uint8_t *)s, size, 1);
	for (size_t i = 0; i < size; i++)
		commas += s[i] == ',';
	REQUIRE(selector_requirements(canonical) >= 1 && selector_requirements(canonical) <= commas + 1);
	if (text_labels(s + at, n - at, NULL, &of) == 0)
		REQUIRE(selector_matches(canonical, of) == selector_matches(raw, of));
	REQUIRE(selector_matches(canonical, NULL) == selector_matches(canonical, ""));
	free(of);
	free(raw);
	free(again);
	free(canonical);
}

static void nodes(const char *s, size_t n)
{
	struct text_node *list = NULL;
	size_t count = 0;

	if (text_nodes(s, n, &list, &count) < 0)
		return;
	REQUIRE(count > 0 && count <= IPAM_DELEGATE_LINES);
	for (size_t i = 0; i < count; i++) {
		REQUIRE(ipam_check_name(IPAM_NODE, list[i].name) == 0);
		check_labels(list[i].labels);
		for (size_t k = 0; k < i; k++)
			REQUIRE(strcmp(list[i].name, list[k].name) != 0);
		for (size_t k = 0; k < list[i].cidrs; k++)
			for (size_t j = 0; j < k; j++)
				REQUIRE(!cidr_overlap(&list[i].cidr[j], &list[i].cidr[k]));
	}
	text_nodes_free(list, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static fuzz_parser *const parser[] = { labels, selector, nodes };

	return fuzz_choose(parser, sizeof parser / sizeof *parser, data, size);
}
