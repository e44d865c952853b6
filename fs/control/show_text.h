/* show_text — the small files: what is set, what is where. */
#ifndef IPAMFS_SHOW_TEXT_H
#define IPAMFS_SHOW_TEXT_H

#include "fs/fs.h"

struct buffer;

int show_version(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_health(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_stats(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_cidrs(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_labels(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_reserved(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_settings(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_gateway(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_blocks(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_audit(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);

#endif
