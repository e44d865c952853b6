#include "shared/record.h"

#include "registry/registry.h"
#include "text/settings.h"
#include "text/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- lists as text ----------------------------------------------------------------------------------------------- */

struct lines {
	FILE *f;
	char *text;
	size_t size;
};

static bool lines_begin(struct lines *l)
{
	*l = (struct lines){ 0 };
	l->f = open_memstream(&l->text, &l->size);
	return l->f != NULL;
}

static char *lines_end(struct lines *l)
{
	if (fclose(l->f) == 0)
		return l->text;
	free(l->text);
	return NULL;
}

static void print_cidr(struct lines *l, const struct cidr *cidr, unsigned node_mask, const char *selector)
{
	char text[CIDR_TEXT];

	cidr_print(cidr, text);
	fprintf(l->f, "%s %u%s%s\n", text, node_mask, selector != NULL ? " selector=" : "", selector != NULL ? selector : "");
}

static char *record_cluster_cidrs(const struct cluster *c)
{
	struct lines l;

	if (!lines_begin(&l))
		return NULL;
	for (size_t i = 0; i < c->cidrs; i++)
		print_cidr(&l, &c->cidr[i]->cidr, c->cidr[i]->node_mask, c->cidr[i]->selector);
	return lines_end(&l);
}

char *record_cidrs(const struct text_cidr *line, size_t n)
{
	struct lines l;

	if (!lines_begin(&l))
		return NULL;
	for (size_t i = 0; i < n; i++)
		print_cidr(&l, &line[i].cidr, line[i].node_mask, line[i].selector);
	return lines_end(&l);
}

char *record_node_cidrs(const struct node *n)
{
	char text[CIDR_TEXT];
	struct lines l;

	if (!lines_begin(&l))
		return NULL;
	for (uint32_t i = 0; i < n->blocks; i++) {
		cidr_print(&n->block[i]->pool.prefix, text);
		fprintf(l.f, "%s\n", text);
	}
	return lines_end(&l);
}

char *record_ranges(const struct ipam_reserved *range, size_t n)
{
	char text[TEXT_RESERVED];
	struct lines l;

	if (!lines_begin(&l))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		text_print_reserved(&range[i], text);
		fprintf(l.f, "%s\n", text);
	}
	return lines_end(&l);
}

static char *record_reserved(const struct cluster *c)
{
	return record_ranges(c->reserved, c->reserveds);
}

char *record_settings(const struct settings *s)
{
	struct lines l;
	char text[32];

	if (!lines_begin(&l))
		return NULL;
	for (unsigned i = 0; i < IPAM_SETTINGS; i++)
		if (s->set & 1u << i) {
			settings_print(i, s->value[i], text);
			fprintf(l.f, "%s %s\n", ipam_setting_name(i), text);
		}
	return lines_end(&l);
}

/* ---- from memory --------------------------------------------------------------------------------------------- */

static int take(struct record *r, const char *name, const struct ipam_attr *attr)
{
	snprintf(r->name, sizeof r->name, "%s", name);
	r->uid = attr->uid;
	r->gid = attr->gid;
	r->mode = attr->mode;
	r->made = attr->btime;
	if (r->cidrs != NULL && r->settings != NULL && r->reserved != NULL && r->labels != NULL)
		return 0;
	record_free(r);
	return -ENOMEM;
}

int record_of_cluster(const struct cluster *c, struct record *out)
{
	*out = (struct record){ .kind = IPAM_CLUSTER, .id = c->shared, .revision = c->revision };
	out->cidrs = record_cluster_cidrs(c);
	out->reserved = record_reserved(c);
	out->settings = record_settings(&c->settings);
	out->labels = strdup("");
	return take(out, c->name, &c->attr);
}

int record_of_node(const struct node *n, struct record *out)
{
	*out = (struct record){ .kind = IPAM_NODE, .id = n->shared, .cluster = n->cluster->shared, .revision = n->revision };
	out->cidrs = record_node_cidrs(n);
	out->reserved = strdup("");
	out->settings = record_settings(&n->settings);
	out->labels = strdup(n->labels == NULL ? "" : n->labels);
	return take(out, n->name, &n->attr);
}

void record_free(struct record *r)
{
	free(r->cidrs);
	free(r->reserved);
	free(r->settings);
	free(r->labels);
	r->cidrs = r->reserved = r->settings = r->labels = NULL;
}

int record_add_block(struct record *r, const struct cidr *cidr)
{
	char text[CIDR_TEXT], *longer = NULL;

	cidr_print(cidr, text);
	if (asprintf(&longer, "%s%s\n", r->cidrs, text) < 0)
		return -ENOMEM;
	free(r->cidrs);
	r->cidrs = longer;
	return 0;
}

