/* The second line of defence: what the database itself refuses, whatever the program says. */
#include "store/schema.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LEASE(id, node, cluster, name, ip4, ip6)                                                                                           \
	"INSERT INTO lease VALUES (" id ", " cluster ", " node ", '" name "', " ip4 ", " ip6 ", 0, 0, 420, 0, 0, 0, 0, 1, 9, 0)"
#define BLOCK(id, node, cidr, first, last) "INSERT INTO block VALUES (" id ", 2, " node ", '" cidr "', '" first "', '" last "', NULL, NULL)"

static sqlite3 *db;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(schema_check(db), -ENODATA);
	assert_int_equal(schema_migrate(db), 0);
	assert_int_equal(schema_check(db), 0);
	assert_int_equal(schema_migrate(db), 0);
	assert_int_equal(
		sqlite3_exec(
			db,
			"PRAGMA foreign_keys = ON; INSERT INTO boot VALUES (9, 'b');"
			"INSERT INTO cluster (id, name, uid, gid, mode, atime, mtime, ctime, btime) VALUES (2, 'c', 0, 0, 493, 0, 0, 0, 0), (3, 'd', 0, 0, 493, 0, 0, 0, 0);"
			"INSERT INTO node (id, cluster, name, uid, gid, mode, atime, mtime, ctime, btime) VALUES (4, 2, 'n', 0, 0, 493, 0, 0, 0, 0), (5, 2, 'm', 0, 0, 493, 0, 0, 0, 0);" BLOCK(
				"6", "4", "10.0.0.0/24", "0a000000", "0a0000ff") ";" LEASE("7", "4", "2", "a", "'10.0.0.2'", "'fd00::2'"),
			NULL, NULL, NULL),
		SQLITE_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sqlite3_close(db);
	return 0;
}

static void refuses(const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_CONSTRAINT);
}

