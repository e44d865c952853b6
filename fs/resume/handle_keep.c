#include "fs/resume/handle_keep.h"

#include "fs/fs.h"

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

static int make_file(struct fs *fs, const struct handle *h, int *file)
{
	int rc;

	if (*file >= 0)
		return 0;
	*file = memfd_create("open", MFD_CLOEXEC);
	if (*file < 0)
		return -errno;
	rc = handle_hold(fs, h, *file, wire_current()->uid);
	if (rc < 0) {
		close(*file);
		*file = -1;
	}
	return rc;
}

/* size bytes of data in the slot, or where they are too long for that in the file. */
static int put(struct fs *fs, const struct handle *h, int *file, char *inside, size_t room, off_t at, const char *data, size_t size)
{
	int rc;

	if (size <= room) {
		if (size > 0)
			memcpy(inside, data, size);
		return 0;
	}
	rc = make_file(fs, h, file);
	while (rc == 0 && size > 0) {
		ssize_t n = pwrite(*file, data, size, at);

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

static int get(int file, const char *inside, size_t room, off_t at, size_t size, char **out)
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
		ssize_t n = file < 0 ? -1 : pread(file, *out + have, size - have, at + (off_t)have);

		if (n <= 0)
			return -EIO;
		have += (size_t)n;
	}
	(*out)[size] = 0;
	return 0;
}

int handle_keep_content(struct fs *fs, const struct handle *h, int *file, const char *content, size_t size)
{
	struct keep_slot *s = handle_slot(fs, h);

	s->file.size = size;
	atomic_store(&s->file.which, 0);
	s->file.text[0] = (struct keep_text){ 0 };
	return put(fs, h, file, s->file.content, KEEP_CONTENT, 0, content, size);
}

int handle_keep_text(struct fs *fs, const struct handle *h, int *file, const struct keep_text *t, const char *text)
{
	struct keep_slot *s = handle_slot(fs, h);
	uint32_t which = atomic_load(&s->file.which) ^ 1;
	int rc;

	s->file.text[which] = *t;
	rc = put(fs, h, file, s->file.body[which], KEEP_TEXT, text_at(which), text, t->size);
	if (rc == 0)
		atomic_store(&s->file.which, which);
	return rc;
}

int handle_content_again(const struct keep_slot *s, int file, char **content)
{
	return get(file, s->file.content, KEEP_CONTENT, 0, s->file.size, content);
}

int handle_text_again(const struct keep_slot *s, int file, struct keep_text *t, char **text)
{
	uint32_t which = atomic_load(&s->file.which);

	*t = s->file.text[which];
	return get(file, s->file.body[which], KEEP_TEXT, text_at(which), t->size, text);
}
