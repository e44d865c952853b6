#include "power.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line under construction. */
struct text {
	char *s;
	size_t n;
	FILE *f;
};

static void begin(struct text *t)
{
	t->f = open_memstream(&t->s, &t->n);
	if (t->f == NULL)
		abort();
}

static void end(struct text *t, struct moment *m)
{
	fclose(t->f);
	if (m->n == m->room) {
		m->room = m->room == 0 ? 64 : m->room * 2;
		m->line = reallocarray(m->line, m->room, sizeof *m->line);
	}
	m->line[m->n++] = t->s;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- taking one ----------------------------------------------------------------------------------------------- */

struct taking {
	struct ipam *ipam;
	struct moment *m;
	const char *cluster;
	struct text text;
};

static void settings(struct taking *t, enum ipam_kind kind, uint64_t id)
{
	for (int i = 0; i < IPAM_SETTINGS; i++) {
		bool inherited = false;
		char value[32];

		if (ipam_setting(t->ipam, kind, id, i, value, &inherited) == 0 && !inherited)
			fprintf(t->text.f, " %s=%s", ipam_setting_name(i), value);
	}
}

static void attr(struct taking *t, const struct ipam_attr *a)
{
	fprintf(t->text.f, " %u:%u %o", a->uid, a->gid, a->mode);
}

static int take_lease(void *arg, const struct ipam_lease_view *v)
{
	struct taking *t = arg;
	struct ipam_attribute a;
	char *list[64];
	size_t n = 0;

	if (v->ephemeral)
		return 0;
	begin(&t->text);
	fprintf(t->text.f, "l/%s/%s/%s\tid %llu generation %u born %lld changed %lld", v->cluster_name, v->node_name, v->name,
		(unsigned long long)v->id, v->generation, (long long)v->attr.btime, (long long)v->attr.mtime);
	attr(t, &v->attr);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (v->has[f]) {
			char addr[CIDR_ADDR_TEXT];

			cidr_print_addr((uint8_t)f, v->addr[f], addr);
			fprintf(t->text.f, " %s/%u", addr, v->len[f]);
		}
	for (const void *at = NULL; (at = ipam_next_xattr(v, at, &a)) != NULL && n < 64; n++)
		if (asprintf(&list[n], " %s=%.*s", a.name, (int)a.size, (const char *)a.value) < 0)
			abort();
	if (n > 0)
		qsort(list, n, sizeof *list, by_text);
	for (size_t i = 0; i < n; i++) {
		fputs(list[i], t->text.f);
		free(list[i]);
	}
	end(&t->text, t->m);
	return 0;
}

static int take_block(void *arg, const struct ipam_block_view *v)
{
	struct taking *t = arg;
	char cidr[CIDR_TEXT];

	cidr_print(&v->cidr, cidr);
	fprintf(t->text.f, " %s", cidr);
	return 0;
}

static int take_network(void *arg, uint64_t id, const char *name)
{
	struct taking *t = arg;

	(void)id;
	fprintf(t->text.f, " network %s", name);
	return 0;
}

static int take_node(void *arg, const struct ipam_node_view *v)
{
	struct taking *t = arg;

	begin(&t->text);
	fprintf(t->text.f, "n/%s/%s\tid %llu", t->cluster, v->name, (unsigned long long)v->id);
	attr(t, &v->attr);
	settings(t, IPAM_NODE, v->id);
	ipam_each_block(t->ipam, IPAM_NODE, v->id, take_block, t);
	ipam_each_network(t->ipam, v->id, take_network, t);
	end(&t->text, t->m);
	return 0;
}

static int take_cluster(void *arg, const struct ipam_cluster_view *v)
{
	struct taking *t = arg;
	struct ipam_cidr_view cidr;

	begin(&t->text);
	fprintf(t->text.f, "c/%s\tid %llu", v->name, (unsigned long long)v->id);
	attr(t, &v->attr);
	settings(t, IPAM_CLUSTER, v->id);
	for (size_t i = 0; i < v->cidrs; i++)
		if (ipam_view_cidr(t->ipam, v->id, i, &cidr) == 0) {
			char text[CIDR_TEXT];

			cidr_print(&cidr.cidr, text);
			fprintf(t->text.f, " %s %u", text, cidr.node_mask);
		}
	for (size_t i = 0; i < v->reserved; i++) {
		char range[CIDR_RANGE_TEXT];

		cidr_print_range(&v->reserved_range[i].range, range);
		fprintf(t->text.f, " reserved %s%s", range, v->reserved_range[i].services ? " services" : "");
	}
	end(&t->text, t->m);
	t->cluster = v->name;
	return ipam_each_node(t->ipam, v->id, take_node, t);
}

void moment_take(struct ipam *ipam, struct moment *out)
{
	struct taking t = { .ipam = ipam, .m = out };

	out->n = 0;
	ipam_read_begin(ipam);
	ipam_each_cluster(ipam, take_cluster, &t);
	ipam_each_lease(ipam, IPAM_ROOT, IPAM_ROOT_ID, take_lease, &t);
	ipam_read_end(ipam);
	if (out->n > 0)
		qsort(out->line, out->n, sizeof *out->line, by_text);
}

void moment_copy(struct moment *to, const struct moment *from)
{
	to->n = to->room = from->n;
	to->line = calloc(from->n + 1, sizeof *to->line);
	for (size_t i = 0; i < from->n; i++)
		to->line[i] = strdup(from->line[i]);
}

void moment_free(struct moment *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->line[i]);
	free(m->line);
	*m = (struct moment){ 0 };
}

/* ---- comparing ------------------------------------------------------------------------------------------------ */

static bool has(const struct moment *m, const char *line)
{
	return m->n > 0 && bsearch(&line, m->line, m->n, sizeof *m->line, by_text) != NULL;
}

bool moment_same(const struct moment *a, const struct moment *b)
{
	for (size_t i = 0; a->n == b->n && i < a->n; i++)
		if (strcmp(a->line[i], b->line[i]) != 0)
			return false;
	return a->n == b->n;
}

bool moment_between(const struct moment *m, const struct moment *a, const struct moment *b)
{
	for (size_t i = 0; i < m->n; i++)
		if (!has(a, m->line[i]) && !has(b, m->line[i]))
			return false;
	for (size_t i = 0; i < a->n; i++)
		if (has(b, a->line[i]) && !has(m, a->line[i]))
			return false;
	return true;
}

size_t moment_distance(const struct moment *a, const struct moment *b)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += !has(b, a->line[i]);
	for (size_t i = 0; i < b->n; i++)
		n += !has(a, b->line[i]);
	return n;
}

const char *moment_line(const struct moment *m, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < m->n; i++)
		if (strncmp(m->line[i], key, n) == 0 && m->line[i][n] == '\t')
			return m->line[i];
	return NULL;
}

void moment_tell(const struct moment *wanted, const struct moment *got)
{
	for (size_t i = 0; i < wanted->n; i++)
		if (!has(got, wanted->line[i]))
			printf("    lost: %s\n", wanted->line[i]);
	for (size_t i = 0; i < got->n; i++)
		if (!has(wanted, got->line[i]))
			printf("    more: %s\n", got->line[i]);
}
