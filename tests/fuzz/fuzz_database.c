/* The database as bytes: a good one with bytes changed, and cut off, must be refused or work; and whatever is opened doesn't
 * give an address twice, nor one outside the node's blocks.
 *
 * Input: edits of a database that is made at the start: OFFSET (3 bytes, little endian, modulo the size) COUNT (1, modulo 32)
 * and so many bytes; a COUNT byte of 255 cuts the file off there.
 */
#include "fuzz.h"

#include "ipam.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t *base;
static size_t base_size;
static char dir[64], path[96];

static int make(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, struct ipam_object *object)
{
	static const struct ipam_owner owner = { 0, 0, 0755 };
	struct ipam_wait *w = ipam_wait_new();

	ipam_make(ipam, kind, parent, name, IPAM_EXCLUSIVE, &owner, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, object);
}

static int put(struct ipam *ipam, enum ipam_text what, uint64_t id, const char *text)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_write(ipam, what, id, text, strlen(text), false, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static void remove_files(void)
{
	static const char *const suffix[] = { "", "-wal", "-shm", "-journal" };
	char file[128];

	for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++) {
		snprintf(file, sizeof file, "%s%s", path, suffix[i]);
		unlink(file);
	}
}

static void finish(void)
{
	remove_files();
	rmdir(dir);
	free(base);
}

static struct ipam *open_database(void)
{
	const struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_NORMAL, .create = base == NULL };
	struct ipam_error error = { "" };
	struct ipam *ipam = NULL;

	if (ipam_open(path, &options, &ipam, &error) < 0) {
		REQUIRE(error.text[0] != 0);
		return NULL;
	}
	return ipam;
}

static void fill(struct ipam *ipam)
{
	struct ipam_object cluster, node, lease;
	char name[16];

	REQUIRE(make(ipam, IPAM_CLUSTER, IPAM_ROOT_ID, "prod", &cluster) == 0);
	REQUIRE(put(ipam, IPAM_CLUSTER_CIDRS, cluster.id, "10.0.0.0/24 28\nfd00::/48 64\n") == 0);
	REQUIRE(put(ipam, IPAM_CLUSTER_RESERVED, cluster.id, "10.0.0.5-10.0.0.6\n") == 0);
	REQUIRE(put(ipam, IPAM_CLUSTER_SETTINGS, cluster.id, "reuse-delay 1000\n") == 0);
	for (int n = 0; n < 2; n++) {
		snprintf(name, sizeof name, "n%d", n);
		REQUIRE(make(ipam, IPAM_NODE, cluster.id, name, &node) == 0);
		for (int i = 0; i < 5; i++) {
			snprintf(name, sizeof name, "l%d", i);
			REQUIRE(make(ipam, IPAM_LEASE, node.id, name, &lease) == 0);
			REQUIRE(ipam_xattr_set(ipam, lease.id, "pod", name, strlen(name), 0, ipam_by_self()) == 0);
		}
		struct ipam_wait *w = ipam_wait_new();

		ipam_remove(ipam, IPAM_LEASE, node.id, "l2", ipam_by_self(), ipam_wait_done, w);
		REQUIRE(ipam_wait(w, NULL) == 0);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct ipam *ipam;
	struct stat st;
	int fd;

	(void)argc;
	(void)argv;
	snprintf(dir, sizeof dir, "/dev/shm/ipam-fuzz.XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof path, "%s/db", dir);
	ipam = open_database();
	REQUIRE(ipam != NULL);
	fill(ipam);
	ipam_close(ipam);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && fstat(fd, &st) == 0);
	base_size = (size_t)st.st_size;
	base = malloc(base_size);
	REQUIRE(base != NULL && read(fd, base, base_size) == (ssize_t)base_size);
	close(fd);
	atexit(finish);
	return 0;
}

/* ---- what it must not do ------------------------------------------------------------------------------------- */

struct seen {
	struct {
		uint64_t cluster;
		u128 addr;
		unsigned family;
	} at[4096];
	size_t n;
};

static int look(void *arg, const struct ipam_lease_view *v)
{
	struct seen *s = arg;

	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		if (!v->has[f])
			continue;
		for (size_t i = 0; i < s->n; i++)
			REQUIRE(s->at[i].cluster != v->cluster || s->at[i].family != f || s->at[i].addr != v->addr[f]);
		if (s->n == sizeof s->at / sizeof *s->at)
			return 1;
		s->at[s->n].cluster = v->cluster;
		s->at[s->n].addr = v->addr[f];
		s->at[s->n++].family = f;
	}
	return 0;
}

static void check(struct ipam *ipam)
{
	static struct seen seen;

	seen.n = 0;
	ipam_read_begin(ipam);
	ipam_each_lease(ipam, IPAM_ROOT, IPAM_ROOT_ID, look, &seen);
	ipam_read_end(ipam);
}

static void use(struct ipam *ipam)
{
	uint64_t *cluster = NULL, *node = NULL;
	size_t clusters = 0, nodes = 0;
	struct ipam_object object;
	char name[16];

	check(ipam);
	ipam_children(ipam, IPAM_ROOT, IPAM_ROOT_ID, &cluster, &clusters);
	for (size_t c = 0; c < clusters && c < 3; c++) {
		make(ipam, IPAM_NODE, cluster[c], "another", &object);
		node = NULL;
		nodes = 0;
		ipam_children(ipam, IPAM_CLUSTER, cluster[c], &node, &nodes);
		for (size_t n = 0; n < nodes && n < 4; n++)
			for (int i = 0; i < 3; i++) {
				snprintf(name, sizeof name, "new%d", i);
				make(ipam, IPAM_LEASE, node[n], name, &object);
			}
		free(node);
	}
	free(cluster);
	check(ipam);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t have = base_size;
	uint8_t *file = malloc(have);
	struct ipam *ipam;
	int fd;

	REQUIRE(file != NULL);
	memcpy(file, base, have);
	while (size >= 4 && have > 0) {
		size_t at = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % have, n = data[3] % 32;
		int cut = data[3] == 255;

		data += 4;
		size -= 4;
		if (cut) {
			have = at;
			continue;
		}
		n = n > size ? size : n;
		n = n > have - at ? have - at : n;
		memcpy(file + at, data, n);
		data += n;
		size -= n;
	}
	remove_files();
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && write(fd, file, have) == (ssize_t)have);
	close(fd);
	free(file);
	/* Twice: what the first one wrote must be good for the second, where it was taken at all. */
	for (int i = 0; i < 2; i++) {
		ipam = open_database();
		if (ipam == NULL)
			break;
		use(ipam);
		ipam_close(ipam);
	}
	remove_files();
	return 0;
}
