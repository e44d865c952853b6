#include "text/label.h"

#include "ipam.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 63, PREFIX_MAX_BYTES = 253 };

/* ---- syntax ------------------------------------------------------------------------------------------------ */

/* ASCII's alone, whatever the locale. */
static bool lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alphanumeric(char c)
{
	return lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool is_name(const char *s, size_t n)
{
	if (n == 0 || n > NAME_MAX_BYTES || !alphanumeric(s[0]) || !alphanumeric(s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!alphanumeric(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.')
			return false;
	return true;
}

/* RFC 1123 as Kubernetes reads it: its parts begin and end alphanumerically. */
static bool is_subdomain(const char *s, size_t n)
{
	if (n == 0 || n > PREFIX_MAX_BYTES)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool first = i == 0 || s[i - 1] == '.', last = i + 1 == n || s[i + 1] == '.';

		if (!lower_or_digit(s[i]) && (first || last || (s[i] != '-' && s[i] != '.')))
			return false;
	}
	return true;
}

static bool is_key(const char *s, size_t n)
{
	const char *slash = n == 0 ? NULL : memchr(s, '/', n);
	size_t prefix = slash == NULL ? 0 : (size_t)(slash - s);

	if (slash == NULL)
		return is_name(s, n);
	return is_subdomain(s, prefix) && is_name(slash + 1, n - prefix - 1);
}

static bool is_value(const char *s, size_t n)
{
	return n == 0 || is_name(s, n);
}

static int compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

	return order != 0 ? order : a_size < b_size ? -1 : a_size > b_size;
}

/* ---- labels -------------------------------------------------------------------------------------------------- */

int label_parse(const char *s, size_t n, struct label *out)
{
	const char *equals = n == 0 ? NULL : memchr(s, '=', n);

	if (equals == NULL)
		return -EINVAL;
	*out = (struct label){ s, equals + 1, (size_t)(equals - s), (size_t)(s + n - equals - 1) };
	return is_key(out->key, out->key_size) && is_value(out->value, out->value_size) ? 0 : -EINVAL;
}

bool labels_next(const char **at, struct label *out)
{
	const char *s = *at;
	size_t n = s == NULL ? 0 : strcspn(s, "\n");

	if (n == 0 || label_parse(s, n, out) < 0)
		return false;
	*at = s + n + (s[n] == '\n');
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	return compare(x->key, x->key_size, y->key, y->key_size);
}

static bool sort_distinct(struct label *list, size_t n)
{
	if (n > 1)
		qsort(list, n, sizeof *list, by_key);
	for (size_t i = 1; i < n; i++)
		if (by_key(&list[i - 1], &list[i]) == 0)
			return false;
	return true;
}

static char *print_label(char *out, const struct label *l)
{
	memcpy(out, l->key, l->key_size);
	out += l->key_size;
	*out++ = '=';
	if (l->value_size > 0)
		memcpy(out, l->value, l->value_size);
	out += l->value_size;
	*out++ = '\n';
	return out;
}

/* Both are sorted: of one key that both have, the list's is taken. */
static size_t print_merged(const char *old, const struct label *list, size_t n, char *out)
{
	struct label l;
	bool more = labels_next(&old, &l);
	char *begin = out;
	size_t i = 0;

	while (more || i < n) {
		int order = !more ? 1 : i == n ? -1 : by_key(&l, &list[i]);

		out = print_label(out, order < 0 ? &l : &list[i]);
		i += order >= 0;
		if (order <= 0)
			more = labels_next(&old, &l);
	}
	*out = 0;
	return (size_t)(out - begin);
}

int labels_make(const char *old, const struct label *list, size_t n, char **out)
{
	struct label *sorted = calloc(n + 1, sizeof *sorted);
	size_t most = old == NULL ? 1 : strlen(old) + 1;
	char *text = NULL;
	int rc = sorted == NULL ? -ENOMEM : 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		sorted[i] = list[i];
		most += list[i].key_size + list[i].value_size + 2;
	}
	if (rc == 0 && !sort_distinct(sorted, n))
		rc = -EINVAL;
	if (rc == 0 && (text = malloc(most)) == NULL)
		rc = -ENOMEM;
	if (rc == 0 && print_merged(old, sorted, n, text) > IPAM_LABELS_MAX)
		rc = -ENOSPC;
	free(sorted);
	if (rc < 0)
		free(text);
	else
		*out = text;
	return rc;
}

/* ---- selectors ----------------------------------------------------------------------------------------------- */

struct requirement {
	enum { EXISTS, EXISTS_NOT, EQUAL, EQUAL_NOT } what;
	struct label label; /* its value where there is one to compare */
};

static int parse_requirement(const char *s, size_t n, struct requirement *out)
{
	const char *equals = n == 0 ? NULL : memchr(s, '=', n), *end = s + n;
	struct label *l = &out->label;

	*out = (struct requirement){ .what = EXISTS, .label = { s, "", n, 0 } };
	if (equals != NULL) {
		bool differs = equals > s && equals[-1] == '!';

		out->what = differs ? EQUAL_NOT : EQUAL;
		l->key_size = (size_t)(equals - s) - differs;
		l->value = equals + 1;
		if (!differs && l->value < end && *l->value == '=')
			l->value++;
		l->value_size = (size_t)(end - l->value);
	} else if (n > 0 && s[0] == '!') {
		out->what = EXISTS_NOT;
		l->key++;
		l->key_size--;
	}
	return is_key(l->key, l->key_size) && is_value(l->value, l->value_size) ? 0 : -EINVAL;
}

static int by_requirement(const void *a, const void *b)
{
	const struct requirement *x = a, *y = b;
	int order = by_key(&x->label, &y->label);

	if (order == 0 && x->what != y->what)
		order = x->what < y->what ? -1 : 1;
	return order != 0 ? order : compare(x->label.value, x->label.value_size, y->label.value, y->label.value_size);
}

static char *print_requirement(char *out, const struct requirement *r)
{
	static const char *const between[] = { "", "", "=", "!=" };
	const struct label *l = &r->label;

	if (r->what == EXISTS_NOT)
		*out++ = '!';
	memcpy(out, l->key, l->key_size);
	out = stpcpy(out + l->key_size, between[r->what]);
	if (l->value_size > 0)
		memcpy(out, l->value, l->value_size);
	return out + l->value_size;
}

int selector_parse(const char *s, size_t n, char **out)
{
	struct requirement *list = NULL;
	size_t have = 0, commas = 0;
	const char *end = s + n;
	char *text = NULL, *at;
	int rc = 0;

	if (n == 0 || n > IPAM_SELECTOR_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		commas += s[i] == ',';
	list = calloc(commas + 1, sizeof *list);
	text = malloc(n + 1);
	if (list == NULL || text == NULL)
		rc = -ENOMEM;
	while (rc == 0 && have <= commas) {
		const char *comma = s == end ? NULL : memchr(s, ',', (size_t)(end - s));
		size_t size = (size_t)((comma != NULL ? comma : end) - s);

		rc = parse_requirement(s, size, &list[have++]);
		s += size + (comma != NULL);
	}
	if (rc == 0) {
		qsort(list, have, sizeof *list, by_requirement);
		at = text;
		for (size_t i = 0; i < have; i++) {
			if (i > 0 && by_requirement(&list[i - 1], &list[i]) == 0)
				continue;
			if (i > 0)
				*at++ = ',';
			at = print_requirement(at, &list[i]);
		}
		*at = 0;
	}
	free(list);
	if (rc < 0)
		free(text);
	else
		*out = text;
	return rc;
}

unsigned selector_requirements(const char *selector)
{
	unsigned n = selector != NULL && selector[0] != 0;

	for (; n > 0 && *selector != 0; selector++)
		n += *selector == ',';
	return n;
}

static bool holds(const struct requirement *r, const char *labels)
{
	struct label l;
	bool has = false, equal = false;

	while (!has && labels_next(&labels, &l)) {
		has = by_key(&l, &r->label) == 0;
		equal = has && compare(l.value, l.value_size, r->label.value, r->label.value_size) == 0;
	}
	return r->what == EXISTS ? has : r->what == EXISTS_NOT ? !has : (r->what == EQUAL) == equal;
}

bool selector_matches(const char *selector, const char *labels)
{
	struct requirement r;

	while (selector != NULL && *selector != 0) {
		size_t n = strcspn(selector, ",");

		if (parse_requirement(selector, n, &r) < 0 || !holds(&r, labels))
			return false;
		selector += n + (selector[n] == ',');
	}
	return true;
}
