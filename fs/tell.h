/* tell — when a worker takes over: what the one before it was to tell the kernel, and may not have. */
#ifndef IPAMFS_TELL_H
#define IPAMFS_TELL_H

struct fs;

void tell_again(struct fs *fs);

#endif
