#include "fs/tree/inode.h"

#include "fs/tree/access.h"
#include "fs/tree/control.h"
#include "fs/tree/rendition.h"
#include "fs/tree/subtree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TYPE_SHIFT = 56, WHICH_SHIFT = 48 };

/* The kernel is told of every change, so what it knows is good for long; what no telling reaches is asked for. */
static const double FOR_LONG = 86400.0, SHORTLY = 1.0, NOT_AT_ALL = 0.0;

const char node_readme[] = "ipamfs: IP addresses as files\n"
			   "\n"
			   "  mkdir prod                            make a cluster\n"
			   "  echo 10.244.0.0/16 24 > prod/.ipam/cidrs    its range, and how long a node's block is\n"
			   "  mkdir prod/worker-1                   make a node: delegates a block of each family\n"
			   "  touch prod/worker-1/web-0             lease an address of each family\n"
			   "  cat prod/worker-1/web-0               which: ADDRESS/LENGTH, a line each\n"
			   "  touch prod/worker-1/10.244.0.77       lease this one\n"
			   "  echo 10.244.0.78 > prod/worker-1/db   or this one, under a name\n"
			   "  rm prod/worker-1/web-0                release it\n"
			   "  mv, ls -l, df -i, getfattr, find      as with any files\n"
			   "\n"
			   "Each directory has a hidden .ipam (ls prod/.ipam), with\n"
			   "  cidrs reserved settings labels        what you may write\n"
			   "  delegate                              a cluster's: a node with labels or exact blocks, a line each\n"
			   "  blocks leases leases.json stats       what there is\n"
			   "  by-ip/10.244.0.7                      who holds it: a link to the lease\n"
			   "  map.txt map.svg                       how full it is\n"
			   "  events history                        what happens and what happened: cat events | jq .\n"
			   "                                        (not tail -f, which waits for an end, nor busybox cat)\n"
			   "  ephemeral/job                         a node's: a lease for as long as it is open\n"
			   "  host-local/                           a node's: the dataDir of that CNI plugin\n"
			   "\n"
			   "An answer means that it is stored. ENOSPC: no address (or block) is left; EADDRINUSE: that one is\n"
			   "held; EADDRNOTAVAIL: that one can't be leased; EEXIST with O_EXCL (set -C in a shell): the name is.\n";

fuse_ino_t node_ino(enum node_type type, unsigned which, uint64_t id)
{
	if (type == NODE_ROOT)
		return FUSE_ROOT_ID;
	return (fuse_ino_t)type << TYPE_SHIFT | (fuse_ino_t)which << WHICH_SHIFT | id;
}

struct node_ref node_ref(fuse_ino_t ino)
{
	ino = rendition_plain(ino);
	return (struct node_ref){
		.type = (enum node_type)(ino >> TYPE_SHIFT),
		.which = (unsigned)(ino >> WHICH_SHIFT) & 0xff,
		.id = ino & (((uint64_t)1 << WHICH_SHIFT) - 1),
	};
}

ino_t node_number(fuse_ino_t ino)
{
	enum { TYPE_BITS = 4, WHICH_BITS = 8 };
	struct node_ref ref = node_ref(ino);
	enum ipam_kind kind;

	if (ref.type == NODE_ROOT)
		return FUSE_ROOT_ID;
	if (node_object(ref, &kind))
		return ref.id << 1;
	return ((ref.id << WHICH_BITS | ref.which) << TYPE_BITS | ref.type) << 1 | 1;
}

bool node_numbered_lease(uint64_t number, uint64_t *lease)
{
	struct node_ref ref = node_ref(number);

	*lease = ref.type == NODE_LEASE ? ref.id : number >> 1;
	return ref.type == NODE_LEASE || (number & 1) == 0;
}

bool node_object(struct node_ref ref, enum ipam_kind *kind)
{
	switch (ref.type) {
	case NODE_ROOT:
		*kind = IPAM_ROOT;
		return true;
	case NODE_CLUSTER:
		*kind = IPAM_CLUSTER;
		return true;
	case NODE_NODE:
		*kind = IPAM_NODE;
		return true;
	case NODE_LEASE:
		*kind = IPAM_LEASE;
		return true;
	default:
		return false;
	}
}