int record_schema(const struct record *r)
{
	bool selectors = r->kind == IPAM_CLUSTER && strchr(r->cidrs, '=') != NULL;

	if (r->kind == IPAM_CLUSTER && strchr(r->reserved, ' ') != NULL)
		return RECORD_SCHEMA_SERVICES;
	return selectors || (r->labels != NULL && r->labels[0] != 0) ? RECORD_SCHEMA_LABELS : RECORD_SCHEMA_FIRST;
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static json_t *array_of(const char *lines)
{
	json_t *list = json_array();

	while (*lines != 0) {
		size_t n = strcspn(lines, "\n");

		json_array_append_new(list, json_stringn(lines, n));
		lines += n + (lines[n] == '\n');
	}
	return list;
}

/* The ranges that are reserved, without their words; or, of these, the services'. A program of before the word takes the former as it
 * always did. */
static json_t *ranges_of(const char *lines, bool services)
{
	json_t *list = json_array();

	while (*lines != 0) {
		size_t n = strcspn(lines, "\n"), range = strcspn(lines, " \n");

		if (!services || range < n)
			json_array_append_new(list, json_stringn(lines, range));
		lines += n + (lines[n] == '\n');
	}
	return list;
}

static json_t *id_text(uint64_t id)
{
	return json_sprintf("%016" PRIx64, id);
}

char *record_encode(const struct record *r)
{
	json_t *o = json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "id", id_text(r->id), "cidrs", array_of(r->cidrs), "settings",
			      array_of(r->settings), "uid", (json_int_t)r->uid, "gid", (json_int_t)r->gid, "mode", (json_int_t)r->mode,
			      "made", (json_int_t)r->made);
	char *text = NULL;
	int rc = o == NULL ? -1 : 0;

	if (rc == 0 && r->kind == IPAM_CLUSTER)
		rc = json_object_set_new(o, "reserved", ranges_of(r->reserved, false));
	if (rc == 0 && r->kind == IPAM_CLUSTER && strchr(r->reserved, ' ') != NULL)
		rc = json_object_set_new(o, "services", ranges_of(r->reserved, true));
	if (rc == 0 && r->kind != IPAM_CLUSTER)
		rc = json_object_set_new(o, "machine", json_string(r->machine));
	if (rc == 0 && r->kind == IPAM_NODE && r->labels != NULL && r->labels[0] != 0)
		rc = json_object_set_new(o, "labels", array_of(r->labels));
	if (rc == 0)
		text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

char *record_encode_block(const struct record_block *b)
{
	json_t *o = b->node != 0 ? json_pack("{s:o}", "node", id_text(b->node)) : json_pack("{s:I}", "until", (json_int_t)b->until);
	char *text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return text;
}

static int parse_id(const char *s, size_t n, uint64_t *out)
{
	uint64_t id = 0;

	if (n != 16)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		const char *digits = "0123456789abcdef", *at = s[i] == 0 ? NULL : strchr(digits, s[i]);

		if (at == NULL)
			return -EPROTO;
		id = id << 4 | (uint64_t)(at - digits);
	}
	*out = id;
	return id == 0 || id > INT64_MAX ? -EPROTO : 0;
}

static int get_id(const json_t *o, const char *key, uint64_t *out)
{
	const json_t *s = json_object_get(o, key);

	return json_is_string(s) ? parse_id(json_string_value(s), json_string_length(s), out) : -EPROTO;
}

/* An array of strings, as lines. */
static int get_lines(const json_t *o, const char *key, char **out)
{
	const json_t *list = json_object_get(o, key), *it;
	struct lines l;
	int rc = json_is_array(list) ? 0 : -EPROTO;
	size_t i;

	if (!lines_begin(&l))
		return -ENOMEM;
	json_array_foreach(list, i, it) {
		if (!json_is_string(it) || strchr(json_string_value(it), '\n') != NULL)
			rc = -EPROTO;
		else
			fprintf(l.f, "%s\n", json_string_value(it));
	}
	*out = lines_end(&l);
	return rc == 0 && *out == NULL ? -ENOMEM : rc;
}

