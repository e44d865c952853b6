/* fuzz — what the targets share. Each is one file with LLVMFuzzerTestOneInput, which returns 0 and must neither crash nor break
 * what it claims with REQUIRE. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define REQUIRE(what)                                                                                                                      \
	do {                                                                                                                               \
		if (!(what)) {                                                                                                             \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                                                         \
			abort();                                                                                                           \
		}                                                                                                                          \
	} while (0)

/* A copy of exactly these bytes, so that reading past them is seen; and one with a NUL behind them. */
static inline char *fuzz_copy(const uint8_t *data, size_t size, int nul)
{
	char *out = malloc(size + (nul ? 1 : size == 0));

	REQUIRE(out != NULL);
	memcpy(out, data, size);
	if (nul)
		out[size] = 0;
	return out;
}

/* The first byte says which of these parsers reads the rest. */
typedef void fuzz_parser(const char *text, size_t size);
static inline int fuzz_choose(fuzz_parser *const *parser, size_t parsers, const uint8_t *data, size_t size)
{
	char *copy;

	if (size == 0)
		return 0;
	copy = fuzz_copy(data + 1, size - 1, 0);
	parser[data[0] % parsers](copy, size - 1);
	free(copy);
	return 0;
}

#endif
