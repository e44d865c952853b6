#include "fs/tree/xattr.h"

#include "fs/base/buffer.h"
#include "fs/base/foreign.h"
#include "fs/tree/inode.h"
#include "fs/tree/removed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define USER "user."
#define OURS "user.ipam."
#define SEVERAL "user.ipam.attributes" /* to be set, not to be read */

enum { SEVERAL_MAX = 64 };

static void join(struct buffer *b, unsigned family, u128 addr, int len)
{
	char text[CIDR_TEXT];

	if (len >= 0)
		cidr_print(&(struct cidr){ addr, (uint8_t)family, (uint8_t)len }, text);
	else
		cidr_print_addr(family, addr, text);
	buffer_print(b, "%s%s", b->size > 0 ? " " : "", text);
}

/* What is derived from the lease; -ENODATA for other names. */
static int show(struct fs *fs, uint64_t lease, const char *name, struct buffer *b)
{
	struct ipam_lease_info info;
	char node[IPAM_NAME_MAX + 1];
	int rc = ipam_lease(fs->ipam, lease, &info);

	if (rc < 0)
		return rc;
	if (strcmp(name, "address") == 0 || strcmp(name, "gateway") == 0) {
		bool gateway = name[0] == 'g';

		for (unsigned f = 0; f < CIDR_FAMILIES; f++)
			if (info.has[f] && (!gateway || info.has_gateway[f]))
				join(b, f, gateway ? info.gateway[f] : info.addr[f], gateway ? -1 : info.len[f]);
		if (b->size == 0)
			return -ENODATA;
	} else if (strcmp(name, "created") == 0) {
		buffer_time(b, info.object.attr.btime);
	} else if (strcmp(name, "node") == 0) {
		rc = ipam_name(fs->ipam, IPAM_NODE, info.node, node);
		if (rc == 0)
			buffer_print(b, "%s", node);
	} else if (strcmp(name, "boot-id") == 0) {
		buffer_print(b, "%s", info.boot_id);
	} else if (strcmp(name, "generation") == 0) {
		buffer_print(b, "%u", info.generation);
	} else {
		return -ENODATA;
	}
	return rc < 0 ? rc : b->failed ? -ENOMEM : 0;
}

/* What was removed and is open still has none. */
static int of_removed(struct fs *fs, fuse_ino_t ino, int rc, int none)
{
	struct stat st;

	return rc == -ENOENT && removed_stat(fs, ino, &st) == 0 ? none : rc;
}

static void reply_data(fuse_req_t req, const char *data, size_t have, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, have);
	else if (have > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, data, have);
}

static void described(void *arg, int error, const struct ipam_object *object)
{
	(void)object;
	fuse_reply_err(arg, -fs_of_inode(error));
}

/* Several attributes in one durable step, from which on an ephemeral lease lasts: "NAME=VALUE", each with a NUL behind it,
 * names without "user.". */
static void set_several(struct fs *fs, fuse_req_t req, uint64_t lease, const char *value, size_t size)
{
	struct ipam_attribute list[SEVERAL_MAX];
	char *copy = malloc(size + 1);
	size_t n = 0;
	int rc = -ENOMEM;

	if (copy != NULL) {
		memcpy(copy, value, size);
		copy[size] = 0;
		rc = foreign_attributes(copy, size, list, SEVERAL_MAX, &n);
	}
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		ipam_describe(fs->ipam, lease, list, n, true, fs_by(req), described, req);
	free(copy);
}

/* May this attribute be set? Its name without "user." is given. */
static int settable(struct node_ref ref, const char *name, const char **rest)
{
	if (ref.type != NODE_LEASE)
		return strncmp(name, USER, strlen(USER)) == 0 ? -EPERM : -EOPNOTSUPP;
	if (strncmp(name, OURS, strlen(OURS)) == 0)
		return -EPERM;
	if (strncmp(name, USER, strlen(USER)) != 0)
		return -EOPNOTSUPP;
	*rest = name + strlen(USER);
	return 0;
}

