/* label — the labels of nodes and the selectors of CIDRs, in Kubernetes' syntax.
 *
 * A key is [PREFIX/]NAME: NAME of 1 to 63 bytes, alphanumeric with '-', '_', '.' inside, PREFIX a DNS subdomain of at most
 * 253; a value is as a NAME, or empty (Kubernetes, "Labels and Selectors"). Both are kept as their canonical text, which is what
 * files show and tables store: labels "KEY=VALUE\n", sorted by key, no key twice; a selector its requirements in the order of
 * their keys, with commas between. NULL and "" mean none. Pure functions, thread-safe; texts handed out are the caller's to free.
 */
#ifndef IPAM_TEXT_LABEL_H
#define IPAM_TEXT_LABEL_H

#include <stdbool.h>
#include <stddef.h>

struct label {
	const char *key, *value; /* inside the text it was parsed from */
	size_t key_size, value_size;
};

/* "KEY=VALUE". -EINVAL. */
int label_parse(const char *s, size_t n, struct label *out);
/* The canonical text of these, laid over `old` (may be NULL). -EINVAL where a key stands twice in the list, -ENOSPC past
 * IPAM_LABELS_MAX, -ENOMEM. */
int labels_make(const char *old, const struct label *list, size_t n, char **out);
/* The labels of a canonical text, one by one: true, and *at goes on; false at its end. *at begins as the text. */
bool labels_next(const char **at, struct label *out);

/* "REQ[,REQ...]", each KEY=VALUE, KEY==VALUE, KEY!=VALUE, KEY or !KEY: its canonical text. -EINVAL malformed, or longer than
 * IPAM_SELECTOR_MAX; -ENOMEM. */
int selector_parse(const char *s, size_t n, char **out);
/* How many requirements a canonical one has. */
unsigned selector_requirements(const char *selector);
/* All of them hold; as Kubernetes has it, KEY!=VALUE does, too, where there is no such key. */
bool selector_matches(const char *selector, const char *labels);

#endif
