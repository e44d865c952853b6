/* file_resume — what of an open file outlives the worker. It has its slot. */
#ifndef IPAMFS_FILE_RESUME_H
#define IPAMFS_FILE_RESUME_H

#include "fs/tree/file.h"

/* At open: -ENOMEM, -ENFILE and the like. */
int file_keep_content(struct fs *fs, struct file *f);
/* After a write, with f->request. What can't be kept is lost only if the worker is, too: it is no reason to refuse. */
void file_keep_text(struct fs *fs, struct file *f);
/* From its slot; f->kept is the slot's file. -ENOMEM, -EIO. */
int file_again(struct fs *fs, struct file *f, const struct keep_slot *s);

#endif
