#include "fs/tree/forget.h"

#include "fs/resume/invalidate.h"
#include "fs/tree/inode.h"

#include <errno.h>
#include <stdlib.h>

void fs_forget(struct fs *fs, enum ipam_kind kind, uint64_t parent, uint64_t id)
{
	enum ipam_kind above = kind == IPAM_LEASE ? IPAM_NODE : kind == IPAM_NODE ? IPAM_CLUSTER : IPAM_ROOT;

	if (id != 0)
		notify_inode(fs->notify, node_of_object(kind, id));
	notify_inode(fs->notify, node_of_object(above, parent));
}

void fs_forget_lease(struct fs *fs, uint64_t node, uint64_t lease)
{
	notify_inode(fs->notify, node_of_object(IPAM_LEASE, lease));
	notify_inode(fs->notify, node_of_object(IPAM_NODE, node));
}

struct release {
	struct fs *fs;
	uint64_t lease, node;
	ipam_done *done;
	void *arg;
};

/* Who asked hears of it once the kernel knows, so that the file he looks at next is gone. */
static void released(void *arg, int error, const struct ipam_object *object)
{
	struct release *r = arg;

	(void)object;
	if (error == 0)
		fs_forget_lease(r->fs, r->node, r->lease);
	r->done(r->arg, error, NULL);
	free(r);
}

void fs_release_unchanged(struct fs *fs, uint64_t lease, uint32_t generation, bool unused, struct ipam_by by, ipam_done *done, void *arg)
{
	struct release *r = calloc(1, sizeof *r);
	struct ipam_object object;
	int rc = r == NULL ? -ENOMEM : ipam_get(fs->ipam, IPAM_LEASE, lease, &object);

	if (rc < 0) {
		done(arg, rc, NULL);
		free(r);
		return;
	}
	*r = (struct release){ fs, lease, object.parent, done, arg };
	ipam_release(fs->ipam, lease, generation, unused, by, released, r);
}

void fs_release_lease(struct fs *fs, uint64_t lease, struct ipam_by by, ipam_done *done, void *arg)
{
	fs_release_unchanged(fs, lease, 0, false, by, done, arg);
}

void answer_made(struct fs *fs, enum ipam_kind kind, uint64_t parent, const char *name, ipam_done *done, void *arg)
{
	struct ipam_object object;
	int rc = ipam_lookup(fs->ipam, kind, parent, name, &object);

	object.created = true;
	done(arg, fs_of_inode(rc), &object);
}
