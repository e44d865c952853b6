/* map_text — map.txt: how full it is, as a picture for the terminal, at most 100 columns wide. */
#ifndef IPAMFS_MAP_TEXT_H
#define IPAMFS_MAP_TEXT_H

#include "fs/fs.h"

struct buffer;

int show_map(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);

#endif
