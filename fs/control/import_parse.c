#include "fs/control/import_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_MAX = 1 << 20 }; /* bytes: far more than an entry may be */

#define WANTED                                                                                                                             \
	"an object with node, name, addresses (of one each family) and attributes (strings), or with node, cidrs and labels, is wanted"

static int parse_address(const char *s, struct ipam_import *in)
{
	uint8_t family, len;
	u128 addr;

	if (cidr_parse_host(s, strlen(s), &family, &addr, &len) < 0 || in->has[family])
		return -EINVAL;
	in->has[family] = true;
	in->addr[family] = addr;
	return 0;
}

static bool one_word(const char *s)
{
	return s != NULL && strpbrk(s, "# \t\r\n") == NULL;
}

/* As lines, which the core takes. NULL: none are said. */
static int parse_labels(json_t *labels, struct buffer *out)
{
	const char *key;
	json_t *value;

	if (labels == NULL)
		return 0;
	if (!json_is_object(labels))
		return -EINVAL;
	buffer_add(out, "", 0);
	json_object_foreach(labels, key, value) {
		if (!one_word(key) || !one_word(json_string_value(value)))
			return -EINVAL;
		buffer_print(out, "%s=%s\n", key, json_string_value(value));
	}
	return out->failed ? -ENOMEM : 0;
}

/* An object without a name: its blocks. */
static int parse_node(struct foreign_import *r, struct ipam_import *in, json_t *object)
{
	json_t *cidrs = json_object_get(object, "cidrs"), *value;
	size_t i;
	int rc = in->node == NULL || !json_is_array(cidrs) ? -EINVAL : 0;

	in->cidr = r->cidr + r->cidrs;
	json_array_foreach(cidrs, i, value) {
		const char *s = json_string_value(value);

		if (rc == 0)
			rc = s == NULL ? -EINVAL : cidr_parse(s, strlen(s), &r->cidr[r->cidrs++]);
	}
	in->cidrs = (size_t)(r->cidr + r->cidrs - in->cidr);
	if (rc == 0)
		rc = parse_labels(json_object_get(object, "labels"), &r->labels[r->n - 1]);
	in->labels = r->labels[r->n - 1].data;
	return rc;
}

static int parse_lease(struct foreign_import *r, struct ipam_import *in, json_t *object)
{
	json_t *addresses = json_object_get(object, "addresses"), *attributes = json_object_get(object, "attributes"), *value;
	const char *key;
	size_t i;
	int rc = 0;

	in->attribute = r->attribute + r->attributes;
	if (in->node == NULL || !json_is_array(addresses) || (attributes != NULL && !json_is_object(attributes)))
		return -EINVAL;
	json_array_foreach(addresses, i, value) {
		if (rc == 0)
			rc = json_is_string(value) ? parse_address(json_string_value(value), in) : -EINVAL;
	}
	json_object_foreach(attributes, key, value) {
		if (!json_is_string(value))
			rc = -EINVAL;
		else
			r->attribute[r->attributes++] = (struct ipam_attribute){ key, json_string_value(value), json_string_length(value) };
	}
	in->attributes = (size_t)(r->attribute + r->attributes - in->attribute);
	return rc;
}

static int parse_object(struct foreign_import *r, json_t *object)
{
	struct ipam_import *in = &r->list[r->n++];

	in->node = json_string_value(json_object_get(object, "node"));
	in->name = json_string_value(json_object_get(object, "name"));
	return in->name != NULL ? parse_lease(r, in, object) : parse_node(r, in, object);
}

/* As jansson has it, roughly: what a text takes in memory is up to a hundred times its size. */
static size_t weight(json_t *value)
{
	size_t sum = 16, i;
	const char *key;
	json_t *inner;

	if (json_is_object(value)) {
		sum = 256;
		json_object_foreach(value, key, inner)
			sum += 64 + strlen(key) + weight(inner);
	} else if (json_is_array(value)) {
		sum = 128;
		json_array_foreach(value, i, inner)
			sum += 8 + weight(inner);
	} else if (json_is_string(value)) {
		sum = 48 + json_string_length(value);
	}
	return sum;
}

/* What is none at first sight isn't kept. */
static bool is_entry(json_t *value)
{
	return json_is_string(json_object_get(value, "node")) &&
	       json_is_array(json_object_get(value, json_object_get(value, "name") != NULL ? "addresses" : "cidrs"));
}

