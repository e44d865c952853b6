/* The history: each change leaves its event in its own transaction, and what is held can be told from the events alone. */
#include "fixture.h"

#include "base/json_text.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what was told ---------------------------------------------------------------------------------------- */

struct told {
	pthread_mutex_t lock;
	char *text;
	size_t size;
};

static struct told told = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void tell(void *arg, const struct ipam_event *event)
{
	(void)arg;
	pthread_mutex_lock(&told.lock);
	told.text = realloc(told.text, told.size + event->size + 1);
	assert_non_null(told.text);
	memcpy(told.text + told.size, event->line, event->size);
	told.size += event->size;
	told.text[told.size] = 0;
	pthread_mutex_unlock(&told.lock);
}

static void reopen_with(struct fixture *f, uint32_t days)
{
	struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_NORMAL, .history_days = days, .event = tell };
	struct ipam_error error;

	ipam_close(f->ipam);
	assert_int_equal(ipam_open(f->path, &options, &f->ipam, &error), 0);
}

/* ---- what is stored --------------------------------------------------------------------------------------- */

struct lines {
	char *text;
	size_t size, n;
};

static int add_line(void *arg, const struct ipam_history_event *event)
{
	struct lines *l = arg;

	l->text = realloc(l->text, l->size + event->size + 2);
	assert_non_null(l->text);
	memcpy(l->text + l->size, event->line, event->size);
	l->size += event->size;
	l->text[l->size++] = '\n';
	l->text[l->size] = 0;
	l->n++;
	return 0;
}

static struct lines read_past(struct fixture *f, const struct ipam_history_query *q)
{
	struct lines l = { calloc(1, 1), 0, 0 };
	struct ipam_history *h;
	struct ipam_error error;

	assert_int_equal(ipam_history_open(f->path, &h, &error), 0);
	assert_int_equal(ipam_history_read(h, q, add_line, &l), 0);
	ipam_history_close(h);
	return l;
}

static size_t count(struct fixture *f, const struct ipam_history_query *q)
{
	struct lines l = read_past(f, q);

	free(l.text);
	return l.n;
}

static size_t all(struct fixture *f)
{
	return count(f, &(struct ipam_history_query){ 0 });
}

/* The last event has this in it. */
static void assert_last(struct fixture *f, const char *wanted)
{
	struct lines l = read_past(f, &(struct ipam_history_query){ 0 });
	char *last = l.text, *end;

	l.text[l.size - 1] = 0;
	end = strrchr(l.text, '\n');
	if (end != NULL)
		last = end + 1;
	if (strstr(last, wanted) == NULL)
		fail_msg("wanted %s in %s", wanted, last);
	free(l.text);
}

static void run_sql(struct fixture *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* ---- every change ----------------------------------------------------------------------------------------- */

static void test_events(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n"), node, lease;
	struct ipam_attribute pod = { "pod", "web", 3 };
	struct ipam_wait *w = ipam_wait_new();

	assert_last(f, "\"event\":\"cidrs\",\"cluster\":\"c\",\"cidrs\":[\"10.0.0.0/16 24\",\"fd00::/48 64\"]");
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_last(f, "\"event\":\"delegate\",\"cluster\":\"c\",\"node\":\"n\",\"block\":\"fd00::/64\"");
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &lease), 0);
	assert_last(f, "\"event\":\"allocate\",\"cluster\":\"c\",\"node\":\"n\",\"name\":\"a\",\"addresses\":[\"10.0.0.2\",\"fd00::2\"]");
	ipam_describe(f->ipam, lease, &pod, 1, true, ipam_by_self(), ipam_wait_done, w);
	assert_int_equal(ipam_wait(w, NULL), 0);
	assert_last(f, "\"event\":\"attributes\"");
	assert_last(f, "\"attributes\":{\"pod\":\"web\"}");
	assert_int_equal(rename_to(f->ipam, IPAM_LEASE, node, "a", "b"), 0);
	assert_last(f, "\"event\":\"rename\",\"cluster\":\"c\",\"node\":\"n\",\"name\":\"b\",\"from\":\"a\"");
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, lease, "10.0.0.9\n", false), 0);
	assert_last(f, "\"event\":\"allocate\",\"cluster\":\"c\",\"node\":\"n\",\"name\":\"b\",\"addresses\":[\"10.0.0.9\"]");
	assert_last(f, "\"reason\":\"write\"");
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "max-blocks 2\n", false), 0);
	assert_last(f, "\"event\":\"settings\",\"cluster\":\"c\",\"settings\":{\"max-blocks\":\"2\"}");
	assert_int_equal(rename_to(f->ipam, IPAM_NODE, cluster, "n", "m"), 0);
	assert_last(f, "\"event\":\"node-rename\",\"cluster\":\"c\",\"node\":\"m\",\"from\":\"n\"");
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node, "b"), 0);
	assert_last(f, "\"addresses\":[\"10.0.0.9\",\"fd00::2\"],\"attributes\":{\"pod\":\"web\"},\"since\":\"");
	assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, "m"), 0);
	assert_last(f, "\"event\":\"node-remove\"");
	assert_int_equal(rename_to(f->ipam, IPAM_CLUSTER, IPAM_ROOT_ID, "c", "d"), 0);
	assert_last(f, "\"event\":\"cluster-rename\",\"cluster\":\"d\",\"from\":\"c\"");
	assert_int_equal(take_away(f->ipam, IPAM_CLUSTER, IPAM_ROOT_ID, "d"), 0);
	assert_last(f, "\"event\":\"cluster-remove\",\"cluster\":\"d\"");
}

