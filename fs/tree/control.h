/* control — the table of the files in the .ipam directories. A new file is one row in process/routes.c and one function. */
#ifndef IPAMFS_CONTROL_H
#define IPAMFS_CONTROL_H

#include "fs/tree/inode.h"

#include <stdatomic.h>

struct report_wish;
struct spool;

enum control_directory {
	CONTROL_FILE,       /* none */
	CONTROL_BY_IP,      /* links to the leases */
	CONTROL_EPHEMERAL,  /* leases that last while they are open */
	CONTROL_HOST_LOCAL, /* host-local's dataDir */
	CONTROL_METRICS,    /* what Prometheus' node_exporter reads */
};

/* How long what it shows gets: with what there is. */
enum control_grows {
	CONTROL_SMALL,
	CONTROL_PICTURE, /* up to some megabytes, whatever there is */
	CONTROL_BY_NODES,
	CONTROL_BY_LEASES,
	CONTROL_ASKS, /* it asks others, so that only an open makes it */
};

struct control {
	enum ipam_kind level; /* in whose .ipam it stands */
	const char *name;
	enum control_directory in; /* one that is a directory of that kind; CONTROL_FILE: in .ipam itself */
	enum control_directory directory;
	bool writable;
	bool tells;   /* of the leases in the node: to be read by whom its directory lets list it and look into it */
	bool reaches; /* into nodes: what it may do there goes by who opened it (tree/access.h) */
	enum control_grows grows;
	bool ages;           /* it tells of this moment: what was read is old, though nothing changed */
	bool names;          /* what is written names something else: that this is gone is no fault of the file */
	bool makes;          /* nodes or leases: to be written by whom the directory allows to make some */
	enum ipam_text text; /* what writing it means */
	file_store *store;   /* or this, where it means more than a change of text */
	/* or it is opened in a way of its own: 0, with fi filled in. */
	int (*open)(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi);
	/* Its content, generated at open: one consistent picture. kind and id say whose. -ENOENT, -ENOMEM. */
	int (*show)(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);
	/* The same where it may be long (control/report.h). */
	int (*report)(struct fs *fs, const struct report_wish *wish, atomic_bool *stop, struct spool *out);
};

/* What a node id of a control file or directory is: CONTROL_FILE for anything else. */
enum control_directory control_directory(const struct fs *fs, struct node_ref ref);
/* The row, or -1. */
int control_find(const struct fs *fs, enum ipam_kind level, enum control_directory in, const char *name);
/* Whether its content is made for who reads it (control/generated.h). */
bool control_generated(const struct fs *fs, struct node_ref ref);
/* What such a one tells of was changed then: nanoseconds since the epoch. -ENOENT */
int control_changed(struct fs *fs, unsigned row, uint64_t id, int64_t *out);

/* What the tree asks of those whose content is made. */
struct generated_ops {
	/* Answer an open, to read it. */
	void (*open)(struct fs *fs, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
	/* It is to be written: whether the open must be answered with ESTALE, since who writes has a node id that no reader has. */
	bool (*writer)(struct fs *fs, fuse_req_t req, fuse_ino_t ino);
};

#endif
