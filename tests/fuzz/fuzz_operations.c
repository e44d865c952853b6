/* Sequences of all that the filesystem asks of the library, against a model that knows what was promised to whom.
 *
 * The model is a small cluster, 10.0.0.0/24 in /28 (13 addresses to lease in each) and fd00::/120 in /124, kept in arrays
 * without any cleverness. It doesn't foretell which address comes next, only what must hold of it: a block of the node's,
 * nobody else's, not the gateway's nor reserved nor resting. Errors are foretold.
 */
#include "fuzz.h"

#include "ipam.h"

#include <errno.h>
#include <unistd.h>

enum { NODES = 6, LEASES = 20, BLOCKS = 16, HOST_BITS = 4, HOSTS = 1 << HOST_BITS };

struct model_lease {
	int there;
	uint64_t id;
	unsigned addr[CIDR_FAMILIES]; /* the last 8 bits, the rest is the same for all */
	char xattr[8];                /* of "a", or "" */
	uint32_t mode;
};

struct model_node {
	int there;
	uint64_t id;
	int max_leases;
	struct model_lease lease[LEASES];
};

static struct {
	uint64_t cluster;
	int max_blocks, reuse_delay;
	int block[CIDR_FAMILIES][BLOCKS]; /* -1, or whose */
	struct model_node node[NODES];
	int rests[CIDR_FAMILIES][256]; /* released while there was a delay: not to be given until there is none */
} m;

static char dir[64], path[96];
static struct ipam *ipam;
static const struct ipam_owner owner = { 7, 8, 0640 };

static void open_database(void)
{
	const struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_NORMAL, .create = true, .keep_ephemeral = true };
	struct ipam_error error;

	REQUIRE(ipam_open(path, &options, &ipam, &error) == 0);
}

static void remove_files(void)
{
	char file[128];

	unlink(path);
	snprintf(file, sizeof file, "%s-wal", path);
	unlink(file);
	snprintf(file, sizeof file, "%s-shm", path);
	unlink(file);
}

static void finish(void)
{
	remove_files();
	rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	snprintf(dir, sizeof dir, "/dev/shm/ipam-fuzz.XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof path, "%s/db", dir);
	atexit(finish);
	return 0;
}

/* ---- the changes, waited for ----------------------------------------------------------------------------------- */

static int make(enum ipam_kind kind, uint64_t parent, const char *name, unsigned flags, struct ipam_object *object)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_make(ipam, kind, parent, name, flags, &owner, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, object);
}

