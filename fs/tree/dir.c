#include "fs/tree/dir.h"

#include "fs/base/buffer.h"
#include "fs/tree/access.h"
#include "fs/tree/control.h"
#include "fs/tree/inode.h"
#include "fs/tree/subtree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory as it was at opendir: names and node ids, sorted by their offsets. */
struct listing {
	struct handle handle;
	fuse_ino_t ino;
	bool begun;
	bool sorted;
	struct entry {
		fuse_ino_t ino;
		off_t offset; /* as the kernel knows its place: the same whenever it is listed */
		size_t name;  /* in names */
		mode_t type;
	} * entry;
	size_t count, room;
	struct buffer names;
	enum ipam_kind level; /* for by-ip: of a cluster or a node */
	struct fs *fs;
	struct viewer viewer;
	uint64_t node; /* the one looked at last, and */
	bool seen;     /* whether the viewer sees into it */
};

/* By what it is, so that a listing which is made anew goes on where the kernel is: things come in the order of their ids. */
static off_t offset_of(const struct listing *l, fuse_ino_t ino)
{
	enum { DOTS = 2, CONTROL, README, LOCK, FILES = 16, LASTS = 512, OBJECTS = 1024 };
	struct node_ref ref = node_ref(ino);

	if (l->count < DOTS)
		return (off_t)l->count + 1;
	switch (ref.type) {
	case NODE_CONTROL:
		return CONTROL;
	case NODE_README:
		return README;
	case NODE_LOCK:
		return LOCK;
	case NODE_FILE:
		return FILES + (off_t)ref.which;
	case NODE_LAST:
		return LASTS + (off_t)ref.which;
	default: /* which: of an address, its family */
		return OBJECTS + (off_t)ref.id * 2 + (ref.which & 1);
	}
}

int listing_add(struct listing *l, const char *name, fuse_ino_t ino, mode_t type)
{
	if (l->count == l->room) {
		size_t room = l->room == 0 ? 16 : l->room * 2;
		struct entry *bigger = reallocarray(l->entry, room, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		l->entry = bigger;
		l->room = room;
	}
	l->entry[l->count] = (struct entry){ ino, offset_of(l, ino), l->names.size, type };
	l->sorted &= l->count == 0 || l->entry[l->count].offset > l->entry[l->count - 1].offset;
	l->count++;
	buffer_add(&l->names, name, strlen(name) + 1);
	return l->names.failed ? -ENOMEM : 0;
}

static int add_cluster(void *arg, const struct ipam_cluster_view *v)
{
	return listing_add(arg, v->name, node_of_object(IPAM_CLUSTER, v->id), S_IFDIR);
}

static int add_node(void *arg, const struct ipam_node_view *v)
{
	return listing_add(arg, v->name, node_of_object(IPAM_NODE, v->id), S_IFDIR);
}

static int add_lease(void *arg, const struct ipam_lease_view *v)
{
	return listing_add(arg, v->name, node_of_object(IPAM_LEASE, v->id), S_IFREG);
}

/* Leases come node by node. Between ipam_read_begin and end. */
static bool is_seen(struct listing *l, uint64_t node)
{
	struct ipam_node_view v;

	if (l->node != node) {
		l->node = node;
		l->seen = ipam_view_node(l->fs->ipam, node, &v) == 0 && viewer_sees(l->fs, &l->viewer, &v.attr);
	}
	return l->seen;
}

static int add_links(void *arg, const struct ipam_lease_view *v)
{
	struct listing *l = arg;
	char name[CIDR_ADDR_TEXT];
	int rc = 0;

	if (!is_seen(l, v->node))
		return 0;
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++) {
		if (!v->has[f])
			continue;
		cidr_print_addr(f, v->addr[f], name);
		rc = listing_add(l, name, node_ino(NODE_ADDRESS, f + (l->level == IPAM_NODE ? 2u : 0u), v->id), S_IFLNK);
	}
	return rc;
}

static int add_controls(struct listing *l, enum ipam_kind level, uint64_t id, enum control_directory in)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < l->fs->controls; i++)
		if (l->fs->control[i].level == level && l->fs->control[i].in == in)
			rc = listing_add(l, l->fs->control[i].name, node_ino(NODE_FILE, i, id),
					 l->fs->control[i].directory != CONTROL_FILE ? S_IFDIR : S_IFREG);
	return rc;
}

static int add_ephemeral(void *arg, const struct ipam_lease_view *v)
{
	return v->ephemeral ? add_lease(arg, v) : 0;
}

static int list_control_directory(struct fs *fs, struct node_ref ref, struct listing *l)
{
	if (ref.type == NODE_NETWORK)
		return fs->host_local->list(fs, ref, l);
	switch (control_directory(fs, ref)) {
	case CONTROL_BY_IP:
		l->level = fs->control[ref.which].level;
		return ipam_each_lease(fs->ipam, l->level, ref.id, add_links, l);
	case CONTROL_EPHEMERAL:
		return ipam_each_lease(fs->ipam, IPAM_NODE, ref.id, add_ephemeral, l);
	case CONTROL_HOST_LOCAL:
		return fs->host_local->list(fs, ref, l);
	case CONTROL_METRICS:
		return add_controls(l, fs->control[ref.which].level, ref.id, CONTROL_METRICS);
	default:
		return -ENOTDIR;
	}
}

