#include "node.h"

#include "sieve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is to be done ------------------------------------------------------------------------------------------------- */

static bool is_held(const struct cidr *c, const struct blocks *mount)
{
	for (size_t i = 0; i < mount->n; i++)
		if (cidr_compare(c, &mount->cidr[i]) == 0)
			return true;
	return false;
}

enum plan plan_for(bool present, bool deleting, const struct pod_cidrs *api, bool mounted, const struct blocks *mount)
{
	bool held = true;

	if (!present)
		return mounted ? PLAN_REMOVE : PLAN_NOTHING;
	if (api->odd)
		return PLAN_REFUSE;
	if (api->n == 0) {
		if (deleting)
			return PLAN_WAIT;
		return mounted && mount->n > 0 ? PLAN_PATCH : PLAN_DELEGATE;
	}
	if (!mounted)
		return PLAN_ADOPT;
	/* It may have grown others beside them. */
	for (unsigned i = 0; i < api->n; i++)
		held = held && is_held(&api->cidr[i], mount);
	return held ? PLAN_NOTHING : PLAN_EXCHANGE;
}

/* ---- labels -------------------------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_key(struct keys *k, const char *s, size_t n)
{
	char **bigger;

	for (size_t i = 0; i < k->n; i++)
		if (strlen(k->key[i]) == n && memcmp(k->key[i], s, n) == 0)
			return 0;
	bigger = reallocarray(k->key, k->n + 1, sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	k->key = bigger;
	k->key[k->n] = strndup(s, n);
	return k->key[k->n] == NULL ? -ENOMEM : (k->n++, 0);
}

int keys_read(const char *cidrs, struct keys *out)
{
	static const char word[] = "selector=";
	const char *at = cidrs;
	int rc = 0;

	while (rc == 0 && (at = strstr(at, word)) != NULL) {
		bool begins = at == cidrs || at[-1] == ' ' || at[-1] == '\t';

		at += sizeof word - 1;
		while (begins && rc == 0) {
			size_t pair, key;

			at += *at == '!'; /* KEY=VALUE, KEY!=VALUE, KEY, !KEY */
			pair = strcspn(at, ", \t\n");
			key = strcspn(at, "=!, \t\n");
			if (key > 0)
				rc = add_key(out, at, key);
			at += pair;
			if (*at != ',')
				break;
			at++;
		}
	}
	if (out->n > 0)
		qsort(out->key, out->n, sizeof *out->key, by_text);
	return rc;
}

bool keys_same(const struct keys *a, const struct keys *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->key[i], b->key[i]) != 0)
			return false;
	return true;
}

void keys_free(struct keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->key[i]);
	free(k->key);
	*k = (struct keys){ 0 };
}

/* As the mount takes a word: the API lets nothing else through, but this is what servers say. */
static bool is_word(const char *s)
{
	for (; *s != 0; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f)
			return false;
	return true;
}

static char *labels_read(const json_t *labels, const struct keys *keys)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	for (size_t i = 0; i < keys->n; i++) {
		const char *value = text_in(labels, keys->key[i]);

		if (value != NULL && is_word(value))
			fprintf(f, "%s%s=%s", ftell(f) > 0 ? " " : "", keys->key[i], value);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- a Node --------------------------------------------------------------------------------------------------------------- */

const char *const node_wanted[] = { NODE_WANTED(""), NULL };

bool node_name_is_good(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < 254 && *name != '.' && *name != '?' && is_word(name) && strpbrk(name, "/=") == NULL;
}

bool node_name_is_made_up(const char *name)
{
	return *name == '?';
}

uint64_t version_number(const char *version)
{
	char *end;
	unsigned long long n;

	if (version == NULL || *version < '0' || *version > '9')
		return 0;
	errno = 0;
	n = strtoull(version, &end, 10);
	return *end != 0 || errno != 0 ? 0 : n;
}

/* By its uid, or else by its podCIDRs: the same Node is called the same. */
static char *make_up_name(const char *uid, const struct pod_cidrs *cidrs)
{
	char text[NODE_CIDRS_TEXT], *name;

	if (asprintf(&name, "?%.200s", uid != NULL ? uid : pod_cidrs_text(cidrs, text)) < 0)
		return NULL;
	for (char *p = name; *p != 0; p++)
		if (*p == '/' || *p == ' ')
			*p = '_';
	return name;
}

int seen_read(const json_t *node, const struct keys *keys, struct seen *out)
{
	const json_t *metadata = json_object_get(node, "metadata"), *deleted = json_object_get(metadata, "deletionTimestamp");
	const char *name = text_in(metadata, "name"), *uid = text_in(metadata, "uid");
	bool good = name != NULL && uid != NULL && *uid != 0 && node_name_is_good(name);

	*out = (struct seen){ .version = version_number(text_in(metadata, "resourceVersion")) };
	pod_cidrs_read(json_object_get(node, "spec"), &out->cidrs);
	if (!good && out->cidrs.n == 0)
		return -EINVAL;
	out->deleting = deleted != NULL && !json_is_null(deleted);
	out->cidrs.odd |= !good;
	out->name = good ? strdup(name) : make_up_name(uid, &out->cidrs);
	out->uid = strdup(good ? uid : ""); /* of which nobody is told by an Event */
	out->labels = labels_read(json_object_get(metadata, "labels"), keys);
	return out->name == NULL || out->uid == NULL || out->labels == NULL ? -ENOMEM : 0;
}

void seen_free(struct seen *s)
{
	free(s->name);
	free(s->uid);
	free(s->labels);
	*s = (struct seen){ 0 };
}