static int take_away(enum ipam_kind kind, uint64_t parent, const char *name)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_remove(ipam, kind, parent, name, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static int put(enum ipam_text what, uint64_t id, const char *text)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_write(ipam, what, id, text, strlen(text), false, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static int rename_to(enum ipam_kind kind, uint64_t parent, const char *name, uint64_t other, const char *new_name)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_rename(ipam, kind, parent, name, other, new_name, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

/* ---- what the model knows -------------------------------------------------------------------------------------- */

static u128 whole(unsigned family, unsigned last)
{
	return family == CIDR_V4 ? 0x0a000000 + last : ((u128)0xfd00 << 112) + last;
}

static int special(unsigned family, unsigned addr)
{
	unsigned host = addr % HOSTS;

	return host == 0 || host == 1 || (family == CIDR_V4 && host == HOSTS - 1);
}

static const struct model_lease *holder(unsigned family, unsigned addr)
{
	for (int n = 0; n < NODES; n++)
		for (int l = 0; m.node[n].there && l < LEASES; l++)
			if (m.node[n].lease[l].there && m.node[n].lease[l].addr[family] == addr)
				return &m.node[n].lease[l];
	return NULL;
}

/* May this node lease it now? */
static int leasable(int node, unsigned family, unsigned addr)
{
	return m.block[family][addr / HOSTS] == node && !special(family, addr) && holder(family, addr) == NULL && !m.rests[family][addr];
}

static int free_addresses(int node, unsigned family)
{
	int n = 0;

	for (unsigned addr = 0; addr < 256; addr++)
		n += leasable(node, family, addr);
	return n;
}

static int blocks_of(int node, unsigned family)
{
	int n = 0;

	for (int b = 0; b < BLOCKS; b++)
		n += m.block[family][b] == node;
	return n;
}

static int count(int node)
{
	int n = 0;

	for (int l = 0; l < LEASES; l++)
		n += m.node[node].lease[l].there;
	return n;
}

/* The blocks of a node are what the library says; no two nodes have one. */
struct learning {
	int node, seen[CIDR_FAMILIES][BLOCKS];
};

static int learn_block(void *arg, const struct ipam_block_view *v)
{
	struct learning *l = arg;
	unsigned b = (unsigned)(v->cidr.base - whole(v->cidr.family, 0)) / HOSTS;

	REQUIRE(v->cidr.len == cidr_bits(v->cidr.family) - HOST_BITS && b < BLOCKS);
	REQUIRE(m.block[v->cidr.family][b] == -1 || m.block[v->cidr.family][b] == l->node);
	m.block[v->cidr.family][b] = l->node;
	l->seen[v->cidr.family][b] = 1;
	return 0;
}

static void learn_blocks(int node)
{
	struct learning l = { .node = node };

	ipam_read_begin(ipam);
	REQUIRE(ipam_each_block(ipam, IPAM_NODE, m.node[node].id, learn_block, &l) == 0);
	ipam_read_end(ipam);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		REQUIRE(blocks_of(node, f) >= 1);
		for (int b = 0; b < BLOCKS; b++)
			REQUIRE((m.block[f][b] == node) == l.seen[f][b]); /* a promise: none of them is lost */
	}
}

/* What it has been given, which nobody else may have. */
static void learn_addresses(int node, struct model_lease *l)
{
	struct ipam_lease_info info;

	REQUIRE(ipam_lease(ipam, l->id, &info) == 0);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		unsigned addr = (unsigned)(info.addr[f] - whole(f, 0));

		REQUIRE(info.has[f] && addr < 256 && leasable(node, f, addr));
	}
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		l->addr[f] = (unsigned)(info.addr[f] - whole(f, 0));
	l->there = 1;
}

static void let_go(unsigned family, unsigned addr)
{
	if (m.reuse_delay)
		m.rests[family][addr] = 1;
}

/* ---- the operations -------------------------------------------------------------------------------------------- */

static void name_of(char *out, char kind, int i)
{
	sprintf(out, "%c%d", kind, i);
}

static void make_node(int i)
{
	struct ipam_object object;
	char name[8];
	int room = 1, rc;

	name_of(name, 'n', i);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		room &= blocks_of(-1, f) > 0;
	rc = make(IPAM_NODE, m.cluster, name, IPAM_EXCLUSIVE, &object);
	REQUIRE(rc == (m.node[i].there ? -EEXIST : room ? 0 : -ENOSPC));
	if (rc == 0) {
		m.node[i] = (struct model_node){ .there = 1, .id = object.id };
		learn_blocks(i);
	}
}

static void remove_node(int i)
{
	char name[8];
	int rc;

	name_of(name, 'n', i);
	rc = take_away(IPAM_NODE, m.cluster, name);
	REQUIRE(rc == (!m.node[i].there ? -ENOENT : count(i) > 0 ? -ENOTEMPTY : 0));
	if (rc == 0) {
		m.node[i].there = 0;
		for (unsigned f = 0; f < CIDR_FAMILIES; f++)
			for (int b = 0; b < BLOCKS; b++)
				if (m.block[f][b] == i)
					m.block[f][b] = -1;
	}
}

/* What refuses an allocation: 0 nothing. grows: it would have to. */
static int obstacle(int node, int *grows)
{
	const struct model_node *n = &m.node[node];

	*grows = 0;
	if (n->max_leases > 0 && count(node) >= n->max_leases)
		return -EDQUOT;
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (free_addresses(node, f) == 0) {
			if (blocks_of(node, f) >= m.max_blocks || blocks_of(-1, f) == 0)
				return -ENOSPC;
			*grows = 1;
		}
	return 0;
}

static void make_lease(int node, int i, unsigned flags)
{
	struct model_node *n = &m.node[node];
	struct model_lease *l = &n->lease[i];
	struct ipam_object object;
	char name[8];
	int grows = 0, wanted, rc;

	name_of(name, 'l', i);
	if (!n->there)
		return;
	wanted = l->there ? (flags & IPAM_EXCLUSIVE ? -EEXIST : 0) : obstacle(node, &grows);
	rc = make(IPAM_LEASE, n->id, name, flags, &object);
	/* A grown block that is all at rest is no help: what comes after growing isn't foretold. */
	if (!grows || rc == 0)
		REQUIRE(rc == wanted);
	else
		REQUIRE(rc == -ENOSPC);
	if (rc < 0)
		return;
	if (l->there) {
		REQUIRE(object.id == l->id && !object.created);
		return;
	}
	REQUIRE(object.created && object.attr.uid == owner.uid && object.attr.mode == owner.mode);
	*l = (struct model_lease){ .id = object.id, .mode = owner.mode };
	if (grows)
		learn_blocks(node);
	learn_addresses(node, l);
}

static void remove_lease(int node, int i)
{
	struct model_lease *l = &m.node[node].lease[i];
	char name[8];
	int rc;

	name_of(name, 'l', i);
	if (!m.node[node].there)
		return;
	rc = take_away(IPAM_LEASE, m.node[node].id, name);
	REQUIRE(rc == (l->there ? 0 : -ENOENT));
	if (rc == 0) {
		l->there = 0;
		for (unsigned f = 0; f < CIDR_FAMILIES; f++)
			let_go(f, l->addr[f]);
	}
}

static void write_lease(int node, int i, unsigned family, unsigned addr)
{
	struct model_lease *l = &m.node[node].lease[i];
	char text[CIDR_ADDR_TEXT];
	int wanted = 0, rc;

	if (!m.node[node].there || !l->there)
		return;
	cidr_print_addr(family, whole(family, addr), text);
	if (m.block[family][addr / HOSTS] != node || special(family, addr))
		wanted = -EADDRNOTAVAIL;
	else if (l->addr[family] != addr && (holder(family, addr) != NULL || m.rests[family][addr]))
		wanted = -EADDRINUSE;
	rc = put(IPAM_LEASE_ADDRESSES, l->id, text);
	/* One that rests may be refused by either name. */
	REQUIRE(rc == wanted || (m.rests[family][addr] && (rc == -EADDRINUSE || rc == -EADDRNOTAVAIL)));
	if (rc == 0 && l->addr[family] != addr) {
		let_go(family, l->addr[family]);
		l->addr[family] = addr;
	}
}

static void rename_lease(int node, int i, int to_node, int k)
{
	struct model_node *n = &m.node[node];
	char from[8], to[8];
	int wanted, rc;

	name_of(from, 'l', i);
	name_of(to, 'l', k);
	if (!n->there || !m.node[to_node].there)
		return;
	rc = rename_to(IPAM_LEASE, n->id, from, m.node[to_node].id, to);
	wanted = !n->lease[i].there ? -ENOENT : node != to_node ? -EXDEV : i != k && n->lease[k].there ? -EEXIST : 0;
	REQUIRE(rc == wanted || (node != to_node && rc == -EXDEV));
	if (rc == 0 && i != k) {
		n->lease[k] = n->lease[i];
		n->lease[i].there = 0;
	}
}

static void rename_node(int i, int k)
{
	char from[8], to[8];
	int rc;

	name_of(from, 'n', i);
	name_of(to, 'n', k);
	rc = rename_to(IPAM_NODE, m.cluster, from, m.cluster, to);
	REQUIRE(rc == (!m.node[i].there ? -ENOENT : i != k && m.node[k].there ? -EEXIST : 0));
	if (rc == 0 && i != k) {
		m.node[k] = m.node[i];
		m.node[i].there = 0;
		for (unsigned f = 0; f < CIDR_FAMILIES; f++)
			for (int b = 0; b < BLOCKS; b++)
				if (m.block[f][b] == i)
					m.block[f][b] = k;
	}
}

static void describe(int node, int i, unsigned value)
{
	struct model_lease *l = &m.node[node].lease[i];
	struct ipam_attribute a = { "a", l->xattr, 0 };
	struct ipam_wait *w;

	if (!m.node[node].there || !l->there)
		return;
	sprintf(l->xattr, "%u", value);
	a.size = strlen(l->xattr);
	if (value % 2) {
		REQUIRE(ipam_xattr_set(ipam, l->id, "a", l->xattr, a.size, 0, ipam_by_self()) == 0);
		return;
	}
	w = ipam_wait_new();
	ipam_describe(ipam, l->id, &a, 1, true, ipam_by_self(), ipam_wait_done, w);
	REQUIRE(ipam_wait(w, NULL) == 0);
}

static void change_mode(int node, int i, uint32_t mode)
{
	struct model_lease *l = &m.node[node].lease[i];
	struct ipam_attr attr = { .mode = mode & 0777 };
	struct ipam_wait *w;

	if (!m.node[node].there || !l->there)
		return;
	w = ipam_wait_new();
	ipam_set_attr(ipam, IPAM_LEASE, l->id, IPAM_SET_MODE, &attr, ipam_by_self(), ipam_wait_done, w);
	REQUIRE(ipam_wait(w, NULL) == 0);
	l->mode = mode & 0777;
}

static void set(int what, int value, int node)
{
	char text[64];

	if (what == 0) {
		m.max_blocks = value % 3 + 1;
		sprintf(text, "max-blocks %d\n", m.max_blocks);
		REQUIRE(put(IPAM_CLUSTER_SETTINGS, m.cluster, text) == 0);
	} else if (what == 1) {
		m.reuse_delay = value % 2 ? 3600 : 0;
		sprintf(text, "reuse-delay %d\n", m.reuse_delay);
		REQUIRE(put(IPAM_CLUSTER_SETTINGS, m.cluster, text) == 0);
		if (m.reuse_delay == 0)
			memset(m.rests, 0, sizeof m.rests);
	} else if (m.node[node].there) {
		m.node[node].max_leases = value % 8;
		sprintf(text, "max-leases %d\n", m.node[node].max_leases);
		REQUIRE(put(IPAM_NODE_SETTINGS, m.node[node].id, text) == 0);
	}
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static int count_view(void *arg, const struct ipam_lease_view *v)
{
	(void)v;
	++*(int *)arg;
	return 0;
}

static void check_lease(const struct model_node *n, int i)
{
	const struct model_lease *l = &n->lease[i];
	struct ipam_object object;
	struct ipam_lease_info info;
	char name[8], value[8] = "";
	int rc;

	name_of(name, 'l', i);
	rc = ipam_lookup(ipam, IPAM_LEASE, n->id, name, &object);
	REQUIRE(rc == (l->there ? 0 : -ENOENT));
	if (rc < 0)
		return;
	REQUIRE(object.id == l->id && object.attr.mode == l->mode);
	REQUIRE(ipam_lease(ipam, l->id, &info) == 0);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		uint64_t who = 0;

		REQUIRE(info.has[f] && info.addr[f] == whole(f, l->addr[f]));
		REQUIRE(ipam_holder(ipam, IPAM_CLUSTER, m.cluster, f, info.addr[f], &who) == 0 && who == l->id);
	}
	rc = ipam_xattr_get(ipam, l->id, "a", value, sizeof value - 1);
	REQUIRE(rc < 0 ? l->xattr[0] == 0 : strncmp(value, l->xattr, (size_t)rc) == 0 && strlen(l->xattr) == (size_t)rc);
}

static void check_all(void)
{
	int leases = 0, seen = 0;

	for (int n = 0; n < NODES; n++) {
		struct ipam_object object;
		char name[8];
		int rc;

		name_of(name, 'n', n);
		rc = ipam_lookup(ipam, IPAM_NODE, m.cluster, name, &object);
		REQUIRE(rc == (m.node[n].there ? 0 : -ENOENT));
		if (rc < 0)
			continue;
		REQUIRE(object.id == m.node[n].id && object.children == (uint32_t)count(n));
		learn_blocks(n);
		leases += count(n);
		for (int i = 0; i < LEASES; i++)
			check_lease(&m.node[n], i);
	}
	ipam_read_begin(ipam);
	REQUIRE(ipam_each_lease(ipam, IPAM_CLUSTER, m.cluster, count_view, &seen) == 0);
	ipam_read_end(ipam);
	REQUIRE(seen == leases);
}

/* Everything that was promised is there again. */
static void reopen(void)
{
	struct ipam_object object;

	ipam_close(ipam);
	open_database();
	REQUIRE(ipam_lookup(ipam, IPAM_CLUSTER, IPAM_ROOT_ID, "c", &object) == 0 && object.id == m.cluster);
	check_all();
}

static void one(const uint8_t op[4])
{
	int node = op[1] % NODES, lease = op[2] % LEASES;

	switch (op[0] % 16) {
	case 0:
	case 1:
		make_node(node);
		break;
	case 2:
		remove_node(node);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		make_lease(node, lease, op[3] % 2 ? IPAM_EXCLUSIVE : 0);
		break;
	case 7:
	case 8:
		remove_lease(node, lease);
		break;
	case 9:
	case 10:
		write_lease(node, lease, op[0] % 32 / 16, op[3]);
		break;
	case 11:
		rename_lease(node, lease, op[0] / 16 % 4 == 0 ? (node + 1) % NODES : node, op[3] % LEASES);
		break;
	case 12:
		rename_node(node, op[2] % NODES);
		break;
	case 13:
		describe(node, lease, op[3]);
		break;
	case 14:
		change_mode(node, lease, op[3]);
		break;
	default:
		if (op[3] < 32)
			reopen();
		else
			set(op[3] % 3, op[2], node);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipam_object object;

	memset(&m, 0, sizeof m);
	memset(m.block, 0xff, sizeof m.block);
	m.max_blocks = 1;
	open_database();
	REQUIRE(make(IPAM_CLUSTER, IPAM_ROOT_ID, "c", IPAM_EXCLUSIVE, &object) == 0);
	m.cluster = object.id;
	REQUIRE(put(IPAM_CLUSTER_CIDRS, m.cluster, "10.0.0.0/24 28\nfd00::/120 124\n") == 0);
	for (size_t i = 0; i + 4 <= size; i += 4)
		one(data + i);
	check_all();
	reopen();
	ipam_close(ipam);
	ipam = NULL;
	remove_files();
	return 0;
}
