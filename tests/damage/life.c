/* A database with a past: leases that came, went, were renamed and got other addresses, and all that a cluster can have. */
#include "damage.h"

#include "ipam.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES = 5 };

struct living {
	struct ipam *ipam;
	uint64_t random, cluster[2], node[NODES];
	unsigned names;
	char path[200];
};

static const struct ipam_owner owner = { 1000, 1000, 0644 };

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

unsigned random_below(uint64_t *state, unsigned n)
{
	return (unsigned)(random_next(state) % n);
}

struct bytes bytes_read(const char *path)
{
	struct bytes b = { NULL, 0 };
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return b;
	b.data = malloc((size_t)st.st_size + 1);
	b.size = (size_t)st.st_size;
	if (b.data == NULL || read(fd, b.data, b.size) != (ssize_t)b.size)
		abort();
	close(fd);
	return b;
}

void bytes_write(const char *path, const struct bytes *b)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, b->data, b->size) != (ssize_t)b->size)
		abort();
	close(fd);
}

struct bytes bytes_copy(const struct bytes *b)
{
	struct bytes c = { malloc(b->size + 1), b->size };

	if (c.data == NULL)
		abort();
	memcpy(c.data, b->data, b->size);
	return c;
}

static void open_it(struct living *l)
{
	struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_NORMAL, .create = true, .keep_after_boot = true };
	struct ipam_error error;

	if (ipam_open(l->path, &options, &l->ipam, &error) < 0) {
		printf("%s\n", error.text);
		exit(2);
	}
}

static uint64_t make(struct living *l, enum ipam_kind kind, uint64_t parent, const char *name)
{
	struct ipam_object o = { 0 };
	struct ipam_wait *w = ipam_wait_new();

	ipam_make(l->ipam, kind, parent, name, IPAM_EXCLUSIVE, &owner, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, &o) == 0 ? o.id : 0;
}

