#include "fs/hostlocal/host_local.h"

#include "fs/base/buffer.h"
#include "fs/base/foreign.h"
#include "fs/resume/handle.h"
#include "fs/resume/invalidate.h"
#include "fs/tree/access.h"
#include "fs/tree/dir.h"
#include "fs/tree/file.h"
#include "fs/tree/forget.h"
#include "fs/tree/holders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- which is which ----------------------------------------------------------------------------------------- */

static bool is_of(struct fs *fs, uint64_t lease, const char *network)
{
	char value[IPAM_NAME_MAX];
	int n = ipam_xattr_get(fs->ipam, lease, "network", value, sizeof value);

	return n >= 0 && (size_t)n == strlen(network) && memcmp(value, network, (size_t)n) == 0;
}

/* The lease behind a file of a network. */
static int find(struct fs *fs, uint64_t network, const char *name, uint8_t *family, uint64_t *lease)
{
	char of[IPAM_NAME_MAX + 1];
	uint64_t node;
	u128 addr;
	int rc;

	if (!foreign_address(name, family, &addr))
		return -ENOENT;
	rc = ipam_network_node(fs->ipam, network, &node, of);
	if (rc == 0)
		rc = ipam_holder(fs->ipam, IPAM_NODE, node, *family, addr, lease);
	return rc == 0 && !is_of(fs, *lease, of) ? -ENOENT : rc;
}

static int host_local_lookup(struct fs *fs, struct node_ref parent, const char *name, fuse_ino_t *out)
{
	uint64_t id = parent.id;
	uint8_t family;
	unsigned range;
	u128 addr;
	int rc;

	if (parent.type != NODE_NETWORK) {
		rc = ipam_network_find(fs->ipam, parent.id, name, &id);
		*out = node_ino(NODE_NETWORK, 0, id);
	} else if (strcmp(name, "lock") == 0) {
		rc = 0;
		*out = node_ino(NODE_LOCK, 0, id);
	} else if (foreign_last(name, &range)) {
		rc = ipam_network_last(fs->ipam, id, range, &family, &addr);
		*out = node_ino(NODE_LAST, range, id);
	} else {
		rc = find(fs, parent.id, name, &family, &id);
		*out = node_ino(NODE_RESERVATION, family, id);
	}
	return rc;
}

/* ---- content ------------------------------------------------------------------------------------------------ */

static void add_attribute(struct fs *fs, uint64_t lease, const char *before, const char *name, struct buffer *out)
{
	char value[IPAM_XATTR_BUDGET];
	int n = ipam_xattr_get(fs->ipam, lease, name, value, sizeof value);

	if (n >= 0) {
		buffer_add(out, before, strlen(before));
		buffer_add(out, value, (size_t)n);
	}
}

static int content(struct fs *fs, struct node_ref ref, struct buffer *out)
{
	char text[CIDR_ADDR_TEXT];
	uint8_t family;
	u128 addr;

	if (ref.type == NODE_RESERVATION) {
		add_attribute(fs, ref.id, "", "container-id", out);
		if (out->size > 0)
			add_attribute(fs, ref.id, "\r\n", "ifname", out);
	} else if (ref.type == NODE_LAST && ipam_network_last(fs->ipam, ref.id, ref.which, &family, &addr) == 0) {
		cidr_print_addr(family, addr, text);
		buffer_add(out, text, strlen(text));
	}
	return out->failed ? -ENOMEM : 0;
}

static int host_local_stat(struct fs *fs, struct node_ref ref, struct ipam_attr *attr, mode_t *type, off_t *size)
{
	struct buffer text = { 0 };
	char name[IPAM_NAME_MAX + 1];
	struct ipam_object object;
	uint64_t node;
	int rc;

	*type = ref.type == NODE_NETWORK ? S_IFDIR : S_IFREG;
	if (ref.type == NODE_RESERVATION) {
		rc = ipam_get(fs->ipam, IPAM_LEASE, ref.id, &object);
	} else {
		rc = ipam_network_node(fs->ipam, ref.id, &node, name);
		if (rc == 0)
			rc = ipam_get(fs->ipam, IPAM_NODE, node, &object);
		if (rc == 0)
			object.attr.mode &= *type == S_IFREG ? 0666 : viewer_classes(object.attr.mode, 7);
	}
	if (rc == 0)
		rc = content(fs, ref, &text);
	if (rc == 0) {
		*attr = object.attr;
		*size = (off_t)text.size;
	}
	free(text.data);
	return rc;
}

/* ---- listing ------------------------------------------------------------------------------------------------ */

struct list {
	struct listing *listing;
	const char *network;
};

static int list_network(void *arg, uint64_t id, const char *name)
{
	return listing_add(arg, name, node_ino(NODE_NETWORK, 0, id), S_IFDIR);
}

