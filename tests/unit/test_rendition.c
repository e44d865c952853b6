/* Texts of generated files, and the node ids that they have. */
#include "fs/tree/rendition.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static const fuse_ino_t file = (uint64_t)6 << 56 | (uint64_t)5 << 48 | 77, other = (uint64_t)6 << 56 | (uint64_t)5 << 48 | 78;
static struct renditions *r;

static int set_up(void **state)
{
	(void)state;
	return renditions_new(&r);
}

static int tear_down(void **state)
{
	(void)state;
	renditions_free(r);
	return 0;
}

static struct rendered *text(const char *s, int64_t changed)
{
	struct rendered *p = rendered_new(NULL);

	buffer_add(&p->spool.mem, s, strlen(s));
	p->changed = changed;
	return p;
}

static fuse_ino_t look(fuse_ino_t plain, const char *s, int64_t changed)
{
	struct rendered *p = text(s, changed);
	fuse_ino_t ino = renditions_add(r, plain, p);

	rendered_leave(p);
	return ino;
}

/* Its text, as long as it is. */
static bool opens(fuse_ino_t ino, const char *s)
{
	bool shared;
	struct rendered *p = renditions_open(r, ino, &shared);
	bool same = p != NULL && p->spool.mem.size == strlen(s) && memcmp(p->spool.mem.data, s, strlen(s)) == 0;

	rendered_leave(p);
	return same;
}

static void test_an_id_is_of_one_text(void **state)
{
	fuse_ino_t a = look(file, "a", 1), b;
	int64_t changed;
	off_t size;

	(void)state;
	assert_true(rendition_is(a) && !rendition_asked(a));
	assert_int_equal(rendition_plain(a), file);
	assert_int_equal(look(file, "a", 1), a);
	assert_int_not_equal(look(file, "a", 2), a);
	b = look(file, "bb", 1);
	assert_int_not_equal(a, b);
	assert_int_not_equal(look(other, "a", 1), a);
	assert_true(renditions_stat(r, b, &size, &changed));
	assert_int_equal(size, 2);
	assert_int_equal(changed, 1);
	assert_true(opens(a, "a"));
	assert_true(opens(b, "bb"));
}

/* Also when there were more texts since than there are ids, or than are kept. */
static void test_an_open_text_keeps_its_id(void **state)
{
	fuse_ino_t a = look(file, "a", 1);
	char s[32];
	int64_t changed;
	off_t size;

	(void)state;
	assert_true(opens(a, "a"));
	for (int i = 0; i < 2000; i++) {
		snprintf(s, sizeof s, "text %d", i);
		assert_int_not_equal(look(file + (unsigned)i % 5, s, 1), a);
	}
	assert_true(renditions_stat(r, a, &size, &changed));
	assert_int_equal(size, 1);
	assert_true(opens(a, "a"));
	renditions_close(r, a);
	renditions_close(r, a);
	assert_false(renditions_stat(r, a, &size, &changed));
}

static void test_a_recent_text_is_not_made_again(void **state)
{
	struct rendered *old = text("a", 1), *p;
	fuse_ino_t ino;

	(void)state;
	old->begun -= 2 * (int64_t)1000000000;
	ino = renditions_add(r, file, old);
	rendered_leave(old);
	assert_null(renditions_recent(r, file, 1));
	assert_int_equal(look(file, "a", 1), ino);
	p = renditions_recent(r, file, 1);
	assert_non_null(p);
	assert_int_equal(renditions_add(r, file, p), ino);
	rendered_leave(p);
	assert_null(renditions_recent(r, file, 2));
	assert_null(renditions_recent(r, other, 1));
}

static void test_when_all_ids_are_open_there_is_none(void **state)
{
	char s[32];
	int n;

	(void)state;
	for (n = 0; n < 1000; n++) {
		fuse_ino_t ino;

		snprintf(s, sizeof s, "text %d", n);
		ino = look(file, s, 1);
		if (!rendition_is(ino))
			break;
		assert_true(opens(ino, s));
	}
	assert_int_equal(n, 256);
	assert_true(rendition_is(look(other, "a", 1)));
}

static void test_who_is_to_look_again_gets_what_was_made_for_him(void **state)
{
	struct rendered *p = text("long", 1);
	fuse_ino_t ino = 0;

	(void)state;
	assert_true(renditions_expect(r, file, 11, p));
	assert_false(renditions_expected(r, file, 12, &ino));
	assert_false(renditions_expected(r, other, 11, &ino));
	/* The kernel may look it up more than once. */
	assert_true(renditions_expected(r, file, 11, &ino));
	assert_true(renditions_expected(r, file, 11, &ino));
	assert_true(rendition_asked(ino));
	for (int i = 0; i < 1000; i++) {
		char s[32];

		snprintf(s, sizeof s, "text %d", i);
		look(file, s, 1);
	}
	assert_true(opens(ino, "long"));
	assert_true(renditions_arrived(r, file, 11));
	assert_false(renditions_arrived(r, file, 11));
	assert_false(renditions_expected(r, file, 11, &ino));
	renditions_close(r, ino);
	rendered_leave(p);
}

static void test_who_asks_anew_gets_the_newer(void **state)
{
	struct rendered *old = text("old", 1), *new = text("new", 2);
	fuse_ino_t ino = 0;

	(void)state;
	assert_true(renditions_expect(r, file, 11, old));
	assert_true(renditions_expect(r, file, 11, new));
	assert_true(renditions_expected(r, file, 11, &ino));
	assert_true(opens(ino, "new"));
	assert_true(renditions_arrived(r, file, 11));
	assert_false(renditions_arrived(r, file, 11));
	rendered_leave(old);
	rendered_leave(new);
	/* to write: the plain id */
	assert_true(renditions_expect(r, file, 11, NULL));
	assert_true(renditions_expected(r, file, 11, &ino));
	assert_int_equal(ino, file);
}

static void test_a_report_goes_with_its_last_reader(void **state)
{
	struct rendered *p = rendered_new("/tmp");
	int64_t changed;
	fuse_ino_t ino;
	off_t size;
	bool shared;
	int fd;

	(void)state;
	fd = p->spool.fd = memfd_create("report", MFD_CLOEXEC);
	p->spool.size = 5000;
	assert_true(renditions_expect(r, file, 11, p));
	assert_true(renditions_expect(r, file, 12, p));
	assert_true(renditions_expected(r, file, 11, &ino));
	assert_ptr_equal(renditions_open(r, ino, &shared), p);
	assert_false(shared);
	assert_true(renditions_arrived(r, file, 11));
	rendered_leave(p);
	renditions_close(r, ino);
	/* The other one hasn't come yet. */
	assert_true(renditions_expected(r, file, 12, &ino));
	assert_true(renditions_stat(r, ino, &size, &changed));
	assert_int_equal(size, 5000);
	assert_ptr_equal(renditions_open(r, ino, &shared), p);
	assert_true(renditions_arrived(r, file, 12));
	rendered_leave(p);
	renditions_close(r, ino);
	assert_false(renditions_stat(r, ino, &size, &changed));
	rendered_leave(p);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_id_is_of_one_text),
		TEST(an_open_text_keeps_its_id),
		TEST(a_recent_text_is_not_made_again),
		TEST(when_all_ids_are_open_there_is_none),
		TEST(who_is_to_look_again_gets_what_was_made_for_him),
		TEST(who_asks_anew_gets_the_newer),
		TEST(a_report_goes_with_its_last_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
