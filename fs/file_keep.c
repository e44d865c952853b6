/* What of an open file outlives the worker: in its slot, or where it is long in a file that the supervisor holds. */
#include "file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* In the file: content at its beginning, and the two texts far behind it, with a hole between. */
static off_t text_at(uint32_t which)
{
	return (off_t)(which + 1) << 40;
}

static int keep_file(struct fs *fs, struct file *f)
{
	int rc;

	if (f->kept >= 0)
		return 0;
	f->kept = memfd_create("open", MFD_CLOEXEC);
	rc = f->kept < 0 ? -errno : keep_hold(fs->keep, f->handle.slot, f->kept);
	if (rc == 0)
		atomic_fetch_or(&handle_slot(fs, &f->handle)->flags, KEEP_BIG);
	return rc;
}

/* size bytes of data in the slot, or where they are too long for that in the file. */
static int keep_bytes(struct fs *fs, struct file *f, char *inside, size_t room, off_t at, const char *data, size_t size)
{
	int rc;

	if (size <= room) {
		if (size > 0)
			memcpy(inside, data, size);
		return 0;
	}
	rc = keep_file(fs, f);
	while (rc == 0 && size > 0) {
		ssize_t n = pwrite(f->kept, data, size, at);

		if (n < 0) {
			rc = -errno;
		} else {
			data += n;
			size -= (size_t)n;
			at += n;
		}
	}
	return rc;
}

int file_keep_content(struct fs *fs, struct file *f)
{
	struct keep_slot *s = handle_slot(fs, &f->handle);

	atomic_fetch_or(&s->flags, (f->created ? KEEP_CREATED : 0) | (f->cached ? KEEP_CACHED : 0) | (f->content != NULL ? KEEP_READS : 0) |
					   (f->append ? KEEP_APPENDS : 0));
	s->file.size = f->size;
	atomic_store(&s->file.which, 0);
	s->file.text[0] = (struct keep_text){ 0 };
	return keep_bytes(fs, f, s->file.content, KEEP_CONTENT, 0, f->content, f->size);
}

void file_keep_text(struct fs *fs, struct file *f)
{
	struct keep_slot *s = handle_slot(fs, &f->handle);
	uint32_t which = atomic_load(&s->file.which) ^ 1;

	s->file.text[which] = (struct keep_text){ f->request, f->text_size, f->held, f->next, f->error };
	if (keep_bytes(fs, f, s->file.body[which], KEEP_TEXT, text_at(which), f->text, f->text_size) == 0)
		atomic_store(&s->file.which, which);
}

static int again_bytes(const struct file *f, const char *inside, size_t room, off_t at, size_t size, char **out)
{
	size_t have = 0;

	*out = malloc(size + 1);
	if (*out == NULL)
		return -ENOMEM;
	if (size <= room) {
		memcpy(*out, inside, size);
		have = size;
	}
	while (have < size) {
		ssize_t n = f->kept < 0 ? -1 : pread(f->kept, *out + have, size - have, at + (off_t)have);

		if (n <= 0)
			return -EIO;
		have += (size_t)n;
	}
	(*out)[size] = 0;
	return 0;
}

int file_again(struct fs *fs, struct file *f, const struct keep_slot *s)
{
	uint32_t which = atomic_load(&s->file.which);
	const struct keep_text *t = &s->file.text[which];
	struct ipam_object object;
	int rc = 0;

	f->size = s->file.size;
	if (atomic_load(&s->flags) & KEEP_READS)
		rc = again_bytes(f, s->file.content, KEEP_CONTENT, 0, f->size, &f->content);
	f->request = t->request;
	f->text_size = t->size;
	f->held = t->held;
	f->next = t->next;
	f->error = t->error;
	if (rc == 0)
		rc = again_bytes(f, s->file.body[which], KEEP_TEXT, text_at(which), f->text_size, &f->text);
	/* The lease may be gone, refused with what was written to it: then nothing knows its name. */
	if (rc == 0 && f->created && ipam_get(fs->ipam, IPAM_LEASE, f->ref.id, &object) == 0 &&
	    ipam_name(fs->ipam, IPAM_LEASE, f->ref.id, f->name) == 0)
		f->parent = node_of_object(IPAM_NODE, object.parent);
	f->held_lease = atomic_load(&s->holds);
	if (rc == 0 && f->held_lease != 0)
		rc = holders_again(fs, f->held_lease);
	return rc;
}
