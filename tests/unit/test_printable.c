/* What a terminal acts on doesn't reach it. */
#include "base/printable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void becomes(const char *text, const char *wanted)
{
	char copy[128], beside[128];
	size_t n = strlen(text);

	assert_int_equal(printable(beside, text, n), strlen(wanted));
	assert_string_equal(beside, wanted);
	strcpy(copy, text);
	printable(copy, copy, n);
	assert_string_equal(copy, wanted);
}

static void test_texts(void **state)
{
	(void)state;
	becomes("", "");
	becomes("pod-1 (web)", "pod-1 (web)");
	becomes("n\xc3\xb6t \xe2\x82\xac \xf0\x9f\x90\x99", "n\xc3\xb6t \xe2\x82\xac \xf0\x9f\x90\x99");
	becomes("\x1b]0;owned\a\r\n\x7f", "?]0;owned????");
	becomes("a\xc2\x9b"
		"31m\xc2\x85"
		"b",
		"a?31m?b"); /* CSI and NEL of C1, as UTF-8 */
	becomes("a\x9b"
		"31m",
		"a?31m"); /* and as a byte */
	becomes("\xe2\x80\xae"
		"cod\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c",
		"?cod???");
	becomes("a\xe2\x80\xa8"
		"b\xe2\x80\xa9\xef\xbb\xbf\xf3\xa0\x81\x81",
		"a?b???");
	/* What isn't UTF-8: cut, overlong, a surrogate, beyond Unicode. */
	becomes("\xc3", "?");
	becomes("\xe2\x82", "??");
	becomes("\xc0\x9b\xe0\x82\x9b", "?????");
	becomes("\xed\xa0\x80\xf4\x90\x80\x80\xff", "????????");
}

/* Of every character and every pair of bytes nothing dangerous is left, and what is left is as it was. */
static void test_all(void **state)
{
	char out[8];

	(void)state;
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			const char text[] = { (char)a, (char)b };
			size_t n = printable(out, text, 2);

			assert_true(n <= 2 && out[n] == 0);
			for (size_t i = 0; i < n; i++)
				assert_true((unsigned char)out[i] >= 0x20 && out[i] != 0x7f);
			if (n == 2 && (unsigned char)out[0] == 0xc2)
				assert_true((unsigned char)out[1] >= 0xa0);
			assert_int_equal(printable(out, out, n), n); /* once is enough */
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_texts), cmocka_unit_test(test_all) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
