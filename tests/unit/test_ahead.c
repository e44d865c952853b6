/* One process follows another on a database: what it read ahead and caught up with is what a fresh read gives. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 40, CHANGES = 300, ROUNDS = 12 };

struct follow {
	struct ipam_touched touched;
	uint64_t *copy;
	bool told;
};

static void touched(void *arg, const struct ipam_touched *t)
{
	struct follow *w = arg;

	w->touched = *t;
	w->copy = malloc(t->leases * sizeof *w->copy + 1);
	if (t->leases > 0)
		memcpy(w->copy, t->lease, t->leases * sizeof *w->copy);
	w->touched.lease = w->copy;
	w->told = true;
}

static struct ipam *open_with(const char *path, struct follow *w, struct ipam_ahead *ahead, const struct ipam_touched *since)
{
	struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_NORMAL, .touched = touched, .ahead = ahead, .since = since, .arg = w };
	struct ipam_error error;
	struct ipam *ipam = NULL;

	if (ipam_open(path, &options, &ipam, &error) < 0)
		print_error("%s\n", error.text);
	assert_non_null(ipam);
	return ipam;
}

/* ---- a picture of all there is ------------------------------------------------------------------------------- */

struct picture {
	char *text;
	size_t size;
};

static void add(struct picture *p, const char *s)
{
	size_t n = strlen(s);

	p->text = realloc(p->text, p->size + n + 1);
	assert_non_null(p->text);
	memcpy(p->text + p->size, s, n + 1);
	p->size += n;
}

static int draw(void *arg, const struct ipam_lease_view *v)
{
	const char *pod;
	size_t size;
	char line[256];

	pod = ipam_view_xattr(v, "pod", &size);
	snprintf(line, sizeof line, "%llu %s/%s %x %llx %llx %lld %.*s\n", (unsigned long long)v->id, v->node_name, v->name,
		 v->has[0] + 2 * v->has[1], (unsigned long long)v->addr[0], (unsigned long long)v->addr[1], (long long)v->attr.mtime,
		 pod == NULL ? 0 : (int)size, pod == NULL ? "" : pod);
	add(arg, line);
	return 0;
}

static int draw_node(void *arg, const struct ipam_node_view *v)
{
	char line[320];

	snprintf(line, sizeof line, "%s %u %u\n", v->name, v->blocks, v->leases);
	add(arg, line);
	return 0;
}

static struct picture picture(struct ipam *ipam, uint64_t cluster)
{
	struct picture p = { 0 };
	struct ipam_stats stats;
	char line[64];

	add(&p, "");
	assert_int_equal(ipam_stats(ipam, IPAM_CLUSTER, cluster, &stats), 0);
	snprintf(line, sizeof line, "%llu used\n", (unsigned long long)stats.addresses_used);
	add(&p, line);
	ipam_read_begin(ipam);
	assert_int_equal(ipam_each_node(ipam, cluster, draw_node, &p), 0);
	assert_int_equal(ipam_each_lease(ipam, IPAM_CLUSTER, cluster, draw, &p), 0);
	ipam_read_end(ipam);
	return p;
}

/* ---- changes at random --------------------------------------------------------------------------------------- */

static unsigned seed;

static unsigned some(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static void change(struct ipam *ipam, const uint64_t node[2], bool structure, uint64_t cluster)
{
	uint64_t n = node[some(2)];
	char name[32], other[32], text[64];
	struct ipam_object o;

	snprintf(name, sizeof name, "l%u", some(NAMES));
	snprintf(other, sizeof other, "l%u", some(NAMES));
	switch (some(structure ? 8 : 7)) {
	case 0:
	case 1:
		make(ipam, IPAM_LEASE, n, name, NULL);
		break;
	case 2:
		take_away(ipam, IPAM_LEASE, n, name);
		break;
	case 3:
		rename_to(ipam, IPAM_LEASE, n, name, other);
		break;
	case 4:
		snprintf(text, sizeof text, "10.0.%u.%u\n", some(2), some(60) + 2);
		if (ipam_lookup(ipam, IPAM_LEASE, n, name, &o) == 0)
			put(ipam, IPAM_LEASE_ADDRESSES, o.id, text, false);
		break;
	case 5:
		if (ipam_lookup(ipam, IPAM_LEASE, n, name, &o) == 0)
			ipam_xattr_set(ipam, o.id, "pod", other, strlen(other), 0, ipam_by_self());
		break;
	case 6:
		if (ipam_lookup(ipam, IPAM_LEASE, n, name, &o) == 0)
			ipam_xattr_remove(ipam, o.id, "pod", ipam_by_self());
		break;
	default:
		snprintf(name, sizeof name, "extra%u", some(3));
		if (make(ipam, IPAM_NODE, cluster, name, NULL) == -EEXIST)
			take_away(ipam, IPAM_NODE, cluster, name);
	}
}

static void follows(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n"), node[2];

	seed = 1;
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n0", &node[0]), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n1", &node[1]), 0);
	ipam_close(f->ipam);
	f->ipam = NULL;
	for (int round = 0; round < ROUNDS; round++) {
		bool structure = round % 3 == 2;
		struct follow w = { .told = false }, none = { .told = false };
		struct ipam *first = open_with(f->path, &w, NULL, NULL), *second;
		struct ipam_wait *wait = ipam_wait_new();
		struct ipam_ahead *ahead = NULL;
		struct ipam_error error;
		struct picture before, after;

		for (int i = 0; i < CHANGES; i++)
			change(first, node, true, cluster);
		ipam_track(first, ipam_wait_done, wait);
		assert_int_equal(ipam_wait(wait, NULL), 0);
		for (int i = 0; i < CHANGES / 3; i++)
			change(first, node, structure, cluster);
		assert_int_equal(ipam_read_ahead(f->path, &ahead, &error), 0);
		for (int i = 0; i < CHANGES / 3; i++)
			change(first, node, structure, cluster);
		before = picture(first, cluster);
		ipam_close(first);
		assert_true(w.told);
		assert_true(w.touched.sound);
		if (!structure)
			assert_false(w.touched.more);

		second = open_with(f->path, &none, ahead, &w.touched);
		after = picture(second, cluster);
		/* And it gives what is free, no more. */
		for (int i = 0; i < CHANGES / 3; i++)
			change(second, node, false, cluster);
		ipam_close(second);
		assert_string_equal(before.text, after.text);
		free(before.text);
		free(after.text);
		free(w.copy);
	}
	open_db(f, IPAM_SYNC_NORMAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(follows, set_up, tear_down) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
