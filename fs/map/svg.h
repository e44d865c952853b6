/* svg — map.svg: how full it is, as a picture for the browser. No script, nothing from elsewhere, one style sheet. */
#ifndef IPAMFS_SVG_H
#define IPAMFS_SVG_H

#include "fs/fs.h"

struct buffer;

int show_map_svg(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);

#endif