/* What is refused leaves none, nor does what changes nothing. */
static void test_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/24 30\n"), node, id;
	size_t before;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &id), 0);
	before = all(f);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", &id), -ENOSPC);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &id), -EEXIST);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.0.0.2\n", false), -EBUSY);
	assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, "n"), -ENOTEMPTY);
	assert_int_equal(all(f), before);
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node, "a"), 0);
	assert_int_equal(all(f), before + 1);
}

/* A row that the database refuses (here an address that it has already, behind our back): no event of it is told or stored. */
static void test_undone(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster, node, id;
	size_t before;

	reopen_with(f, 0);
	ipam_listen(f->ipam, true);
	cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n");
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &id), 0);
	run_sql(f,
		"INSERT INTO lease SELECT 100000000, cluster, node, 'ghost', '10.0.0.3', NULL, 0, 0, 0, 0, 0, 0, 0, 1, boot, 0 FROM lease");
	before = all(f);
	told.size = 0;
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", &id), -EIO);
	assert_int_equal(all(f), before);
	assert_int_equal(told.size, 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "c", &id), 0);
	assert_int_equal(all(f), before + 1);
	assert_true(told.size > 0);
	free(told.text);
	told.text = NULL;
	told.size = 0;
}

/* A row that somebody's trigger swallows, made while the database is in use, isn't stored: nor is it acknowledged. */
static void test_swallowed(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n"), node, id;
	size_t before;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &id), 0);
	run_sql(f, "CREATE TRIGGER quiet BEFORE INSERT ON lease BEGIN SELECT RAISE(IGNORE); END;"
		   "CREATE TRIGGER silent BEFORE DELETE ON lease BEGIN SELECT RAISE(IGNORE); END");
	before = all(f);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", &id), -EIO);
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node, "a"), -EIO);
	assert_int_equal(all(f), before);
	run_sql(f, "DROP TRIGGER quiet; DROP TRIGGER silent");
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", &id), 0);
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node, "a"), 0);
}

/* ---- the oracle: random changes, and then who holds what, from the events alone ------------------------------- */

enum { NODES = 3, NAMES = 40, STEPS = 3000 };

/* Of each address: is it held after this event? */
static void replay(json_t *held, const char *line, size_t size)
{
	json_t *event = json_loadb(line, size, 0, NULL), *a;
	const char *kind = json_string_value(json_object_get(event, "event"));
	const char *name = json_string_value(json_object_get(event, "name"));
	size_t i;

	assert_non_null(event);
	json_array_foreach(json_object_get(event, "addresses"), i, a) {
		const char *addr = json_string_value(a), *holder = json_string_value(json_object_get(held, addr));

		if (strcmp(kind, "allocate") == 0) {
			assert_null(holder); /* given twice */
			json_object_set_new(held, addr, json_string(name));
		} else if (strcmp(kind, "release") == 0) {
			assert_string_equal(holder, name);
			json_object_del(held, addr);
		} else if (strcmp(kind, "rename") == 0) {
			assert_string_equal(holder, json_string_value(json_object_get(event, "from")));
			json_object_set_new(held, addr, json_string(name));
		} else {
			assert_string_equal(holder, name);
		}
	}
	json_decref(event);
}

static int check_lease(void *arg, const struct ipam_lease_view *l)
{
	json_t *held = arg;
	char addr[CIDR_ADDR_TEXT];

	for (unsigned fam = 0; fam < CIDR_FAMILIES; fam++) {
		const char *holder;

		if (!l->has[fam])
			continue;
		cidr_print_addr(fam, l->addr[fam], addr);
		holder = json_string_value(json_object_get(held, addr));
		assert_non_null(holder);
		assert_string_equal(holder, l->name);
		json_object_del(held, addr);
	}
	return 0;
}

