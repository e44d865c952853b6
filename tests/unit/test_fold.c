/* When the log comes to the database's own file, and how long it stays. */
#include "fixture.h"
#include "within.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

enum { LOG_PAGES = 32, FRAME = 24 + 2048, LIMIT = 2 * LOG_PAGES * FRAME };

static void pause_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

static long log_size(const struct fixture *f)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof path, "%s-wal", f->path);
	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

/* Of the file alone, as a plain copy has it. */
static int leases_in_file(const struct fixture *f)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	char name[128];
	int n = -1;

	snprintf(name, sizeof name, "file:%s?immutable=1", f->path);
	if (sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "SELECT count(*) FROM lease", -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static uint64_t make_node(struct fixture *f)
{
	uint64_t node;

	assert_int_equal(make(f->ipam, IPAM_NODE, make_cluster(f->ipam, "10.0.0.0/16 24\n"), "n", &node), 0);
	return node;
}

static void test_idle(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make_node(f), id;

	for (int round = 1; round <= 2; round++) {
		char name[16];

		snprintf(name, sizeof name, "l%d", round);
		assert_int_equal(make(f->ipam, IPAM_LEASE, node, name, &id), 0);
		for (int i = 0; leases_in_file(f) != round; i++) {
			assert_true(i < 3000);
			pause_a_little();
		}
		assert_true(log_size(f) > 0); /* a mark without a log is a loss */
	}
}

static void churn(struct fixture *f, uint64_t node, int times)
{
	uint64_t id;

	for (int i = 0; i < times; i++) {
		assert_int_equal(make(f->ipam, IPAM_LEASE, node, "l", &id), 0);
		assert_int_equal(take_away(f->ipam, IPAM_LEASE, node, "l"), 0);
	}
}

static void test_bound(void **state)
{
	const struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_NORMAL, .log_pages = LOG_PAGES };
	struct fixture *f = *state;
	struct ipam_error error;
	sqlite3 *reader;
	uint64_t node;

	ipam_close(f->ipam);
	assert_int_equal(ipam_open(f->path, &options, &f->ipam, &error), 0);
	node = make_node(f);
	assert_int_equal(sqlite3_open_v2(f->path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM lease", NULL, NULL, NULL), SQLITE_OK);
	churn(f, node, 100);
	assert_true(log_size(f) > 2 * LIMIT);
	sqlite3_close(reader);
	churn(f, node, 20);
	assert_true(within(log_size(f), 1, LIMIT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_idle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bound, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
