/* file_write — writing to what is open: what comes in several writes is gathered, and each write tried at once. */
#ifndef IPAMFS_FILE_WRITE_H
#define IPAMFS_FILE_WRITE_H

#include "fs/fs.h"
#include "fs/resume/handle.h"

/* Its handle_ops' write, flush, and release, whose answer nobody waits for; and what writing to a lease means. */
void file_write(struct fs *fs, fuse_req_t req, struct handle *h, const char *buf, size_t size, off_t off);
void file_flush(struct fs *fs, fuse_req_t req, struct handle *h);
void file_release(struct fs *fs, fuse_req_t req, struct handle *h);
file_store file_store_lease;
/* Bytes at the end of a text that wait for the rest of their line, after a write of so many to it. */
size_t fs_cut_line(const char *text, size_t n, size_t written);

#endif