static void step(struct fixture *f, const uint64_t *node, unsigned n)
{
	char name[16], other[16], text[32];
	uint64_t in = node[n % NODES], id;
	struct ipam_object object;

	snprintf(name, sizeof name, "l%ld", random() % NAMES);
	snprintf(other, sizeof other, "l%ld", random() % NAMES);
	snprintf(text, sizeof text, "10.0.%ld.%ld\n", random() % NODES, 2 + random() % 100);
	switch (random() % 6) {
	case 0:
	case 1:
		make(f->ipam, IPAM_LEASE, in, name, &id);
		break;
	case 2:
		take_away(f->ipam, IPAM_LEASE, in, name);
		break;
	case 3:
		rename_to(f->ipam, IPAM_LEASE, in, name, other);
		break;
	case 4:
		if (ipam_lookup(f->ipam, IPAM_LEASE, in, name, &object) == 0)
			put(f->ipam, IPAM_LEASE_ADDRESSES, object.id, text, false);
		break;
	default:
		if (ipam_lookup(f->ipam, IPAM_LEASE, in, name, &object) == 0)
			ipam_xattr_set(f->ipam, object.id, "pod", other, strlen(other), 0, ipam_by_self());
	}
}

static void test_replay(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster, node[NODES];
	json_t *held = json_object();
	struct lines l;

	reopen_with(f, 0);
	ipam_listen(f->ipam, true);
	cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n");
	for (int i = 0; i < NODES; i++) {
		char name[16];

		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(make(f->ipam, IPAM_NODE, cluster, name, &node[i]), 0);
	}
	srandom(7);
	for (unsigned i = 0; i < STEPS; i++)
		step(f, node, (unsigned)random());
	ipam_close(f->ipam); /* what is written behind, too */
	l = read_past(f, &(struct ipam_history_query){ 0 });
	/* Told in the order stored, but for what came before somebody listened. */
	assert_true(told.size > 100000 && told.size <= l.size);
	assert_memory_equal(told.text, l.text + l.size - told.size, told.size);
	for (char *s = l.text, *end; (end = strchr(s, '\n')) != NULL; s = end + 1)
		replay(held, s, (size_t)(end - s));
	open_db(f, IPAM_SYNC_NORMAL);
	ipam_read_begin(f->ipam);
	assert_int_equal(ipam_each_lease(f->ipam, IPAM_ROOT, IPAM_ROOT_ID, check_lease, held), 0);
	ipam_read_end(f->ipam);
	assert_int_equal(json_object_size(held), 0);
	json_decref(held);
	free(l.text);
	free(told.text);
	told.text = NULL;
	told.size = 0;
}

/* ---- looking things up ------------------------------------------------------------------------------------ */

static int plan(void *arg, int columns, char **value, char **name)
{
	(void)columns;
	(void)name;
	*(bool *)arg |= strstr(value[3], "USING INDEX history_ip4") != NULL;
	return 0;
}

static void test_queries(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n"), n, m, id;
	bool indexed = false;
	sqlite3 *db;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &n), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "m", &m), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, n, "a", &id), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, m, "b", &id), 0);
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, n, "a"), 0);
	assert_int_equal(count(f, &(struct ipam_history_query){ .address = "10.0.0.2" }), 2);
	assert_int_equal(count(f, &(struct ipam_history_query){ .address = "fd00::2" }), 2);
	assert_int_equal(count(f, &(struct ipam_history_query){ .address = "10.0.1.0/24" }), 1);
	assert_int_equal(count(f, &(struct ipam_history_query){ .node = m }), 4);
	assert_int_equal(count(f, &(struct ipam_history_query){ .cluster = cluster }), all(f));
	assert_int_equal(count(f, &(struct ipam_history_query){ .cluster = m }), 0);
	assert_int_equal(count(f, &(struct ipam_history_query){ .address = "10.0.0.2", .before = 1 }), 0);
	assert_int_equal(count(f, &(struct ipam_history_query){ .after = 2, .last = 5 }), 3);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "EXPLAIN QUERY PLAN SELECT line FROM history WHERE ip4 = '1' AND id > 0 ORDER BY id", plan,
				      &indexed, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	assert_true(indexed);
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n"), node, id;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "\xc3\xa4\"\\\xff\xe2\x82z", &id), 0);
	assert_last(f, "\"name\":\"\xc3\xa4\\\"\\\\\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
}

/* ---- retention -------------------------------------------------------------------------------------------- */

static void test_retention(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n"), node;
	size_t recent = all(f), left;

	run_sql(f, "UPDATE history SET id = id + 1000000;"
		   "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 5000)"
		   "INSERT INTO history SELECT i, iif(i % 7, i, 9000000000000000000), NULL, NULL, '10.0.0.2', NULL, '{}' FROM s");
	reopen_with(f, 0);
	assert_int_equal(all(f), recent + 5000);
	reopen_with(f, 1);
	/* Changes go on meanwhile. */
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	for (int i = 0; (left = all(f)) != recent + 2 && i < 3000; i++)
		usleep(10000);
	assert_int_equal(left, recent + 2);
	assert_int_equal(count(f, &(struct ipam_history_query){ .address = "10.0.0.2" }), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_undone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_queries, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_swallowed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_retention, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
