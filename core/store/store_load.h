/* store_load — the database's content, read into a registry. */
#ifndef IPAM_STORE_STORE_LOAD_H
#define IPAM_STORE_STORE_LOAD_H

#include <stddef.h>
#include <stdint.h>

struct ipam_error;
struct ipam_touched;
struct registry;
struct store;
struct store_rest;

/* What a load hands out besides the registry. */
struct store_loaded {
	uint64_t next_id;
	struct store_rest *rest; /* the caller's to free */
	size_t rests;
	uint64_t next_history;
	int64_t last_event; /* when it was, 0: there is none */
};
/* Fill an empty registry: -EUCLEAN where the rows contradict each other, -ENOMEM, -EIO. */
int store_load(struct store *s, struct registry *r, struct store_loaded *loaded, struct ipam_error *error);

/* A registry that was loaded from this file before: read again what was changed since. As store_load. */
int store_catch_up(struct store *s, struct registry *r, const struct ipam_touched *touched, struct store_loaded *loaded,
		   struct ipam_error *error);

#endif
