/* host-local's files: as they are written through the mount, and as ipamctl imports them. */
#include "fuzz.h"

#include "fs/base/foreign.h"
#include "cli/say.h"
#include "ipamctl/hostlocal.h"

static void written(const char *text, size_t size)
{
	struct ipam_attribute a[2];
	size_t n = foreign_reservation(text, size, a);
	uint8_t family;
	u128 addr;

	REQUIRE(n <= 2);
	for (size_t i = 0; i < n; i++) {
		const char *value = a[i].value;

		REQUIRE(a[i].size > 0 && value >= text && value + a[i].size <= text + size);
		for (size_t k = 0; k < a[i].size; k++)
			REQUIRE((unsigned char)value[k] > 0x20 && value[k] != 0x7f);
	}
	foreign_last_address(text, size, &family, &addr);
}

static void named(const char *name)
{
	unsigned range;
	uint8_t family;
	u128 addr;

	if (foreign_last(name, &range))
		REQUIRE(range <= IPAM_NETWORK_RANGE_MAX && strncmp(name, FOREIGN_LAST, strlen(FOREIGN_LAST)) == 0);
	if (foreign_address(name, &family, &addr))
		REQUIRE(family < CIDR_FAMILIES);
}

static void imported(const uint8_t *data, size_t size)
{
	struct hl_directory d = { .lock = -1 };
	char *text = fuzz_copy(data, size, 1);

	if (size <= HL_CONTENT_MAX && hl_take(&d, "10.0.0.1", CIDR_V4, 0x0a000001, text, size) == CLI_DONE) {
		REQUIRE(d.entries + d.skips == 1);
		if (d.entries == 1)
			REQUIRE(hl_is_word(d.entry[0].id) && hl_is_word(hl_ifname(&d.entry[0])));
	}
	hl_free(&d);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size, 0), *name = fuzz_copy(data, size, 1);

	written(text, size);
	named(name);
	imported(data, size);
	free(text);
	free(name);
	return 0;
}
