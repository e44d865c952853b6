/* Points in time, as people write them. */
#include "fuzz.h"

#include "ipamctl/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size, 1);
	int64_t t;

	when_parse(text, &t);
	free(text);
	return 0;
}
