/* control — the table of the files in the .ipam directories. A new file is one row in control.c and one function. */
#ifndef IPAMFS_CONTROL_H
#define IPAMFS_CONTROL_H

#include "fs.h"

struct control {
	enum ipam_kind level;  /* in whose .ipam it stands */
	const char *name;
	bool by_ip;            /* the directory of links */
	bool writable;
	enum ipam_text text;   /* what writing it means */
	/* Its content, generated at open: one consistent picture. kind and id say whose. -ENOENT, -ENOMEM. */
	int (*show)(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
};

extern const struct control control_table[];
extern const unsigned control_rows;
/* The row, or -1. */
int control_find(enum ipam_kind level, const char *name);

int show_version(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_health(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_stats(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_cidrs(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_reserved(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_settings(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_gateway(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_blocks(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_leases(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_json(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
int show_map(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);

#endif
