#include "base/json_text.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the valid character at s, or 0. jansson knows what is valid; four is the longest. */
static size_t character(const char *s, size_t n)
{
	for (size_t k = 1; k <= 4 && k <= n; k++) {
		json_t *try = json_stringn(s, k);

		if (try != NULL) {
			json_decref(try);
			return k;
		}
	}
	return 0;
}

json_t *json_text(const char *s, size_t n)
{
	static const char replacement[] = "\xef\xbf\xbd";
	json_t *out = json_stringn(s, n);
	size_t size = 0;
	char *clean;

	if (out != NULL)
		return out;
	clean = malloc(3 * n + 1);
	if (clean == NULL)
		return NULL;
	for (size_t i = 0; i < n;) {
		size_t k = character(s + i, n - i);

		if (k == 0) {
			memcpy(clean + size, replacement, 3);
			size += 3;
			i++;
		} else {
			memcpy(clean + size, s + i, k);
			size += k;
			i += k;
		}
	}
	out = json_stringn(clean, size);
	free(clean);
	return out;
}
