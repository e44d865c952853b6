#include "fs/tree/file_resume.h"

#include "fs/resume/handle_keep.h"
#include "fs/tree/holders.h"
#include "fs/tree/rendition.h"

#include <stdlib.h>

int file_keep_content(struct fs *fs, struct file *f)
{
	struct keep_slot *s = handle_slot(fs, &f->handle);

	atomic_fetch_or(&s->flags, (f->created ? KEEP_CREATED : 0) | (f->cached ? KEEP_CACHED : 0) | (f->content != NULL ? KEEP_READS : 0) |
					   (f->append ? KEEP_APPENDS : 0));
	return handle_keep_content(fs, &f->handle, &f->kept, f->content, f->size);
}

void file_keep_text(struct fs *fs, struct file *f)
{
	const struct keep_text t = { f->request, f->text_size, f->held, f->next, f->error };

	(void)handle_keep_text(fs, &f->handle, &f->kept, &t, f->text);
}

int file_again(struct fs *fs, struct file *f, const struct keep_slot *s)
{
	struct ipam_object object;
	struct keep_text t = { 0 };
	int rc = 0;

	f->size = s->file.size;
	if (atomic_load(&s->flags) & KEEP_READS)
		rc = handle_content_again(s, f->kept, &f->content);
	if (rc == 0)
		rc = handle_text_again(s, f->kept, &t, &f->text);
	f->request = t.request;
	f->text_size = t.size;
	f->held = t.held;
	f->next = t.next;
	f->error = t.error;
	/* The lease may be gone, refused with what was written to it: then nothing knows its name. */
	if (rc == 0 && f->created && ipam_get(fs->ipam, IPAM_LEASE, f->ref.id, &object) == 0 &&
	    ipam_name(fs->ipam, IPAM_LEASE, f->ref.id, f->name) == 0)
		f->parent = node_of_object(IPAM_NODE, object.parent);
	f->held_lease = atomic_load(&s->holds);
	if (rc == 0 && f->held_lease != 0)
		rc = holders_again(fs, f->held_lease);
	if (rc == 0 && atomic_load(&s->flags) & KEEP_RENDERED)
		rc = renditions_opened(fs->renditions, f->ino, (off_t)f->size, s->changed);
	return rc;
}
