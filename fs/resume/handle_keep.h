/* handle_keep — what of an open file outlives the worker: in its slot, or where it is long in a file that the supervisor holds. */
#ifndef IPAMFS_HANDLE_KEEP_H
#define IPAMFS_HANDLE_KEEP_H

#include "fs/resume/handle.h"

/* Of those that are read or written as a text. *file: what is long goes there, -1
 * none yet; the caller's to close. -ENOMEM and the like. A text is there whole or not at all, with what t says of it. */
int handle_keep_content(struct fs *fs, const struct handle *h, int *file, const char *content, size_t size);
int handle_keep_text(struct fs *fs, const struct handle *h, int *file, const struct keep_text *t, const char *text);
/* The same from its slot: the memory is the caller's. -ENOMEM, -EIO. */
int handle_content_again(const struct keep_slot *s, int file, char **content);
int handle_text_again(const struct keep_slot *s, int file, struct keep_text *t, char **text);

#endif
