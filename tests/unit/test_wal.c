/* A log by itself: what SQLite reads of it, what lies behind, and whether it is what its daemon left. */
#include "fixture.h"

#include "store/store_mark.h"
#include "store/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEASES = 8 };

static const char boot[] = "one boot";

/* A daemon that dies: the database, its log and the log's index are as it left them. */
static void die(struct fixture *f)
{
	pid_t pid;

	ipam_close(f->ipam);
	f->ipam = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct ipam_options options = { .size = sizeof options, .create = true, .boot = boot };
		struct ipam_error error;
		uint64_t node;
		char name[16];

		if (ipam_open(f->path, &options, &f->ipam, &error) < 0 ||
		    make(f->ipam, IPAM_NODE, make_cluster(f->ipam, "10.0.0.0/16 24\n"), "n", &node) < 0)
			_exit(1);
		for (int i = 0; i < LEASES; i++) {
			snprintf(name, sizeof name, "l%d", i);
			if (make(f->ipam, IPAM_LEASE, node, name, NULL) < 0)
				_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &(int){ 0 }, 0), pid);
}

static int open_log(const struct fixture *f)
{
	char path[120];
	int fd;

	snprintf(path, sizeof path, "%s-wal", f->path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void flip(const struct fixture *f, off_t at)
{
	unsigned char byte;
	int fd = open_log(f);

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void cut(const struct fixture *f, off_t size)
{
	int fd = open_log(f);

	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void remove_beside(const struct fixture *f, const char *suffix)
{
	char path[120];

	snprintf(path, sizeof path, "%s%s", f->path, suffix);
	assert_int_equal(unlink(path), 0);
}

static off_t frame(const struct wal *w, uint32_t number)
{
	return 32 + (off_t)(number - 1) * (24 + (off_t)wal_page_size(w));
}

static void test_whole(void **state)
{
	struct fixture *f = *state;
	struct wal_index index;
	struct ipam_error error;
	struct wal_frame frame;
	struct wal *w;

	die(f);
	assert_int_equal(wal_open(f->path, &w), 0);
	assert_int_equal(wal_page_size(w), 2048);
	assert_true(wal_readable(w) > LEASES && wal_readable(w) <= wal_frames(w));
	assert_int_equal(wal_behind(w), 0);
	for (uint32_t i = 1; i <= wal_readable(w); i++) {
		assert_int_equal(wal_read(w, i, &frame), 0);
		assert_true(frame.sound && frame.current && frame.page > 0);
	}
	assert_true(frame.commit > 0);
	assert_int_equal(wal_index_read(f->path, &index), 0);
	assert_int_equal(index.frames, wal_readable(w));
	assert_true(index.commits > 0 && index.checkpointed < index.frames);
	assert_true(wal_agrees(w, &index));
	wal_close(w);
	assert_int_equal(store_verify_log(f->path, boot, &error), 0);
}

/* What lies behind a break can be read, frame by frame. */
static void test_a_bit(void **state)
{
	struct fixture *f = *state;
	struct ipam_error error;
	struct wal_frame got;
	struct wal *w;
	uint32_t all;

	die(f);
	assert_int_equal(wal_open(f->path, &w), 0);
	all = wal_readable(w);
	flip(f, frame(w, all / 2) + 24 + 100);
	wal_close(w);
	assert_int_equal(wal_open(f->path, &w), 0);
	assert_true(wal_readable(w) < all / 2);
	assert_true(wal_behind(w) > 0);
	for (uint32_t i = 1; i <= all; i++) {
		assert_int_equal(wal_read(w, i, &got), 0);
		assert_true(got.current);
		assert_int_equal(got.sound, i != all / 2);
	}
	wal_close(w);
	assert_int_equal(store_verify_log(f->path, boot, &error), -EUCLEAN);
	/* Where the power was lost the end of a log may be anything. */
	assert_int_equal(store_verify_log(f->path, "another boot", &error), 0);
	remove_beside(f, "-shm");
	assert_int_equal(store_verify_log(f->path, boot, &error), -EUCLEAN);
}

static void test_cut(void **state)
{
	struct fixture *f = *state;
	struct ipam_error error;
	struct wal *w;
	uint32_t all;

	die(f);
	assert_int_equal(wal_open(f->path, &w), 0);
	all = wal_readable(w);
	cut(f, frame(w, all));
	assert_int_equal(store_verify_log(f->path, boot, &error), -EUCLEAN);
	/* Without the index a clean cut is an end like any other. */
	remove_beside(f, "-shm");
	assert_int_equal(store_verify_log(f->path, boot, &error), 0);
	cut(f, 0);
	assert_int_equal(store_verify_log(f->path, "another boot", &error), -EUCLEAN);
	remove_beside(f, "-wal");
	assert_int_equal(store_verify_log(f->path, "another boot", &error), -EUCLEAN);
	wal_close(w);
}

/* SQLite alone, as a start that fails has it: the index is made from the log, and nothing is stored. */
static void make_index(const struct fixture *f)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(sqlite3_exec(db, "SELECT count(*) FROM lease", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* What was begun when its daemon died is no damage, also where a start has failed since. */
static void test_begun(void **state)
{
	struct fixture *f = *state;
	unsigned char begun[24 + 2048];
	struct wal_index index;
	struct ipam_error error;
	struct wal *w;
	uint32_t all;
	int fd;

	die(f);
	assert_int_equal(wal_open(f->path, &w), 0);
	all = wal_readable(w);
	/* A frame that ends a transaction, and doesn't follow the one before it. */
	fd = open_log(f);
	assert_int_equal(pread(fd, begun, sizeof begun, frame(w, all)), sizeof begun);
	assert_int_equal(pwrite(fd, begun, sizeof begun, frame(w, all + 1)), sizeof begun);
	close(fd);
	wal_close(w);
	assert_int_equal(wal_open(f->path, &w), 0);
	assert_int_equal(wal_readable(w), all);
	assert_int_equal(wal_behind(w), 1);
	wal_close(w);
	assert_int_equal(store_verify_log(f->path, boot, &error), 0);
	/* After a loss of power nothing vouches for the index. */
	store_trim_log(f->path, "another boot");
	assert_int_equal(wal_open(f->path, &w), 0);
	assert_int_equal(wal_behind(w), 1);
	wal_close(w);
	store_trim_log(f->path, boot);
	make_index(f);
	assert_int_equal(wal_index_read(f->path, &index), 0);
	assert_int_equal(index.commits, 0);
	assert_int_equal(index.frames, all);
	assert_int_equal(store_verify_log(f->path, boot, &error), 0);
	/* Damage within is still damage: no index vouches for what lies behind. */
	flip(f, 32 + 24 + 100);
	store_trim_log(f->path, boot);
	assert_int_equal(store_verify_log(f->path, boot, &error), -EUCLEAN);
}

static void test_headless(void **state)
{
	struct fixture *f = *state;
	struct ipam_error error;
	struct wal *w;

	die(f);
	flip(f, 17);
	assert_int_equal(wal_open(f->path, &w), -EBADMSG);
	assert_int_equal(store_verify_log(f->path, boot, &error), -EUCLEAN);
}

/* A copy, which has another inode, isn't meant; nor is one that was closed. */
static void test_unmarked(void **state)
{
	struct fixture *f = *state;
	struct ipam_error error;
	char command[500];

	die(f);
	cut(f, 0);
	snprintf(command, sizeof command, "cp %s %s-copy && mv %s-copy %s", f->path, f->path, f->path, f->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(store_verify_log(f->path, boot, &error), 0);
	open_db(f, IPAM_SYNC_FULL);
	ipam_close(f->ipam);
	f->ipam = NULL;
	assert_int_equal(store_verify_log(f->path, NULL, &error), 0);
	assert_int_equal(store_verify_log("/nowhere/at/all", NULL, &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_bit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_begun, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_headless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unmarked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