static void takes(const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void test_leases(void **state)
{
	(void)state;
	refuses(LEASE("8", "4", "2", "b", "'10.0.0.2'", "NULL"));
	refuses(LEASE("8", "5", "2", "b", "NULL", "'fd00::2'"));
	refuses(LEASE("8", "4", "2", "a", "'10.0.0.3'", "NULL"));
	refuses(LEASE("8", "4", "2", "b", "NULL", "NULL"));
	refuses(LEASE("8", "99", "2", "b", "'10.0.0.3'", "NULL"));
	refuses(LEASE("8", "4", "3", "b", "'10.0.0.3'", "NULL"));
	refuses(LEASE("7", "4", "2", "b", "'10.0.0.3'", "NULL"));
	takes(LEASE("8", "5", "2", "a", "'10.0.0.3'", "NULL"));
	refuses("UPDATE lease SET ip4 = '10.0.0.2' WHERE id = 8");
}

static void test_blocks(void **state)
{
	(void)state;
	refuses(BLOCK("10", "5", "10.0.0.0/24", "0a000000", "0a0000ff"));
	refuses(BLOCK("10", "5", "10.0.0.0/23", "0a000000", "0a0001ff"));
	refuses(BLOCK("10", "5", "10.0.0.128/25", "0a000080", "0a0000ff"));
	refuses(BLOCK("10", "5", "10.0.0.64/26", "0a000040", "0a00007f"));
	refuses(BLOCK("10", "5", "9.0.0.0/7", "08000000", "0affffff"));
	refuses(BLOCK("10", "99", "10.0.1.0/24", "0a000100", "0a0001ff"));
	takes(BLOCK("10", "5", "10.0.1.0/24", "0a000100", "0a0001ff"));
	refuses("UPDATE block SET cidr = '10.0.2.0/24' WHERE id = 10");
}

static void test_owners(void **state)
{
	(void)state;
	refuses("DELETE FROM node WHERE id = 4");
	refuses("DELETE FROM cluster WHERE id = 2");
	refuses("INSERT INTO node (id, cluster, name, uid, gid, mode, atime, mtime, ctime, btime) VALUES (11, 2, 'n', 0, 0, 493, 0, 0, 0, 0)");
	refuses("INSERT INTO cluster (id, name, uid, gid, mode, atime, mtime, ctime, btime) VALUES (11, 'c', 0, 0, 493, 0, 0, 0, 0)");
	takes("DELETE FROM cluster WHERE id = 3");
}

static void test_labels(void **state)
{
	(void)state;
	takes("INSERT INTO label VALUES (4, 'a.io/zone', 'x'), (4, 'b', ''), (5, 'b', 'c')");
	refuses("INSERT INTO label VALUES (4, 'b', 'c')");
	refuses("INSERT INTO label VALUES (99, 'b', 'c')");
	refuses("INSERT INTO label VALUES (4, '', 'c')");
	refuses("INSERT INTO label VALUES (4, 'c', 'x y')");
	refuses("INSERT INTO label VALUES (4, 'c d', 'x')");
	refuses("INSERT INTO label VALUES (4, 'c', printf('%064d', 1))");
	refuses("INSERT INTO label VALUES (4, printf('%0318d', 1), 'c')");
	refuses("INSERT INTO label VALUES (4, 'c', NULL)");
	takes("DELETE FROM node WHERE id = 5");
	refuses("INSERT INTO label SELECT 4, key, value FROM label WHERE node = 4");
	takes("INSERT INTO cidr VALUES (2, 0, '10.0.0.0/16', 24, '0a000000', '0a00ffff', NULL)");
	takes("UPDATE cidr SET selector = '!a,b=c,d!=e'");
	refuses("UPDATE cidr SET selector = ''");
	refuses("UPDATE cidr SET selector = 'a b'");
	refuses("INSERT INTO cidr VALUES (2, 1, '10.1.0.0/16', 24, '0a010000', '0a01ffff', '')");
	refuses("INSERT INTO cidr VALUES (2, 1, '10.1.0.0/16', 24, '0a010000', '0a01ffff', 'a; b')");
	takes("INSERT INTO cidr VALUES (2, 1, '10.1.0.0/16', 24, '0a010000', '0a01ffff', 'a.b/c')");
}

/* A database of the first version, with a lease in it, comes up to date and keeps it. */
static void test_migration(void **state)
{
	(void)state;
	takes("DROP TRIGGER cidr_selector; DROP TRIGGER cidr_selector_changed; DROP TABLE label; DROP TABLE engine; DROP INDEX node_shared; DROP INDEX cluster_shared; ALTER TABLE cidr DROP COLUMN selector;"
	      "ALTER TABLE cluster DROP COLUMN shared; ALTER TABLE cluster DROP COLUMN revision;"
	      "ALTER TABLE node DROP COLUMN shared; ALTER TABLE node DROP COLUMN revision;"
	      "ALTER TABLE node DROP COLUMN held; ALTER TABLE node DROP COLUMN doubt;"
	      "DROP TABLE history; DROP TABLE network_last; DROP TABLE network;"
	      "ALTER TABLE lease DROP COLUMN ephemeral; ALTER TABLE reserved DROP COLUMN services; PRAGMA user_version = 1");
	assert_int_equal(schema_check(db), 1);
	assert_int_equal(schema_migrate(db), 0);
	assert_int_equal(schema_check(db), 0);
	refuses(LEASE("8", "4", "2", "b", "'10.0.0.2'", "NULL"));
	takes("UPDATE lease SET ephemeral = 1 WHERE id = 7 AND ephemeral = 0 AND ip4 = '10.0.0.2'");
	refuses("UPDATE lease SET ephemeral = 2");
	takes("INSERT INTO network VALUES (12, 5, 'net'); INSERT INTO network_last VALUES (12, 0, '10.0.0.2')");
	refuses("INSERT INTO network VALUES (13, 5, 'net')");
	refuses("INSERT INTO network VALUES (13, 99, 'other')");
	takes("INSERT INTO label VALUES (4, 'a', 'b')");
	refuses("INSERT INTO label VALUES (99, 'a', 'b')");
}

/* One of the version before labels keeps its nodes, which have none, and its blocks stay apart. */
static void test_before_labels(void **state)
{
	(void)state;
	takes("DROP TRIGGER cidr_selector; DROP TRIGGER cidr_selector_changed; DROP TABLE label; ALTER TABLE reserved DROP COLUMN services;"
	      "PRAGMA user_version = 4; INSERT INTO reserved VALUES (2, 0, '10.0.1.0/24');"
	      "INSERT INTO cidr VALUES (2, 0, '10.0.0.0/16', 24, '0a000000', '0a00ffff', NULL)");
	assert_int_equal(schema_check(db), 1);
	assert_int_equal(schema_migrate(db), 0);
	assert_int_equal(schema_check(db), 0);
	takes("INSERT INTO label SELECT id, 'zone', 'a' FROM node; UPDATE cidr SET selector = 'zone=a'");
	refuses("UPDATE cidr SET selector = 'zone = a'");
	takes("UPDATE reserved SET services = 1 WHERE services = 0");
	refuses("UPDATE reserved SET services = 2");
	refuses(BLOCK("10", "5", "10.0.0.128/25", "0a000080", "0a0000ff"));
	refuses(LEASE("8", "4", "2", "b", "'10.0.0.2'", "NULL"));
}

static void test_identity(void **state)
{
	(void)state;
	takes("PRAGMA user_version = 99");
	assert_int_equal(schema_check(db), -ENOTSUP);
	assert_int_equal(schema_migrate(db), -ENOTSUP);
	/* With our tables in it, it is damaged. */
	takes("PRAGMA user_version = 2; PRAGMA application_id = 7");
	assert_int_equal(schema_check(db), -EUCLEAN);
	takes("PRAGMA user_version = 0; PRAGMA application_id = 1768972653");
	assert_int_equal(schema_check(db), -EUCLEAN);
	takes("PRAGMA writable_schema = ON; PRAGMA application_id = 7; DELETE FROM sqlite_schema");
	assert_int_equal(schema_check(db), -EINVAL);
}

static void count(void *arg, bool foreign, const char *what)
{
	int *counted = arg;

	(void)what;
	counted[foreign]++;
}

static void compares(int missing, int foreign)
{
	int counted[2] = { 0, 0 };

	assert_int_equal(schema_compare(db, count, counted), missing + foreign);
	assert_int_equal(counted[false], missing);
	assert_int_equal(counted[true], foreign);
}

/* What a query could run into, and what guards no longer. */
static void test_comparison(void **state)
{
	(void)state;
	compares(0, 0);
	takes("ANALYZE");
	compares(0, 0);
	takes("CREATE TRIGGER quiet BEFORE INSERT ON lease BEGIN SELECT RAISE(IGNORE); END");
	compares(0, 1);
	takes("DROP TRIGGER quiet; DROP INDEX lease_ip4");
	compares(1, 0);
	takes("CREATE INDEX lease_ip4 ON lease (cluster, ip4)");
	compares(0, 1);
	takes("DROP TABLE resting; CREATE VIEW resting AS WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i FROM s)"
	      " SELECT i AS cluster, i AS address, i AS until FROM s");
	compares(1, 2);
	takes("CREATE TABLE mine (x)");
	compares(1, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_leases, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_blocks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_labels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_migration, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_before_labels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_comparison, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_identity, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