static int list_lease(void *arg, const struct ipam_lease_view *v)
{
	const struct list *l = arg;
	char name[CIDR_ADDR_TEXT];
	size_t size;
	const char *of = ipam_view_xattr(v, "network", &size);
	int rc = 0;

	if (of == NULL || size != strlen(l->network) || memcmp(of, l->network, size) != 0)
		return 0;
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		if (v->has[f]) {
			cidr_print_addr(f, v->addr[f], name);
			rc = listing_add(l->listing, name, node_ino(NODE_RESERVATION, f, v->id), S_IFREG);
		}
	return rc;
}

static int host_local_list(struct fs *fs, struct node_ref ref, struct listing *listing)
{
	struct ipam_network_view network;
	struct list list = { listing, NULL };
	char name[32];
	int rc;

	if (ref.type != NODE_NETWORK)
		return ipam_each_network(fs->ipam, ref.id, list_network, listing);
	rc = ipam_view_network(fs->ipam, ref.id, &network);
	if (rc == 0)
		rc = listing_add(listing, "lock", node_ino(NODE_LOCK, 0, ref.id), S_IFREG);
	for (size_t i = 0; rc == 0 && i < network.lasts; i++) {
		unsigned range = ipam_view_network_range(&network, i);

		snprintf(name, sizeof name, FOREIGN_LAST "%u", range);
		rc = listing_add(listing, name, node_ino(NODE_LAST, range, ref.id), S_IFREG);
	}
	list.network = network.name;
	return rc == 0 ? ipam_each_lease(fs->ipam, IPAM_NODE, network.node, list_lease, &list) : rc;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* The lease gets what is written, and lasts. */
static void store_reservation(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by,
			      ipam_done *done, void *arg)
{
	struct ipam_attribute a[2];
	size_t n = foreign_reservation(text, size, a);

	(void)append;
	if (n > 0)
		ipam_describe(fs->ipam, ref.id, a, n, true, by, done, arg);
	else
		done(arg, -EINVAL, NULL);
}

static void store_last(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by, ipam_done *done,
		       void *arg)
{
	uint8_t family;
	u128 addr;

	(void)append;
	(void)by;
	if (foreign_last_address(text, size, &family, &addr) < 0)
		done(arg, -EINVAL, NULL);
	else
		ipam_network_set_last(fs->ipam, ref.id, ref.which, family, &addr, done, arg);
}

static file_store *host_local_store(struct node_ref ref)
{
	return ref.type == NODE_RESERVATION ? store_reservation : ref.type == NODE_LAST ? store_last : NULL;
}

static int host_local_open(struct fs *fs, fuse_ino_t ino, uint64_t request, struct fuse_file_info *fi)
{
	struct node_ref ref = node_ref(ino);
	struct buffer text = { 0 };
	int rc = content(fs, ref, &text);

	if (rc == 0)
		rc = file_open_text(fs, fi, ino, request, &text, host_local_store(ref));
	free(text.data);
	if (rc == 0 && ref.type == NODE_RESERVATION)
		rc = file_hold(fs, fi, ref.id);
	return rc;
}

/* ---- creating ------------------------------------------------------------------------------------------------- */

struct create {
	struct fs *fs;
	fuse_req_t req;
	uint64_t request;
	struct fuse_file_info fi;
	uint64_t node, lease;
	bool held;
	uint8_t family;
	u128 addr;
	char network[IPAM_NAME_MAX + 1];
};

static int look_block(void *arg, const struct ipam_block_view *v)
{
	const struct create *c = arg;

	return cidr_has(&v->cidr, c->family, c->addr);
}

/* host-local takes EEXIST as 'try the next address': so for one that is held otherwise, and for one of the node's own
 * blocks that can't be leased. Outside them no next one would do either. */
static int refusal(const struct create *c, int error)
{
	bool ours = false;

	if (error == -EADDRNOTAVAIL) {
		ipam_read_begin(c->fs->ipam);
		ours = ipam_each_block(c->fs->ipam, IPAM_NODE, c->node, look_block, (void *)(uintptr_t)c) > 0;
		ipam_read_end(c->fs->ipam);
	}
	return error == -EADDRINUSE || ours ? -EEXIST : error;
}

static void refuse_create(struct create *c, int error)
{
	handle_refused(c->fs, c->request);
	fuse_reply_err(c->req, -refusal(c, error));
}

static void reply_create(struct fs *fs, fuse_req_t req, fuse_ino_t ino, uint64_t request, struct fuse_file_info *fi)
{
	struct fuse_entry_param e = { .ino = ino, .generation = 1 };
	int rc = node_stat(fs, ino, &e.attr);

	if (rc == 0)
		rc = host_local_open(fs, ino, request, fi);
	if (rc < 0) {
		handle_refused(fs, request);
		fuse_reply_err(req, -fs_of_inode(rc));
	} else {
		handle_reply_create(fs, req, &e, fi);
	}
}

/* It is of its network: the file is there. */
static void named(void *arg, int error, const struct ipam_object *object)
{
	struct create *c = arg;

	(void)object;
	if (error == 0)
		reply_create(c->fs, c->req, node_ino(NODE_RESERVATION, c->family, c->lease), c->request, &c->fi);
	else
		refuse_create(c, fs_of_inode(error)); /* ESTALE: removed meanwhile, and the kernel asks anew */
	if (c->held)
		holders_leave(c->fs, c->lease);
	free(c);
}

static void created(void *arg, int error, const struct ipam_object *object)
{
	struct create *c = arg;
	const struct ipam_attribute network = { "network", c->network, strlen(c->network) };

	if (error == 0) {
		notify_inode(c->fs->notify, node_ino(NODE_NODE, 0, c->node));
		c->lease = object->id;
		/* From here on, since its network comes with the next commit. */
		error = fs_of_inode(holders_take(c->fs, c->lease, true, &c->held));
		if (error < 0)
			ipam_drop(c->fs->ipam, c->lease);
	}
	if (error < 0) {
		refuse_create(c, error);
		free(c);
		return;
	}
	ipam_describe(c->fs->ipam, c->lease, &network, 1, false, fs_by_then(c->req), named, c);
}

static void host_local_create(struct fs *fs, fuse_req_t req, struct node_ref parent, const char *name, mode_t mode,
			      const struct fuse_file_info *fi)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct ipam_owner owner = { ctx->uid, ctx->gid, mode & 07777 };
	struct create *c = calloc(1, sizeof *c);
	unsigned range;
	int rc;

	if (c == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*c = (struct create){ .fs = fs, .req = req, .request = wire_current()->unique, .fi = *fi };
	rc = ipam_network_node(fs->ipam, parent.id, &c->node, c->network);
	if (rc == 0 && foreign_last(name, &range)) {
		reply_create(fs, req, node_ino(NODE_LAST, range, parent.id), c->request, &c->fi);
		free(c);
		return;
	}
	if (rc == 0 && !foreign_address(name, &c->family, &c->addr))
		rc = -EPERM; /* nothing else belongs here */
	if (rc < 0) {
		fuse_reply_err(req, -fs_of_inode(rc));
		free(c);
		return;
	}
	if (fs_was_stored(fs)) {
		answer_made(fs, IPAM_LEASE, c->node, name, created, c);
		return;
	}
	ipam_make(fs->ipam, IPAM_LEASE, c->node, name, IPAM_EXCLUSIVE | IPAM_EPHEMERAL | IPAM_ALONE, &owner, fs_by(req), created, c);
}

/* ---- removing, directories ------------------------------------------------------------------------------------ */

static void host_local_unlink(struct fs *fs, struct ipam_by by, struct node_ref parent, const char *name, ipam_done *done, void *arg)
{
	uint64_t lease;
	uint8_t family;
	unsigned range;
	int rc;

	if (strcmp(name, "lock") == 0) {
		done(arg, -EPERM, NULL);
		return;
	}
	if (foreign_last(name, &range)) {
		ipam_network_set_last(fs->ipam, parent.id, range, 0, NULL, done, arg);
		return;
	}
	rc = find(fs, parent.id, name, &family, &lease);
	if (rc < 0)
		done(arg, rc, NULL);
	else
		fs_release_lease(fs, lease, by, done, arg);
}

struct make {
	struct fs *fs;
	fuse_req_t req;
	uint64_t node;
	char name[IPAM_NAME_MAX + 1];
};

static void made(void *arg, int error, const struct ipam_object *object)
{
	struct make *m = arg;
	struct fuse_entry_param e = { .generation = 1 };
	uint64_t id;

	(void)object;
	if (error == 0)
		error = ipam_network_find(m->fs->ipam, m->node, m->name, &id);
	if (error == 0) {
		e.ino = node_ino(NODE_NETWORK, 0, id);
		error = node_stat(m->fs, e.ino, &e.attr);
	}
	if (error < 0)
		fuse_reply_err(m->req, -error);
	else
		fuse_reply_entry(m->req, &e);
	free(m);
}

static void host_local_mkdir(struct fs *fs, fuse_req_t req, struct node_ref parent, const char *name)
{
	struct make *m = strlen(name) > IPAM_NAME_MAX ? NULL : calloc(1, sizeof *m);

	if (m == NULL) {
		fuse_reply_err(req, strlen(name) > IPAM_NAME_MAX ? ENAMETOOLONG : ENOMEM);
		return;
	}
	*m = (struct make){ .fs = fs, .req = req, .node = parent.id };
	strcpy(m->name, name);
	if (fs_was_stored(fs))
		made(m, 0, NULL);
	else
		ipam_network_make(fs->ipam, parent.id, name, fs_by(req), made, m);
}

const struct subtree_ops host_local_ops = {
	.lookup = host_local_lookup,
	.stat = host_local_stat,
	.list = host_local_list,
	.open = host_local_open,
	.store = host_local_store,
	.create = host_local_create,
	.unlink = host_local_unlink,
	.mkdir = host_local_mkdir,
};
