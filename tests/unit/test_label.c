/* Labels and selectors: what is one, its canonical text, and what matches what. */
#include "text/label.h"

#include "ipam.h"
#include "text/text.h"
#include "text/text_node.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAME63 "a23456789012345678901234567890123456789012345678901234567890123"
#define PART50 "a234567890123456789012345678901234567890123456789."
#define PREFIX253 PART50 PART50 PART50 PART50 PART50 "abc"

static bool is_label(const char *s)
{
	struct label l;

	return label_parse(s, strlen(s), &l) == 0;
}

static void test_syntax(void **state)
{
	static const char *const good[] = {
		"a=b",
		"a=",
		"A1=B2",
		"zone=eu-1.a_b",
		"topology.kubernetes.io/zone=a",
		"x-y.z/A_b=c",
		NAME63 "=" NAME63,
		PREFIX253 "/" NAME63 "=x",
		"1=1",
	};
	static const char *const bad[] = {
		"",           "a",          "=b",       "a=b=c",    "a =b",   "-a=b",    "a-=b",       "a=-b",          "a=b-",
		"a=b.",       ".a=b",       "a_=b",     "a/=b",     "/a=b",   "a/b/c=d", "A.b/c=d",    "a_b/c=d",       "-a/c=d",
		"a-/c=d",     "a..b/c=d",   "a-.b/c=d", "a.-b/c=d", ".a/c=d", "a./c=d",  NAME63 "4=b", "a=" NAME63 "4", PREFIX253 "d/a=b",
		"\xc3\xa4=b", "a=\xc3\xa4", "a=b\n",    "a=b/c",    "a=b,c",
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!is_label(good[i]))
			fail_msg("'%s' is a label", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (is_label(bad[i]))
			fail_msg("'%s' is no label", bad[i]);
}

static void assert_labels(const char *old, const char *lines, const char *wanted)
{
	char *text = NULL;

	assert_int_equal(text_labels(lines, strlen(lines), old, &text), 0);
	assert_string_equal(text, wanted);
	free(text);
}

static int refused(const char *old, const char *lines)
{
	char *text = NULL;
	int rc = text_labels(lines, strlen(lines), old, &text);

	if (rc == 0)
		free(text);
	return rc;
}

static void test_labels(void **state)
{
	char long_lines[IPAM_LABELS_MAX + 128], *at = long_lines;

	(void)state;
	assert_labels(NULL, "", "");
	assert_labels(NULL, "\n# none\n", "");
	assert_labels(NULL, "b=2\n  a=1 # first\n\na.b/c=\nB=3", "B=3\na=1\na.b/c=\nb=2\n");
	assert_labels("a=1\nc=3\n", "b=2\n", "a=1\nb=2\nc=3\n");
	assert_labels("a=1\nb=2\nc=3\n", "c=4\na=0", "a=0\nb=2\nc=4\n");
	assert_labels("a=1\n", "", "a=1\n");
	assert_labels("ab=1\n", "a=2", "a=2\nab=1\n");
	assert_int_equal(refused(NULL, "a=1\na=1\n"), -EINVAL);
	assert_int_equal(refused(NULL, "a=1 b=2\n"), -EINVAL);
	assert_int_equal(refused(NULL, "a 1\n"), -EINVAL);
	/* 64 lines of 64 bytes are as many as there may be. */
	for (int i = 0; i < IPAM_LABELS_MAX / 64; i++)
		at += sprintf(at, "k%02d=%059d\n", i, i);
	assert_int_equal(at - long_lines, IPAM_LABELS_MAX);
	assert_labels(NULL, long_lines, long_lines);
	assert_int_equal(refused(long_lines, "a=1\n"), -ENOSPC);
	assert_int_equal(refused(long_lines, "k00=1\n"), 0);
}

static void assert_selector(const char *s, const char *wanted, unsigned requirements)
{
	char *text = NULL, *again = NULL;

	assert_int_equal(selector_parse(s, strlen(s), &text), 0);
	assert_string_equal(text, wanted);
	assert_int_equal(selector_requirements(text), requirements);
	assert_int_equal(selector_parse(text, strlen(text), &again), 0);
	assert_string_equal(again, text);
	free(text);
	free(again);
}

static void test_selectors(void **state)
{
	static const char *const bad[] = {
		"",     ",",  "a,",  ",a",  "a,,b",  "!",        "!a=b", "!a!=b", "a!b", "a!",  "a===b", "a!==b",
		"a=!b", "=b", "!=b", "==b", "a=b=c", "a in (b)", "a b",  "-a",    "a=-", "a>1", "!!a",
	};
	char big[IPAM_SELECTOR_MAX + 2], *text;

	(void)state;
	assert_selector("a=b", "a=b", 1);
	assert_selector("a==b", "a=b", 1);
	assert_selector("a!=b", "a!=b", 1);
	assert_selector("a", "a", 1);
	assert_selector("!a", "!a", 1);
	assert_selector("a=", "a=", 1);
	assert_selector("a==", "a=", 1);
	assert_selector("a!=", "a!=", 1);
	assert_selector("z=1,!m,a.b/c!=x,a", "a,a.b/c!=x,!m,z=1", 4);
	assert_selector("a=b,a==b,a=c,a", "a,a=b,a=c", 3);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (selector_parse(bad[i], strlen(bad[i]), &text) != -EINVAL)
			fail_msg("'%s' is no selector", bad[i]);
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = i % 2 == 0 ? 'a' : ',';
	assert_int_equal(selector_parse(big, IPAM_SELECTOR_MAX + 1, &text), -EINVAL);
	assert_int_equal(selector_parse(big, IPAM_SELECTOR_MAX - 1, &text), 0);
	assert_string_equal(text, "a");
	free(text);
	assert_int_equal(selector_requirements(NULL), 0);
	assert_int_equal(selector_requirements(""), 0);
}

static void test_matching(void **state)
{
	static const struct {
		const char *selector, *labels;
		bool matches;
	} table[] = {
		{ NULL, NULL, true },
		{ "", "a=1\n", true },
		{ "a=1", "a=1\n", true },
		{ "a=1", "a=2\n", false },
		{ "a=1", NULL, false },
		{ "a=1", "aa=1\nb=1\n", false },
		{ "a!=1", "a=2\n", true },
		{ "a!=1", "a=1\n", false },
		{ "a!=1", NULL, true },
		{ "a", "a=\n", true },
		{ "a", "b=a\n", false },
		{ "!a", "b=a\n", true },
		{ "!a", "a=\n", false },
		{ "a=", "a=\n", true },
		{ "a=", "b=\n", false },
		{ "a!=", "b=\n", true },
		{ "a=1,b=2", "a=1\nb=2\nc=3\n", true },
		{ "a=1,b=2", "a=1\nc=2\n", false },
		{ "a=1,a=2", "a=1\n", false },
		{ "a.io/x,!b", "a.io/x=1\n", true },
		{ "a=1", "a=11\n", false },
		{ "a=11", "a=1\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (selector_matches(table[i].selector, table[i].labels) != table[i].matches)
			fail_msg("'%s' and '%s'", table[i].selector, table[i].labels);
}

/* ---- in the files ------------------------------------------------------------------------------------------------ */

static int cidrs(const char *s, struct text_cidr *first)
{
	struct text_cidr *list = NULL;
	size_t n = 0;
	int rc = text_cidrs(s, strlen(s), &list, &n);

	if (rc == 0 && first != NULL) {
		*first = list[0];
		list[0].selector = NULL;
	}
	if (rc == 0)
		text_cidrs_free(list, n);
	return rc;
}

static void test_cidrs(void **state)
{
	struct text_cidr c;

	(void)state;
	assert_int_equal(cidrs("10.0.0.0/16 25 selector=b==1,a\n", &c), 0);
	assert_true(c.node_mask == 25 && strcmp(c.selector, "a,b=1") == 0);
	free(c.selector);
	assert_int_equal(cidrs("10.0.0.0/16 selector=a\n", &c), 0);
	assert_true(c.node_mask == 24 && strcmp(c.selector, "a") == 0);
	free(c.selector);
	assert_int_equal(cidrs("10.0.0.0/16\n", &c), 0);
	assert_null(c.selector);
	assert_int_equal(cidrs("10.0.0.0/16 selector=\n", NULL), -EINVAL);
	assert_int_equal(cidrs("10.0.0.0/16 selector=a 24\n", NULL), -EINVAL);
	assert_int_equal(cidrs("10.0.0.0/16 24 a=b\n", NULL), -EINVAL);
	assert_int_equal(cidrs("10.0.0.0/16 24 selector=a selector=b\n", NULL), -EINVAL);
	assert_int_equal(cidrs("10.0.0.0/16 24 selector=a\n10.1.0.0/16 selector=-\n", NULL), -EINVAL);
	assert_int_equal(cidrs("10.0.0.0/16 selector=a\n10.0.0.0/16 selector=b\n", NULL), -EEXIST);
}

static int nodes(const char *s)
{
	struct text_node *list = NULL;
	size_t n = 0;
	int rc = text_nodes(s, strlen(s), &list, &n);

	if (rc == 0)
		text_nodes_free(list, n);
	return rc;
}

static void test_nodes(void **state)
{
	static const char good[] = "# two\nn1 b=2 10.0.0.0/24 a.io/x=1 fd00::/64\n\n  n=2  \n";
	struct text_node *list = NULL;
	char many[IPAM_DELEGATE_LINES * 8 + 32], *at = many;
	size_t n = 0;

	(void)state;
	assert_int_equal(text_nodes(good, strlen(good), &list, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].name, "n1");
	assert_string_equal(list[0].labels, "a.io/x=1\nb=2\n");
	assert_true(list[0].cidrs == 2 && list[0].cidr[1].family == CIDR_V6);
	assert_string_equal(list[1].name, "n=2");
	assert_true(list[1].cidrs == 0 && list[1].labels[0] == 0);
	text_nodes_free(list, n);
	assert_int_equal(nodes(""), -EINVAL);
	assert_int_equal(nodes("# nothing\n"), -EINVAL);
	assert_int_equal(nodes("n1 a\n"), -EINVAL);
	assert_int_equal(nodes("n1 a=b a=c\n"), -EINVAL);
	assert_int_equal(nodes("n1 10.0.0.1/24\n"), -EINVAL);
	assert_int_equal(nodes("n1 10.0.0.1\n"), -EINVAL);
	assert_int_equal(nodes("n1 10.0.0.0/24 10.0.0.0/25\n"), -EINVAL);
	assert_int_equal(nodes(".n1\n"), -EINVAL);
	assert_int_equal(nodes("a/b\n"), -EINVAL);
	assert_int_equal(nodes("n1\nn2\nn1\n"), -EEXIST);
	for (int i = 0; i < IPAM_DELEGATE_LINES; i++)
		at += sprintf(at, "n%d\n", i);
	assert_int_equal(nodes(many), 0);
	strcpy(at, "one-more\n");
	assert_int_equal(nodes(many), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syntax),   cmocka_unit_test(test_labels), cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_matching), cmocka_unit_test(test_cidrs),  cmocka_unit_test(test_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