/* Who restores a file sets what it had, and what is so already isn't refused. */
static bool is_so(struct fs *fs, struct node_ref ref, const char *name, const char *value, size_t size)
{
	struct buffer b = { 0 };
	bool so = ref.type == NODE_LEASE && strncmp(name, OURS, strlen(OURS)) == 0 && show(fs, ref.id, name + strlen(OURS), &b) == 0 &&
		  b.size == size && memcmp(b.data, value, size) == 0;

	free(b.data);
	return so;
}

/* A worker before may have set it, which left no trace but this. */
static bool is_set(struct fs *fs, uint64_t lease, const char *name, const char *value, size_t size)
{
	char has[IPAM_XATTR_BUDGET];
	int n = ipam_xattr_get(fs->ipam, lease, name, has, sizeof has);

	return n >= 0 && (size_t)n == size && memcmp(has, value, size) == 0;
}

void fs_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	struct fs *fs = fs_of(req, FS_setxattr);
	struct node_ref ref = node_ref(ino);
	int rc;

	if (ref.type == NODE_LEASE && strcmp(name, SEVERAL) == 0 && fs_was_stored(fs)) {
		described(req, 0, NULL);
		return;
	}
	if (ref.type == NODE_LEASE && strcmp(name, SEVERAL) == 0) {
		set_several(fs, req, ref.id, value, size);
		return;
	}
	if (is_so(fs, ref, name, value, size)) {
		fuse_reply_err(req, 0);
		return;
	}
	rc = settable(ref, name, &name);
	if (rc == 0)
		rc = ipam_xattr_set(fs->ipam, ref.id, name, value, size, flags, fs_by(req));
	if (rc == -EEXIST && wire_current()->again && is_set(fs, ref.id, name, value, size))
		rc = 0;
	fuse_reply_err(req, -fs_of_inode(rc));
}

void fs_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct fs *fs = fs_of(req, FS_removexattr);
	struct node_ref ref = node_ref(ino);
	int rc = settable(ref, name, &name);

	if (rc == 0)
		rc = ipam_xattr_remove(fs->ipam, ref.id, name, fs_by(req));
	if (rc == -ENODATA && wire_current()->again) /* it is as it was to be, whoever did it */
		rc = 0;
	fuse_reply_err(req, -fs_of_inode(rc));
}

void fs_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct fs *fs = fs_of(req, FS_getxattr);
	struct node_ref ref = node_ref(ino);
	struct buffer b = { 0 };
	char value[IPAM_XATTR_BUDGET];
	int rc = -ENODATA;

	if (ref.type == NODE_LEASE && strncmp(name, OURS, strlen(OURS)) == 0) {
		rc = show(fs, ref.id, name + strlen(OURS), &b);
		if (rc == 0)
			reply_data(req, b.data, b.size, size);
	} else if (ref.type == NODE_LEASE && strncmp(name, USER, strlen(USER)) == 0) {
		rc = ipam_xattr_get(fs->ipam, ref.id, name + strlen(USER), value, sizeof value);
		if (rc >= 0)
			reply_data(req, value, (size_t)rc, size);
	}
	rc = of_removed(fs, ino, rc, -ENODATA);
	if (rc < 0)
		fuse_reply_err(req, -fs_of_inode(rc));
	free(b.data);
}

void fs_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct fs *fs = fs_of(req, FS_listxattr);
	struct node_ref ref = node_ref(ino);
	char own[2 * IPAM_XATTR_BUDGET];
	struct buffer b = { 0 };
	int n = 0;

	/* Not ours: whoever copies or restores a file sets what is listed. */
	if (ref.type == NODE_LEASE)
		n = of_removed(fs, ino, ipam_xattr_list(fs->ipam, ref.id, own, sizeof own), 0);
	for (const char *name = own; n > 0 && name < own + n; name += strlen(name) + 1) {
		buffer_print(&b, USER "%s", name);
		buffer_add(&b, "", 1);
	}
	if (n < 0 || b.failed)
		fuse_reply_err(req, n < 0 ? -fs_of_inode(n) : ENOMEM);
	else
		reply_data(req, b.data, b.size, size);
	free(b.data);
}