fuse_ino_t node_of_object(enum ipam_kind kind, uint64_t id)
{
	static const enum node_type type[] = { NODE_ROOT, NODE_CLUSTER, NODE_NODE, NODE_LEASE };

	return node_ino(type[kind], 0, id);
}

bool node_child_kind(struct node_ref ref, enum ipam_kind *kind)
{
	if (!node_object(ref, kind) || *kind == IPAM_LEASE)
		return false;
	*kind = (enum ipam_kind)(*kind + 1);
	return true;
}

/* ---- attributes ------------------------------------------------------------------------------------------- */

struct timespec node_time(int64_t t)
{
	struct timespec out = { .tv_sec = t / 1000000000, .tv_nsec = t % 1000000000 };

	if (out.tv_nsec < 0) {
		out.tv_sec--;
		out.tv_nsec += 1000000000;
	}
	return out;
}

static void fill(const struct fs *fs, fuse_ino_t ino, mode_t type, const struct ipam_attr *a, struct stat *st)
{
	const struct options *o = &fs->options;

	*st = (struct stat){
		.st_ino = node_number(ino),
		.st_mode = type | (o->has_umask ? (a->mode | 0777u) & ~o->umask & (S_ISDIR(type) ? 0777u : 0666u) : a->mode),
		.st_nlink = 1,
		.st_uid = o->has_uid ? o->uid : a->uid,
		.st_gid = o->has_gid ? o->gid : a->gid,
		.st_blksize = 4096,
		.st_atim = node_time(a->atime),
		.st_mtim = node_time(a->mtime),
		.st_ctim = node_time(a->ctime),
	};
}

void node_size(struct stat *st, off_t size)
{
	st->st_size = size;
	st->st_blocks = (size + 511) / 512; /* none would be a file of nothing but holes */
}

void node_stat_object(const struct fs *fs, const struct ipam_object *object, struct stat *st)
{
	mode_t type = object->kind == IPAM_LEASE ? S_IFREG : S_IFDIR;

	fill(fs, node_of_object(object->kind, object->id), type, &object->attr, st);
	if (object->kind == IPAM_LEASE)
		node_size(st, object->size);
	else
		st->st_nlink = object->kind == IPAM_NODE ? 2 : 2 + object->children;
}

/* Files of .ipam belong to whom the directory belongs. */
static int stat_control(struct fs *fs, fuse_ino_t ino, struct node_ref ref, struct stat *st)
{
	enum ipam_kind level = ref.type == NODE_CONTROL ? (enum ipam_kind)ref.which : fs->control[ref.which].level;
	struct ipam_object object;
	int rc = ipam_get(fs->ipam, level, ref.id, &object);
	mode_t type = S_IFREG;

	if (rc < 0)
		return rc;
	if (ref.type == NODE_CONTROL || control_directory(fs, ref) == CONTROL_BY_IP || control_directory(fs, ref) == CONTROL_METRICS) {
		bool tells = ref.type == NODE_FILE && fs->control[ref.which].tells;

		type = S_IFDIR;
		object.attr.mode = tells ? viewer_classes(object.attr.mode, 5) : 0555;
	} else if (control_directory(fs, ref) != CONTROL_FILE) {
		type = S_IFDIR; /* leases are made there, by whom the directory allows it */
		if (fs->control[ref.which].tells)
			object.attr.mode &= viewer_classes(object.attr.mode, 7);
	} else if (fs->control[ref.which].makes) {
		/* Who may write reads what became of it. */
		object.attr.mode &= 0222;
		object.attr.mode |= object.attr.mode << 1;
	} else if (fs->control[ref.which].writable && fs->control[ref.which].show == NULL) {
		object.attr.mode = 0600;
	} else {
		object.attr.mode = fs->control[ref.which].writable ? 0644 :
				   fs->control[ref.which].tells    ? viewer_classes(object.attr.mode, 4) :
								     0444;
	}
	if (type == S_IFREG) {
		rc = control_changed(fs, ref.which, ref.id, &object.attr.mtime);
		object.attr.ctime = object.attr.mtime;
	}
	if (rc < 0)
		return rc;
	fill(fs, ino, type, &object.attr, st);
	if (type == S_IFDIR)
		st->st_nlink = 2;
	return 0;
}