static int fill_listing(struct fs *fs, fuse_ino_t ino, struct listing *l)
{
	struct node_ref ref = node_ref(ino);
	int rc = listing_add(l, ".", ino, S_IFDIR);

	if (rc == 0)
		rc = listing_add(l, "..", ino, S_IFDIR);
	if (rc == 0 && ref.type < NODE_LEASE && fs->options.show_control) {
		enum ipam_kind kind = IPAM_ROOT;

		node_object(ref, &kind);
		rc = listing_add(l, ".ipam", node_ino(NODE_CONTROL, kind, ref.id), S_IFDIR);
	}
	if (rc < 0)
		return rc;
	switch (ref.type) {
	case NODE_ROOT:
		rc = listing_add(l, "README", node_ino(NODE_README, 0, IPAM_ROOT_ID), S_IFREG);
		return rc < 0 ? rc : ipam_each_cluster(fs->ipam, add_cluster, l);
	case NODE_CLUSTER:
		return ipam_each_node(fs->ipam, ref.id, add_node, l);
	case NODE_NODE:
		return ipam_each_lease(fs->ipam, IPAM_NODE, ref.id, add_lease, l);
	case NODE_CONTROL:
		return add_controls(l, (enum ipam_kind)ref.which, ref.id, CONTROL_FILE);
	case NODE_FILE:
	case NODE_NETWORK:
		return list_control_directory(fs, ref, l);
	default:
		return -ENOTDIR;
	}
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int read_listing(struct fs *fs, struct listing *l)
{
	int rc;

	l->count = 0;
	l->names.size = 0;
	l->node = 0;
	l->sorted = true;
	ipam_read_begin(fs->ipam);
	rc = fill_listing(fs, l->ino, l);
	ipam_read_end(fs->ipam);
	if (rc == 0 && !l->sorted)
		qsort(l->entry, l->count, sizeof *l->entry, compare);
	return rc;
}

int listing_begin(struct fs *fs, struct listing *l)
{
	bool again = l->begun;

	l->begun = true;
	return again ? read_listing(fs, l) : 0;
}

static void listing_free(struct listing *l)
{
	if (l == NULL)
		return;
	free(l->entry);
	free(l->names.data);
	viewer_free(&l->viewer);
	free(l);
}

static void discard(struct fs *fs, struct handle *h)
{
	handle_close(fs, h);
	listing_free((struct listing *)h);
}

static const struct handle_ops listing_ops = { .discard = discard };

/* The viewer is taken over. */
static int listing_make(struct fs *fs, const struct viewer *viewer, fuse_ino_t ino, struct listing **out)
{
	struct listing *l = calloc(1, sizeof *l);
	int rc;

	if (l == NULL) {
		free(viewer->group);
		return -ENOMEM;
	}
	l->handle.ops = &listing_ops;
	l->ino = ino;
	l->fs = fs;
	l->viewer = *viewer;
	rc = read_listing(fs, l);
	if (rc < 0)
		listing_free(l);
	else
		*out = l;
	return rc;
}

int listing_open(struct fs *fs, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct viewer viewer = { .groups = 0 };
	struct listing *l = NULL;
	/* Elsewhere who may open a directory may see all of it. */
	int rc = control_directory(fs, node_ref(ino)) == CONTROL_BY_IP ? viewer_of(req, &viewer) : 0;

	if (rc == 0)
		rc = listing_make(fs, &viewer, ino, &l);
	if (rc == 0)
		rc = handle_open(fs, &l->handle, KEEP_DIRECTORY, ino, wire_current()->unique, fi);
	if (rc == 0) {
		handle_slot(fs, &l->handle)->uid = viewer.uid;
		handle_slot(fs, &l->handle)->gid = viewer.gid;
	} else {
		listing_free(l);
	}
	return rc;
}

int listing_reopen(struct fs *fs, struct keep_slot *slot, int fd, struct handle **out)
{
	/* The other groups are forgotten: it sees no more for that. */
	const struct viewer viewer = { .uid = slot->uid, .gid = slot->gid };
	struct listing *l = NULL;
	int rc = listing_make(fs, &viewer, slot->ino, &l);

	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return rc;
	*out = &l->handle;
	return 0;
}

/* The entry as it is now, by its name: the kernel will believe it for long, and the name may be another's since.
 * false: it has gone. "." and ".." are not looked up, nor is what is made for a lookup: the kernel does that, where it wants to know. */
static bool look(struct fs *fs, const struct listing *l, const struct entry *e, struct fuse_entry_param *out)
{
	if (e->offset <= 2 || control_generated(fs, node_ref(e->ino))) {
		*out = (struct fuse_entry_param){ .attr = { .st_ino = node_number(e->ino), .st_mode = e->type } };
		return true;
	}
	return node_lookup(fs, l->ino, l->names.data + e->name, out) == 0;
}

static size_t first_after(const struct listing *l, off_t offset)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->entry[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t listing_fill(struct fs *fs, fuse_req_t req, const struct listing *l, off_t from, bool plus, char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = first_after(l, from); i < l->count; i++) {
		const struct entry *e = &l->entry[i];
		const char *name = l->names.data + e->name;
		struct fuse_entry_param p;
		size_t need;

		if (plus) {
			if (!look(fs, l, e, &p))
				continue;
			need = fuse_add_direntry_plus(req, buf + used, size - used, name, &p, e->offset);
		} else {
			struct stat st = { .st_ino = node_number(e->ino), .st_mode = e->type };

			need = fuse_add_direntry(req, buf + used, size - used, name, &st, e->offset);
		}
		if (need > size - used)
			break;
		used += need;
	}
	return used;
}
