/* The three kinds of patch: RFC 7386, Kubernetes' strategic one, and RFC 6902. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver.h"

/* ---- RFC 7386 */

static void merge(json_t *target, const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)patch, key, value) {
		json_t *here = json_object_get(target, key);

		if (json_is_null(value)) {
			json_object_del(target, key);
		} else if (json_is_object(value)) {
			if (!json_is_object(here)) {
				here = json_object();
				json_object_set_new(target, key, here);
			}
			merge(here, value);
		} else {
			json_object_set_new(target, key, json_deep_copy(value));
		}
	}
}

bool patch_merge(json_t **target, const json_t *patch)
{
	if (!json_is_object(patch))
		return false;
	merge(*target, patch);
	return true;
}

/* ---- strategic: some lists are sets, some are merged by a key of their members (the patchStrategy and patchMergeKey of
 * core/v1/types.go); the others are replaced */

struct list_rule {
	const char *field, *key; /* NULL: a set of strings */
};

static const struct list_rule list_rules[] = {
	{ "podCIDRs", NULL }, { "finalizers", NULL }, { "ownerReferences", "uid" }, { "conditions", "type" }, { "addresses", "type" },
};

static const struct list_rule *list_rule(const char *field)
{
	for (size_t i = 0; i < sizeof list_rules / sizeof *list_rules; i++)
		if (strcmp(list_rules[i].field, field) == 0)
			return &list_rules[i];
	return NULL;
}

static bool strategic(json_t *target, const json_t *patch);

static size_t find_in(const json_t *list, const json_t *wanted, const char *key)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const json_t *it = json_array_get(list, i);

		if (json_equal((json_t *)(key ? json_object_get(it, key) : it), (json_t *)(key ? json_object_get(wanted, key) : wanted)))
			break;
	}
	return i;
}

static bool merge_list(json_t *list, const json_t *patch, const char *key)
{
	json_t *it;
	size_t i, at;

	json_array_foreach(patch, i, it) {
		at = find_in(list, it, key);
		if (key && strcmp(text_at(it, "$patch"), "delete") == 0)
			json_array_remove(list, at);
		else if (at == json_array_size(list))
			json_array_append_new(list, json_deep_copy(it));
		else if (key && !strategic(json_array_get(list, at), it))
			return false;
	}
	return true;
}

static void take_from_list(json_t *target, const char *field, const json_t *values)
{
	json_t *list = json_object_get(target, field), *it;
	size_t i;

	json_array_foreach(values, i, it)
		json_array_remove(list, find_in(list, it, NULL));
	if (json_is_array(list) && json_array_size(list) == 0)
		json_object_del(target, field);
}

static bool strategic(json_t *target, const json_t *patch)
{
	static const char deletes[] = "$deleteFromPrimitiveList/", orders[] = "$setElementOrder/";
	const struct list_rule *rule;
	const char *key;
	json_t *value, *here;

	json_object_foreach((json_t *)patch, key, value) {
		here = json_object_get(target, key);
		rule = list_rule(key);
		if (strncmp(key, deletes, sizeof deletes - 1) == 0) {
			take_from_list(target, key + sizeof deletes - 1, value);
		} else if (strncmp(key, orders, sizeof orders - 1) == 0) {
			continue;
		} else if (*key == '$') {
			return false;
		} else if (json_is_null(value)) {
			json_object_del(target, key);
		} else if (json_is_object(value)) {
			if (!json_is_object(here))
				json_object_set_new(target, key, here = json_object());
			if (!strategic(here, value))
				return false;
		} else if (json_is_array(value) && json_is_array(here) && rule) {
			if (!merge_list(here, value, rule->key))
				return false;
		} else {
			json_object_set_new(target, key, json_deep_copy(value));
		}
	}
	return true;
}

bool patch_strategic(json_t **target, const json_t *patch)
{
	return json_is_object(patch) && strategic(*target, patch);
}

/* ---- RFC 6902, of which 'add', 'replace', 'remove' and 'test' */

/* The parent of what POINTER names, and its last part, unescaped. */
static json_t *walk(json_t *root, const char *pointer, char last[256])
{
	json_t *here = root;

	if (*pointer != '/')
		return NULL;
	for (;;) {
		size_t n = 0;

		for (pointer++; *pointer && *pointer != '/'; pointer++) {
			if (n == 255)
				return NULL;
			if (*pointer == '~' && (pointer[1] == '0' || pointer[1] == '1'))
				last[n++] = *++pointer == '0' ? '~' : '/';
			else
				last[n++] = *pointer;
		}
		last[n] = 0;
		if (!*pointer)
			return here;
		here = json_is_array(here) ? json_array_get(here, strtoul(last, NULL, 10)) : json_object_get(here, last);
		if (!here)
			return NULL;
	}
}

static json_t *member(const json_t *parent, const char *last)
{
	return json_is_array(parent) ? json_array_get(parent, strtoul(last, NULL, 10)) : json_object_get(parent, last);
}

static bool operate(json_t *root, const char *op, const char *path, json_t *value)
{
	char last[256];
	json_t *parent = walk(root, path, last), *here;
	size_t index = strtoul(last, NULL, 10);

	if (!parent)
		return false;
	here = member(parent, last);
	if (strcmp(op, "test") == 0)
		return here && value && json_equal(here, value);
	if (strcmp(op, "remove") == 0)
		return here && (json_is_array(parent) ? json_array_remove(parent, index) : json_object_del(parent, last)) == 0;
	if (!value || (strcmp(op, "replace") == 0 && !here))
		return false;
	value = json_deep_copy(value);
	if (!json_is_array(parent))
		return json_object_set_new(parent, last, value) == 0;
	if (strcmp(op, "replace") == 0)
		return json_array_set_new(parent, index, value) == 0;
	return (strcmp(last, "-") == 0 ? json_array_append_new(parent, value) : json_array_insert_new(parent, index, value)) == 0;
}

bool patch_json(json_t **target, const json_t *patch, const char **message)
{
	json_t *it;
	size_t i;

	*message = "not a list of operations";
	if (!json_is_array(patch))
		return false;
	json_array_foreach(patch, i, it) {
		const char *op = text_at(it, "op");

		*message = "an operation that isn't known";
		if (strcmp(op, "add") != 0 && strcmp(op, "replace") != 0 && strcmp(op, "remove") != 0 && strcmp(op, "test") != 0)
			return false;
		*message = strcmp(op, "test") == 0 ? "testing value failed" : "there is no such path";
		if (!operate(*target, op, text_at(it, "path"), json_object_get(it, "value")))
			return false;
	}
	return true;
}