/* The next value, which is taken over by the array. */
static int load_entry(struct foreign_import *r, const char *text, size_t size, size_t *at, struct buffer *report)
{
	size_t left = size - *at;
	json_error_t error;
	json_t *value =
		json_loadb(text + *at, left < ENTRY_MAX ? left : ENTRY_MAX, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);

	if (value == NULL) {
		buffer_print(report, "-\t-\tnot JSON at byte %zu: %s\n", *at + (size_t)error.position, error.text);
		return -EINVAL;
	}
	*at += (size_t)error.position;
	if (!is_entry(value)) {
		json_decref(value);
		buffer_print(report, "-\t-\tentry %zu: " WANTED "\n", json_array_size(r->json) + 1);
		return -EINVAL;
	}
	r->weight += weight(value);
	if (json_array_append_new(r->json, value) < 0)
		return -ENOMEM;
	if (r->weight <= FOREIGN_IMPORT_WEIGHT)
		return 0;
	buffer_print(report, "-\t-\tmore than is taken at once, from entry %zu on: write it in parts\n", json_array_size(r->json));
	return -EFBIG;
}

/* All values of the text, and those of lists, in one array; one by one, so that memory is never taken for more than is kept. */
static int load_json(struct foreign_import *r, const char *text, size_t size, struct buffer *report)
{
	bool in_list = false;
	size_t at = 0;
	int rc = 0;

	r->json = json_array();
	if (r->json == NULL)
		return -ENOMEM;
	while (rc == 0) {
		while (at < size && text[at] != 0 && strchr(" \t\r\n,", text[at]) != NULL)
			at++;
		if (at == size && !in_list)
			return 0;
		if (at < size && text[at] == (in_list ? ']' : '[')) {
			in_list = !in_list;
			at++;
		} else {
			rc = load_entry(r, text, size, &at, report);
		}
	}
	return rc;
}

static int each_object(struct foreign_import *r, int (*fn)(struct foreign_import *r, json_t *object))
{
	json_t *value;
	size_t i;
	int rc = 0;

	json_array_foreach(r->json, i, value) {
		rc = fn(r, value);
		if (rc < 0)
			break;
	}
	return rc;
}

static int count(struct foreign_import *r, json_t *object)
{
	r->n++;
	r->attributes += json_object_size(json_object_get(object, "attributes"));
	r->cidrs += json_array_size(json_object_get(object, "cidrs"));
	return 0;
}

int foreign_import_parse(struct foreign_import *r, const char *text, size_t size, struct buffer *report)
{
	bool loaded;
	int rc;

	*r = (struct foreign_import){ 0 };
	rc = load_json(r, text, size, report);
	loaded = rc == 0;

	if (rc == 0)
		rc = each_object(r, count);
	if (rc == 0) {
		r->list = calloc(r->n + 1, sizeof *r->list);
		r->attribute = calloc(r->attributes + 1, sizeof *r->attribute);
		r->cidr = calloc(r->cidrs + 1, sizeof *r->cidr);
		r->labels = calloc(r->n + 1, sizeof *r->labels);
		r->objects = r->labels == NULL ? 0 : r->n;
		r->n = r->attributes = r->cidrs = 0;
		rc = r->list == NULL || r->attribute == NULL || r->cidr == NULL || r->labels == NULL ? -ENOMEM :
												       each_object(r, parse_object);
	}
	if (loaded && rc == -EINVAL)
		buffer_print(report, "-\t-\tentry %zu: " WANTED "\n", r->n);
	return rc;
}

void foreign_import_free(struct foreign_import *r)
{
	for (size_t i = 0; i < r->objects; i++)
		free(r->labels[i].data);
	free(r->labels);
	json_decref(r->json);
	free(r->list);
	free(r->attribute);
	free(r->cidr);
}

void foreign_scan(struct foreign_scan *s, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (s->string && (s->escaped || c == '\\'))
			s->escaped = !s->escaped;
		else if (c == '"')
			s->string = !s->string;
		else if (!s->string)
			s->depth += (c == '{' || c == '[') - (c == '}' || c == ']');
	}
}

bool foreign_scan_whole(const struct foreign_scan *s)
{
	return !s->string && s->depth <= 0;
}
