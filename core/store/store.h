/* store — the SQLite side: opens, locks, loads and changes the database.
 *
 * One thread at a time: the opener's, then whichever runs a batch. Errors are negative errnos: -EUCLEAN a constraint refused
 * the row (that statement had no effect, the transaction stands), -ENOSPC disk full, -EROFS, -EIO and others (the
 * transaction is to be rolled back).
 */
#ifndef IPAM_STORE_STORE_H
#define IPAM_STORE_STORE_H

#include "ipam.h"

struct store;

/* See ipam_open. Takes the lock that keeps a second daemon out, and keeps it until store_close. */
int store_open(const char *path, const struct ipam_options *options, struct store **out, struct ipam_error *error);
void store_close(struct store *s); /* folds the log back, where that may be trusted; NULL is fine */
void store_leave(struct store *s); /* closes, and leaves the log to the next who opens it */
/* Its name without links. */
const char *store_path(const struct store *s);
/* Of the last error: a sentence. */
const char *store_message(struct store *s);
/* Transactions of the log that was found when it was opened, behind a place that can't be read: they are lost. */
unsigned store_lost(const struct store *s);
/* Nothing is stored any more until it is opened anew. */
bool store_broken(const struct store *s);

struct store_rest {
	uint64_t cluster;
	uint8_t family;
	u128 addr;
	int64_t until;
	uint64_t block; /* in memory: the block in which it keeps the address's slot; 0: in none */
};

/* For reading alone, without a lock: while another has it open. -ENOTSUP: of another version. */
int store_open_ahead(const char *path, struct store **out, struct ipam_error *error);

/* One batch: begin, statements, commit or rollback. What has been committed since the last one that survives loss of power
 * survives with the next one that does. */
enum store_sync {
	STORE_NORMAL,    /* survives a crash of the process */
	STORE_AS_OPENED, /* as the options say */
	STORE_FULL,      /* survives loss of power */
};
int store_begin(struct store *s, enum store_sync sync);
/* Write something that changes nothing, for the sake of the sync. */
int store_touch(struct store *s);
int store_commit(struct store *s);
void store_rollback(struct store *s);
/* A change of several statements, all or none: save, statements, then keep (undo = false) or undo them. */
int store_save(struct store *s);
int store_unsave(struct store *s, bool undo);

int store_put_next_id(struct store *s, uint64_t next_id);
int store_put_boot(struct store *s, uint64_t id, const char *boot_id);

int store_add_cluster(struct store *s, uint64_t id, const char *name, const struct ipam_attr *a);
int store_rename_cluster(struct store *s, uint64_t id, const char *name);
int store_delete_cluster(struct store *s, uint64_t id);
int store_delete_cidrs(struct store *s, uint64_t cluster);
int store_add_cidr(struct store *s, uint64_t cluster, size_t position, const struct cidr *cidr, unsigned node_mask,
		   const char *selector); /* or NULL */
int store_delete_reserved(struct store *s, uint64_t cluster);
int store_add_reserved(struct store *s, uint64_t cluster, size_t position, const struct ipam_reserved *r);

int store_add_node(struct store *s, uint64_t id, uint64_t cluster, const char *name, const struct ipam_attr *a);
int store_rename_node(struct store *s, uint64_t id, const char *name);
int store_delete_node(struct store *s, uint64_t id);
/* These instead of what it has: canonical (label.h), or NULL. */
int store_put_labels(struct store *s, uint64_t node, const char *labels);
int store_add_block(struct store *s, uint64_t id, uint64_t cluster, uint64_t node, const struct cidr *cidr);
int store_delete_block(struct store *s, uint64_t id);
int store_put_given(struct store *s, uint64_t block, unsigned family, u128 addr, uint64_t lease);

struct store_lease {
	uint64_t id, cluster, node, boot;
	const char *name;
	bool has[CIDR_FAMILIES];
	u128 addr[CIDR_FAMILIES];
	struct ipam_attr attr;
	uint32_t generation;
	bool ephemeral;
};
int store_add_lease(struct store *s, const struct store_lease *l);
int store_rename_lease(struct store *s, uint64_t id, const char *name, int64_t ctime);
int store_delete_lease(struct store *s, uint64_t id);
/* Addresses, times and generation. */
int store_put_lease(struct store *s, const struct store_lease *l);
int store_put_times(struct store *s, uint64_t lease, const struct ipam_attr *a, uint32_t generation);
int store_delete_xattrs(struct store *s, uint64_t lease);
int store_add_xattr(struct store *s, uint64_t lease, const char *name, const void *value, size_t size);

/* The columns that `which` (IPAM_SET_*) names, and ctime. */
int store_put_attr(struct store *s, enum ipam_kind kind, uint64_t id, unsigned which, const struct ipam_attr *a);
int store_put_setting(struct store *s, uint64_t owner, enum ipam_setting setting, uint64_t value);
int store_delete_settings(struct store *s, uint64_t owner);
int store_put_rest(struct store *s, const struct store_rest *rest);
int store_delete_rest(struct store *s, const struct store_rest *rest);
/* Let one that goes on for longer end then. */
int store_shorten_rest(struct store *s, const struct store_rest *rest);

int store_describe_lease(struct store *s, uint64_t id, bool keep, int64_t ctime, uint32_t generation);
int store_put_xattr(struct store *s, uint64_t lease, const char *name, const void *value, size_t size);

int store_add_network(struct store *s, uint64_t id, uint64_t node, const char *name);
int store_delete_network(struct store *s, uint64_t id);
int store_put_last(struct store *s, uint64_t network, unsigned range, unsigned family, u128 addr);
int store_delete_last(struct store *s, uint64_t network, unsigned range);

/* The texts that it is to be found by, one a family, or NULL. */
int store_add_history(struct store *s, uint64_t number, int64_t time, const struct ipam_event *event,
		      const char *const address[CIDR_FAMILIES]);
/* Of the oldest so many rows, remove those up to the last from before the time: how many. One that says a later time, since the clock was
 * ahead then, is as old as those behind it. */
int store_trim_history(struct store *s, unsigned rows, int64_t before);

#endif
