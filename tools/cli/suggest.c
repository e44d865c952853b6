#include "cli/suggest.h"

#include <string.h>

enum { FAR = 99 };

/* Levenshtein's distance, for words up to 31 bytes. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[32];

	if (n > 31 || m > 31)
		return FAR;
	for (unsigned j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

bool cli_is_slip(const char *word, const char *meant)
{
	return distance(word, meant) <= 1;
}

const char *cli_suggest(const char *word, const char *const *words)
{
	const char *best = NULL;
	size_t n = strlen(word);
	unsigned least = n < 3 ? (unsigned)n : 3; /* two slips are a slip, three are another word, and so is one with no letter left */

	for (; *words != NULL; words++) {
		unsigned d = distance(word, *words);

		if (d < least) {
			least = d;
			best = *words;
		}
	}
	return best;
}
