#include "yaml.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* An anchor may be named again and again, also within itself: neither deeper nor more than this. */
enum { DEPTH_MAX = 32, NODES_MAX = 100000 };

struct reading {
	yaml_document_t *document;
	unsigned nodes;
	const char *why;
};

static json_t *stop(struct reading *r, const char *why)
{
	r->why = why;
	return NULL;
}

static json_t *value(struct reading *r, int index, unsigned depth);

static json_t *scalar(struct reading *r, const yaml_node_t *node)
{
	const char *s = (const char *)node->data.scalar.value;
	size_t n = node->data.scalar.length;
	json_t *v;

	if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (n == 0 || strcmp(s, "~") == 0 || strcmp(s, "null") == 0 || strcmp(s, "Null") == 0 || strcmp(s, "NULL") == 0))
		return json_null();
	if (memchr(s, 0, n) != NULL)
		return stop(r, "a NUL in a text");
	v = json_stringn(s, n);
	return v != NULL ? v : stop(r, "a text that isn't UTF-8");
}

static json_t *sequence(struct reading *r, const yaml_node_t *node, unsigned depth)
{
	json_t *list = json_array();

	for (const yaml_node_item_t *it = node->data.sequence.items.start; it < node->data.sequence.items.top; it++)
		if (json_array_append_new(list, value(r, *it, depth)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *mapping(struct reading *r, const yaml_node_t *node, unsigned depth)
{
	json_t *map = json_object();

	for (const yaml_node_pair_t *it = node->data.mapping.pairs.start; it < node->data.mapping.pairs.top; it++) {
		json_t *key = value(r, it->key, depth);
		bool good = json_is_string(key);

		if (key != NULL && !good)
			stop(r, "a key that is no text");
		else if (good && json_object_get(map, json_string_value(key)) != NULL)
			good = stop(r, "a key twice") != NULL;
		good = good && json_object_set_new(map, json_string_value(key), value(r, it->value, depth)) == 0;
		json_decref(key);
		if (!good) {
			json_decref(map);
			return NULL;
		}
	}
	return map;
}

static json_t *value(struct reading *r, int index, unsigned depth)
{
	const yaml_node_t *node = yaml_document_get_node(r->document, index);

	if (node == NULL || depth == DEPTH_MAX || ++r->nodes > NODES_MAX)
		return stop(r, "too deep, or too much");
	switch (node->type) {
	case YAML_SCALAR_NODE:
		return scalar(r, node);
	case YAML_SEQUENCE_NODE:
		return sequence(r, node, depth + 1);
	case YAML_MAPPING_NODE:
		return mapping(r, node, depth + 1);
	default:
		return stop(r, "a value of an unknown kind");
	}
}

json_t *yaml_read(const char *text, size_t n, char why[256])
{
	yaml_document_t document;
	yaml_parser_t parser;
	json_t *v = NULL;

	if (!yaml_parser_initialize(&parser)) {
		snprintf(why, 256, "out of memory");
		return NULL;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	if (!yaml_parser_load(&parser, &document)) {
		snprintf(why, 256, "line %zu: %s", parser.problem_mark.line + 1, parser.problem == NULL ? "out of memory" : parser.problem);
	} else {
		struct reading r = { .document = &document };

		v = yaml_document_get_root_node(&document) == NULL ? stop(&r, "it is empty") : value(&r, 1, 0);
		if (v == NULL)
			snprintf(why, 256, "%s", r.why == NULL ? "out of memory" : r.why);
		yaml_document_delete(&document);
	}
	yaml_parser_delete(&parser);
	return v;
}
