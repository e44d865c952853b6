#include "fs/tree/access.h"

#include <stdlib.h>
#include <string.h>

enum { GROUPS_MAX = 65536 }; /* Linux' NGROUPS_MAX */

int viewer_of(fuse_req_t req, struct viewer *out)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int room = 32, n;

	*out = (struct viewer){ .uid = ctx->uid, .gid = ctx->gid };
	if (ctx->uid == 0)
		return 0;
	/* From /proc: not known of a process in another namespace of pids, whose other groups then don't count. */
	for (;;) {
		gid_t *bigger = reallocarray(out->group, (size_t)room, sizeof *bigger);

		if (bigger == NULL) {
			viewer_free(out);
			return -ENOMEM;
		}
		out->group = bigger;
		n = fuse_req_getgroups(req, room, out->group);
		if (n <= room || room >= GROUPS_MAX)
			break;
		room = n;
	}
	out->groups = n < 0 ? 0 : (size_t)(n < room ? n : room);
	return 0;
}

void viewer_free(struct viewer *v)
{
	free(v->group);
	v->group = NULL;
	v->groups = 0;
}

bool viewer_same(const struct viewer *a, const struct viewer *b)
{
	if (a->uid == 0 && b->uid == 0)
		return true;
	return a->uid == b->uid && a->gid == b->gid && a->groups == b->groups &&
	       (a->groups == 0 || memcmp(a->group, b->group, a->groups * sizeof *a->group) == 0);
}

/* As viewer_same: root is root, whatever his groups. */
char *viewer_key(const struct viewer *v, size_t *size)
{
	size_t groups = v->uid == 0 ? 0 : v->groups, ids = sizeof v->uid + (v->uid == 0 ? 0 : sizeof v->gid);
	char *key = malloc(ids + groups * sizeof *v->group);

	if (key == NULL)
		return NULL;
	memcpy(key, &v->uid, sizeof v->uid);
	if (v->uid != 0)
		memcpy(key + sizeof v->uid, &v->gid, sizeof v->gid);
	if (groups > 0)
		memcpy(key + ids, v->group, groups * sizeof *v->group);
	*size = ids + groups * sizeof *v->group;
	return key;
}

static bool in_group(const struct viewer *v, gid_t gid)
{
	for (size_t i = 0; i < v->groups; i++)
		if (v->group[i] == gid)
			return true;
	return v->gid == gid;
}

bool viewer_may(void *viewing, const struct ipam_attr *node, unsigned bits)
{
	const struct viewing *viewing_of = viewing;
	const struct ipam_object object = { .kind = IPAM_NODE, .attr = *node };
	const struct viewer *v = viewing_of->viewer;
	struct stat st;
	mode_t has;

	if (v->uid == 0)
		return true;
	node_stat_object(viewing_of->fs, &object, &st);
	has = v->uid == st.st_uid ? st.st_mode >> 6 : in_group(v, st.st_gid) ? st.st_mode >> 3 : st.st_mode;
	return (has & bits) == bits;
}

bool viewer_sees(const struct fs *fs, const struct viewer *v, const struct ipam_attr *attr)
{
	return viewer_may(&(struct viewing){ fs, v }, attr, 5);
}

mode_t viewer_classes(mode_t mode, unsigned bits)
{
	return (mode >> 2 & mode & 0111) * bits;
}

bool viewer_sees_node(struct fs *fs, const struct viewer *v, uint64_t node)
{
	struct ipam_object object;

	return v->uid == 0 || (ipam_get(fs->ipam, IPAM_NODE, node, &object) == 0 && viewer_sees(fs, v, &object.attr));
}

int viewer_check_link(struct fs *fs, fuse_req_t req, struct node_ref ref)
{
	struct ipam_object lease;
	struct viewer v;
	int rc;

	if (ref.type != NODE_ADDRESS || fuse_req_ctx(req)->uid == 0)
		return 0;
	rc = ipam_get(fs->ipam, IPAM_LEASE, ref.id, &lease);
	if (rc == 0)
		rc = viewer_of(req, &v);
	if (rc < 0)
		return rc;
	rc = viewer_sees_node(fs, &v, lease.parent) ? 0 : -EACCES;
	viewer_free(&v);
	return rc;
}