static int stat_link(struct fs *fs, fuse_ino_t ino, struct node_ref ref, struct stat *st)
{
	struct buffer target = { 0 };
	struct ipam_object object;
	int rc = ipam_get(fs->ipam, IPAM_LEASE, ref.id, &object);

	if (rc == 0)
		rc = node_readlink(fs, ref, &target);
	if (rc < 0)
		return rc;
	object.attr.mode = 0777;
	fill(fs, ino, S_IFLNK, &object.attr, st);
	st->st_mode = S_IFLNK | 0777;
	st->st_size = (off_t)target.size;
	free(target.data);
	return 0;
}

static int stat_host_local(struct fs *fs, fuse_ino_t ino, struct node_ref ref, struct stat *st)
{
	struct ipam_attr attr;
	mode_t type;
	off_t size;
	int rc = fs->host_local->stat(fs, ref, &attr, &type, &size);

	if (rc < 0)
		return rc;
	fill(fs, ino, type, &attr, st);
	node_size(st, size);
	if (type == S_IFDIR)
		st->st_nlink = 2;
	return 0;
}

int node_stat(struct fs *fs, fuse_ino_t ino, struct stat *st)
{
	struct node_ref ref = node_ref(ino);
	struct ipam_object object;
	enum ipam_kind kind;
	int rc;

	if (node_object(ref, &kind)) {
		rc = ipam_get(fs->ipam, kind, ref.id, &object);
		if (rc == 0)
			node_stat_object(fs, &object, st);
		return rc;
	}
	switch (ref.type) {
	case NODE_README:
		rc = ipam_get(fs->ipam, IPAM_ROOT, IPAM_ROOT_ID, &object);
		if (rc < 0)
			return rc;
		object.attr.mode = 0444;
		fill(fs, ino, S_IFREG, &object.attr, st);
		node_size(st, (off_t)strlen(node_readme));
		return 0;
	case NODE_CONTROL:
		return ref.which < IPAM_LEASE ? stat_control(fs, ino, ref, st) : -ENOENT;
	case NODE_FILE:
		return ref.which < fs->controls ? stat_control(fs, ino, ref, st) : -ENOENT;
	case NODE_ADDRESS:
		return stat_link(fs, ino, ref, st);
	case NODE_NETWORK:
	case NODE_LOCK:
	case NODE_LAST:
	case NODE_RESERVATION:
		return stat_host_local(fs, ino, ref, st);
	default:
		return -ENOENT;
	}
}

double node_timeout(const struct fs *fs, fuse_ino_t ino)
{
	struct node_ref ref = node_ref(ino);

	if (ref.type < NODE_CONTROL)
		return FOR_LONG;
	/* A path's directories are asked for their modes with every look into them, and host-local looks at every file of a
	 * network thrice at each turn. For a moment they may be as they were: a file whose lease has ended can't be opened. */
	if (ref.type == NODE_CONTROL || ref.type == NODE_NETWORK || ref.type == NODE_RESERVATION ||
	    control_directory(fs, ref) != CONTROL_FILE || rendition_is(ino))
		return SHORTLY;
	return NOT_AT_ALL;
}

/* ---- names ------------------------------------------------------------------------------------------------ */

/* Names of clusters and nodes that other machines may change are looked up again after a moment: another machine may have renamed
 * one, so that the inode that its old name leads to is alive. */
void node_entry(const struct fs *fs, const struct ipam_object *object, struct fuse_entry_param *out)
{
	bool shared = fs->options.remote.endpoints != NULL && object->kind != IPAM_LEASE;

	*out = (struct fuse_entry_param){
		.ino = node_of_object(object->kind, object->id),
		.generation = 1,
		.attr_timeout = FOR_LONG,
		.entry_timeout = shared ? SHORTLY : FOR_LONG,
	};
	node_stat_object(fs, object, &out->attr);
}