/* Those that are the services' get the word behind them. */
static int get_reserved(const json_t *o, char **out)
{
	const json_t *list = json_object_get(o, "reserved"), *services = json_object_get(o, "services"), *it, *service;
	size_t i, k;
	int rc = get_lines(o, "reserved", out);
	struct lines l;

	if (rc < 0 || services == NULL)
		return rc;
	free(*out);
	*out = NULL;
	if (!json_is_array(services))
		return -EPROTO;
	if (!lines_begin(&l))
		return -ENOMEM;
	json_array_foreach(list, i, it) {
		bool is = false;

		json_array_foreach(services, k, service)
			is |= json_equal(it, service) == 1;
		fprintf(l.f, "%s%s\n", json_string_value(it), is ? " services" : "");
	}
	*out = lines_end(&l);
	return *out == NULL ? -ENOMEM : 0;
}

static int get_number(const json_t *o, const char *key, int64_t max, int64_t *out)
{
	const json_t *n = json_object_get(o, key);

	*out = json_integer_value(n);
	return json_is_integer(n) && *out >= 0 && *out <= max ? 0 : -EPROTO;
}

static int decode(const json_t *o, struct record *out)
{
	const char *machine = json_string_value(json_object_get(o, "machine"));
	int64_t uid, gid, mode;
	int rc = get_id(o, "id", &out->id);

	if (rc == 0)
		rc = get_lines(o, "cidrs", &out->cidrs);
	if (rc == 0)
		rc = get_lines(o, "settings", &out->settings);
	if (rc == 0 && out->kind == IPAM_CLUSTER)
		rc = get_reserved(o, &out->reserved);
	/* Those of before there were any have none. */
	if (rc == 0 && out->kind == IPAM_NODE && json_object_get(o, "labels") != NULL)
		rc = get_lines(o, "labels", &out->labels);
	else if (rc == 0 && (out->labels = strdup("")) == NULL)
		rc = -ENOMEM;
	if (rc == 0 && get_number(o, "uid", UINT32_MAX - 1, &uid) == 0 && get_number(o, "gid", UINT32_MAX - 1, &gid) == 0 &&
	    get_number(o, "mode", 07777, &mode) == 0 && get_number(o, "made", INT64_MAX, &out->made) == 0) {
		out->uid = (uint32_t)uid;
		out->gid = (uint32_t)gid;
		out->mode = (uint32_t)mode;
	} else if (rc == 0) {
		rc = -EPROTO;
	}
	if (rc == 0 && out->kind == IPAM_NODE) {
		if (machine == NULL || strlen(machine) >= sizeof out->machine)
			rc = -EPROTO;
		else
			strcpy(out->machine, machine);
	}
	return rc;
}

int record_decode(enum ipam_kind kind, const char *name, size_t name_size, const char *value, size_t size, struct record *out)
{
	json_t *o = json_loadb(value, size, JSON_REJECT_DUPLICATES, NULL);
	int rc = o == NULL || name_size == 0 || name_size > IPAM_NAME_MAX ? -EPROTO : 0;

	*out = (struct record){ .kind = kind };
	if (rc == 0) {
		memcpy(out->name, name, name_size);
		rc = strlen(out->name) == name_size && ipam_check_name(kind, out->name) == 0 ? decode(o, out) : -EPROTO;
	}
	json_decref(o);
	if (rc < 0)
		record_free(out);
	return rc;
}

int record_decode_block(const char *value, size_t size, struct record_block *out)
{
	json_t *o = json_loadb(value, size, JSON_REJECT_DUPLICATES, NULL);
	int rc = -EPROTO;

	*out = (struct record_block){ 0 };
	if (json_object_get(o, "node") != NULL)
		rc = get_id(o, "node", &out->node);
	else if (o != NULL)
		rc = get_number(o, "until", INT64_MAX, &out->until);
	json_decref(o);
	return rc;
}

/* ---- ids ------------------------------------------------------------------------------------------------------- */

int record_new_id(uint64_t *out)
{
	do {
		if (getrandom(out, sizeof *out, 0) != sizeof *out)
			return -EIO;
		*out &= INT64_MAX; /* SQLite has signed ones */
	} while (*out == 0);
	return 0;
}

/* The finisher of SplitMix64: one to one, and each bit of the result hangs on all of x. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t record_id_of(const uint64_t requests[2], uint64_t request, uint64_t index)
{
	uint64_t id = mix(mix(mix(requests[0] + request) ^ requests[1]) + index) & INT64_MAX;

	return id == 0 ? 1 : id;
}

int record_new_machine(char out[RECORD_MACHINE])
{
	uint64_t half[2];

	if (getrandom(half, sizeof half, 0) != sizeof half)
		return -EIO;
	snprintf(out, RECORD_MACHINE, "%016" PRIx64 "%016" PRIx64, half[0], half[1]);
	return 0;
}