static int put(struct living *l, enum ipam_text what, uint64_t id, const char *text, bool append)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_write(l->ipam, what, id, text, strlen(text), append, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static bool any_lease(struct living *l, uint64_t *node, uint64_t *lease, char name[IPAM_NAME_MAX + 1])
{
	uint64_t *ids = NULL;
	size_t n = 0;
	bool found = false;

	*node = l->node[random_below(&l->random, NODES)];
	if (ipam_children(l->ipam, IPAM_NODE, *node, &ids, &n) == 0 && n > 0) {
		*lease = ids[random_below(&l->random, (unsigned)n)];
		found = ipam_name(l->ipam, IPAM_LEASE, *lease, name) == 0;
	}
	free(ids);
	return found;
}

static void step(struct living *l)
{
	char name[IPAM_NAME_MAX + 1], other[64];
	unsigned what = random_below(&l->random, 100);
	struct ipam_wait *w = ipam_wait_new();
	uint64_t node, lease;

	if (what < 50) {
		snprintf(other, sizeof other, "pod-%u", l->names++);
		make(l, IPAM_LEASE, l->node[random_below(&l->random, NODES)], other);
		return;
	}
	if (!any_lease(l, &node, &lease, name))
		return;
	if (what < 75) {
		ipam_remove(l->ipam, IPAM_LEASE, node, name, ipam_by_self(), ipam_wait_done, w);
		ipam_wait(w, NULL);
	} else if (what < 85) {
		snprintf(other, sizeof other, "new-%u", l->names++);
		ipam_rename(l->ipam, IPAM_LEASE, node, name, node, other, ipam_by_self(), ipam_wait_done, w);
		ipam_wait(w, NULL);
	} else if (what < 92) {
		/* Mostly outside of its node's block, and refused. */
		snprintf(other, sizeof other, "10.0.%u.%u", random_below(&l->random, 2), random_below(&l->random, 256));
		put(l, IPAM_LEASE_ADDRESSES, lease, other, false);
	} else {
		snprintf(other, sizeof other, "value-%u", l->names++);
		ipam_xattr_set(l->ipam, lease, "pod", other, strlen(other), 0, ipam_by_self());
		ipam_sync_object(l->ipam, IPAM_LEASE, lease, ipam_wait_done, w);
		ipam_wait(w, NULL);
	}
}

static void begin(struct living *l)
{
	static const char *const name[NODES] = { "e1", "e2", "e3", "w1", "w2" };

	l->cluster[0] = make(l, IPAM_CLUSTER, IPAM_ROOT_ID, "east");
	l->cluster[1] = make(l, IPAM_CLUSTER, IPAM_ROOT_ID, "west");
	put(l, IPAM_CLUSTER_CIDRS, l->cluster[0], "10.0.0.0/16 25\nfd00::/48 64\n", false);
	put(l, IPAM_CLUSTER_CIDRS, l->cluster[1], "10.9.0.0/20 26\n", false);
	put(l, IPAM_CLUSTER_SETTINGS, l->cluster[0], "max-blocks 3\n", true);
	put(l, IPAM_CLUSTER_RESERVED, l->cluster[0], "10.0.77.0/24\n10.0.0.120-10.0.0.126\n", false);
	for (int i = 0; i < NODES; i++)
		l->node[i] = make(l, IPAM_NODE, l->cluster[i > 2], name[i]);
	put(l, IPAM_NODE_LABELS, l->node[0], "zone=a\narch=arm64\n", false);
	put(l, IPAM_NODE_LABELS, l->node[3], "zone=b\n", false);
}

static void middle(struct living *l)
{
	struct ipam_wait *w = ipam_wait_new();

	put(l, IPAM_CLUSTER_SETTINGS, l->cluster[1], "reuse-delay 600\n", true);
	put(l, IPAM_NODE_SETTINGS, l->node[1], "max-leases 100\n", true);
	put(l, IPAM_CLUSTER_RESERVED, l->cluster[1], "10.9.0.50\n", true);
	put(l, IPAM_NODE_LABELS, l->node[1], "zone=c\n", false);
	ipam_network_make(l->ipam, l->node[2], "podnet", ipam_by_self(), ipam_wait_done, w);
	ipam_wait(w, NULL);
}

/* As retention does: the first half of the past goes. */
static void trim(const char *path)
{
	sqlite3 *db = NULL;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, "DELETE FROM history WHERE id <= (SELECT max(id) / 2 FROM history)", NULL, NULL, NULL) != SQLITE_OK)
		abort();
	sqlite3_close(db);
}

void life_make(struct life *l, const char *dir, uint64_t seed)
{
	struct living it = { .random = seed };
	char log[256];

	*l = (struct life){ 0 };
	snprintf(it.path, sizeof it.path, "%s/life.db", dir);
	snprintf(log, sizeof log, "%s-wal", it.path);
	unlink(it.path);
	unlink(log);
	for (int i = 0; i < MOMENTS; i++) {
		open_it(&it);
		if (i == 0)
			begin(&it);
		if (i == 1)
			middle(&it);
		for (unsigned k = 0; k < 70; k++)
			step(&it);
		if (i == MOMENTS - 1) { /* what a crash would leave */
			l->db = bytes_read(it.path);
			l->log = bytes_read(log);
		}
		ipam_close(it.ipam);
		if (i == MOMENTS - 2 && seed % 2 == 1)
			trim(it.path);
		l->moment[i] = bytes_read(it.path);
		if (l->moment[i].size == 0)
			abort();
	}
	l->page = (unsigned)l->db.data[16] << 8 | l->db.data[17];
	unlink(it.path);
	unlink(log);
	snprintf(log, sizeof log, "%s-shm", it.path);
	unlink(log);
}

void life_free(struct life *l)
{
	for (int i = 0; i < MOMENTS; i++)
		free(l->moment[i].data);
	free(l->db.data);
	free(l->log.data);
}
