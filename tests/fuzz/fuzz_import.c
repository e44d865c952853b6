/* Imports: what is written to .ipam/import, lists of attributes, and dumps of Kubernetes that ipamctl reads. */
#include "fuzz.h"

#include "cli/say.h"
#include "fs/base/foreign.h"
#include "fs/control/import_parse.h"
#include "ipamctl/kube/arena.h"
#include "ipamctl/kube/parse.h"

#include <sys/mman.h>
#include <unistd.h>

static void import(const char *text, size_t size)
{
	struct foreign_import m;
	struct buffer report = { 0 };
	int rc = foreign_import_parse(&m, text, size, &report);

	if (rc < 0)
		REQUIRE(report.size > 0 && report.data[report.size - 1] == '\n');
	for (size_t i = 0; rc == 0 && i < m.n; i++)
		REQUIRE(m.list[i].node != NULL && m.list[i].attributes <= m.attributes && m.list[i].cidrs <= m.cidrs);
	foreign_import_free(&m);
	free(report.data);
}

static void attributes(const uint8_t *data, size_t size)
{
	enum { ROOM = 64 };
	char *text = fuzz_copy(data, size, 1);
	struct ipam_attribute list[ROOM];
	size_t n;

	if (foreign_attributes(text, size, list, ROOM, &n) == 0)
		for (size_t i = 0; i < n; i++) {
			const char *value = list[i].value;

			REQUIRE(list[i].name >= text && value > text && value + list[i].size <= text + size);
			REQUIRE(strncmp(list[i].name, "ipam.", 5) != 0);
		}
	free(text);
}

static void kubernetes(const uint8_t *data, size_t size, int pruned)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct kube k = { .from = "dump" };
	struct kube_reader r = { .name = "dump", .fd = fd, .wanted = pruned ? kube_wanted : NULL };

	REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	if (kube_read_lists(&r, kube_take, &k) == CLI_DONE) {
		kube_sort(&k);
		for (size_t i = 1; i < k.nodes.n; i++)
			REQUIRE(strcmp(k.nodes.list[i - 1].name, k.nodes.list[i].name) < 0);
		for (size_t i = 0; i < k.pods.n; i++)
			if (k.pods.list[i].lease != NULL && k.pods.list[i].flaw == NULL)
				REQUIRE(ipam_check_name(IPAM_LEASE, k.pods.list[i].lease) == 0);
	}
	kube_reader_end(&r);
	kube_free(&k);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = fuzz_copy(data + 1, size - 1, 0);
	if (data[0] % 4 == 0)
		import(text, size - 1);
	else if (data[0] % 4 == 1)
		attributes(data + 1, size - 1);
	else
		kubernetes(data + 1, size - 1, data[0] % 4 == 2);
	free(text);
	return 0;
}