/* Whose .ipam, by-ip: the level and the id. */
static int lookup_address(struct fs *fs, struct node_ref parent, const char *name, fuse_ino_t *out)
{
	enum ipam_kind level = fs->control[parent.which].level;
	char canonical[CIDR_ADDR_TEXT];
	uint8_t family;
	uint64_t lease;
	u128 addr;
	int rc;

	if (cidr_parse_addr(name, strlen(name), &family, &addr) < 0)
		return -ENOENT;
	cidr_print_addr(family, addr, canonical);
	if (strcmp(canonical, name) != 0)
		return -ENOENT;
	rc = ipam_holder(fs->ipam, level, parent.id, family, addr, &lease);
	if (rc == 0)
		*out = node_ino(NODE_ADDRESS, family + (level == IPAM_NODE ? 2u : 0u), lease);
	return rc;
}

static int lookup_control(struct fs *fs, struct node_ref parent, const char *name, fuse_ino_t *out)
{
	enum ipam_kind kind;
	int row;

	if (parent.type == NODE_CONTROL || control_directory(fs, parent) == CONTROL_METRICS) {
		row = parent.type == NODE_CONTROL ?
			      control_find(fs, (enum ipam_kind)parent.which, CONTROL_FILE, name) :
			      control_find(fs, fs->control[parent.which].level, fs->control[parent.which].directory, name);
		if (row < 0)
			return -ENOENT;
		*out = node_ino(NODE_FILE, (unsigned)row, parent.id);
		return 0;
	}
	if (control_directory(fs, parent) == CONTROL_BY_IP)
		return lookup_address(fs, parent, name, out);
	if (control_directory(fs, parent) == CONTROL_HOST_LOCAL || parent.type == NODE_NETWORK)
		return fs->host_local->lookup(fs, parent, name, out);
	if (parent.type == NODE_ROOT && strcmp(name, "README") == 0) {
		*out = node_ino(NODE_README, 0, IPAM_ROOT_ID);
		return 0;
	}
	if (strcmp(name, ".ipam") == 0 && node_object(parent, &kind) && kind != IPAM_LEASE) {
		*out = node_ino(NODE_CONTROL, kind, parent.id);
		return 0;
	}
	return -ENOENT;
}

/* The node's lease of that name, which is here for now. */
static int lookup_ephemeral(struct fs *fs, struct node_ref parent, const char *name, struct fuse_entry_param *out)
{
	struct ipam_object object;
	int rc = ipam_lookup(fs->ipam, IPAM_LEASE, parent.id, name, &object);

	if (rc == 0 && !object.ephemeral)
		rc = -ENOENT;
	if (rc == 0) {
		node_entry(fs, &object, out);
		out->entry_timeout = NOT_AT_ALL;
	}
	return rc;
}

int node_lookup(struct fs *fs, fuse_ino_t parent, const char *name, struct fuse_entry_param *out)
{
	struct node_ref ref = node_ref(parent);
	struct ipam_object object;
	enum ipam_kind kind;
	fuse_ino_t ino;
	int rc = lookup_control(fs, ref, name, &ino);

	if (rc == 0) {
		*out = (struct fuse_entry_param){
			.ino = ino,
			.generation = 1,
			.attr_timeout = node_timeout(fs, ino),
			.entry_timeout = node_ref(ino).type >= NODE_ADDRESS ? node_timeout(fs, ino) : FOR_LONG,
		};
		return node_stat(fs, ino, &out->attr);
	}
	if (control_directory(fs, ref) == CONTROL_EPHEMERAL)
		return lookup_ephemeral(fs, ref, name, out);
	if (!node_child_kind(ref, &kind))
		return -ENOENT;
	rc = ipam_lookup(fs->ipam, kind, ref.id, name, &object);
	if (rc == 0)
		node_entry(fs, &object, out);
	return rc;
}

int node_readlink(struct fs *fs, struct node_ref ref, struct buffer *out)
{
	char lease[IPAM_NAME_MAX + 1], node[IPAM_NAME_MAX + 1];
	struct ipam_object object;
	int rc = ipam_get(fs->ipam, IPAM_LEASE, ref.id, &object);

	if (rc == 0)
		rc = ipam_name(fs->ipam, IPAM_LEASE, ref.id, lease);
	if (rc == 0)
		rc = ipam_name(fs->ipam, IPAM_NODE, object.parent, node);
	if (rc < 0)
		return rc;
	if (ref.which & 2)
		buffer_print(out, "../../%s", lease);
	else
		buffer_print(out, "../../%s/%s", node, lease);
	return out->failed ? -ENOMEM : 0;
}
