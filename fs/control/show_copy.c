#include "fs/control/show_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PORTION = 128, /* leases: what a change may have to wait for */
	CHUNK = 256 * 1024,
	ALIGN = 16,
};

/* Memory that is freed all at once, but for the last chunk, which is used again. */
struct chunk {
	struct chunk *next;
	size_t used;
	_Alignas(ALIGN) char data[CHUNK];
};

struct copies {
	struct lease_copy *first, **tail;
	struct chunk *chunk;
};

static void *take(struct copies *c, size_t size)
{
	struct chunk *chunk = c->chunk;

	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (chunk == NULL || size > CHUNK - chunk->used) {
		chunk = malloc(sizeof *chunk); /* a lease with its names and attributes is far smaller */
		if (chunk == NULL)
			return NULL;
		chunk->next = c->chunk;
		chunk->used = 0;
		c->chunk = chunk;
	}
	chunk->used += size;
	return chunk->data + chunk->used - size;
}

static const char *take_text(struct copies *c, const char *s, size_t size)
{
	char *out = take(c, size + 1);

	if (out != NULL) {
		memcpy(out, s, size);
		out[size] = 0;
	}
	return out;
}

/* The names of what many leases have in common are copied once, since leases come node by node. */
static const char *take_common(struct copies *c, const char *s, const char *last)
{
	return last != NULL && strcmp(s, last) == 0 ? last : take_text(c, s, strlen(s));
}

static int copy_attributes(struct copies *c, const struct ipam_lease_view *v, struct lease_copy *l)
{
	struct ipam_attribute a;
	const void *at = NULL;
	size_t n = 0;

	while ((at = ipam_next_xattr(v, at, &a)) != NULL)
		n++;
	l->attribute = n == 0 ? NULL : take(c, n * sizeof *l->attribute);
	if (n > 0 && l->attribute == NULL)
		return -ENOMEM;
	while ((at = ipam_next_xattr(v, at, &a)) != NULL) {
		struct ipam_attribute *to = &l->attribute[l->attributes++];

		*to = (struct ipam_attribute){ take_text(c, a.name, strlen(a.name)), take_text(c, a.value, a.size), a.size };
		if (to->name == NULL || to->value == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int copy(void *arg, const struct ipam_lease_view *v)
{
	struct copies *c = arg;
	const struct lease_copy *last =
		c->first == NULL ? NULL : (struct lease_copy *)((char *)c->tail - offsetof(struct lease_copy, next));
	struct lease_copy *l = take(c, sizeof *l);

	if (l == NULL)
		return -ENOMEM;
	*l = (struct lease_copy){ .view = *v };
	l->view.lease = NULL;
	l->view.name = take_text(c, v->name, strlen(v->name));
	l->view.node_name = take_common(c, v->node_name, last != NULL ? last->view.node_name : NULL);
	l->view.cluster_name = take_common(c, v->cluster_name, last != NULL ? last->view.cluster_name : NULL);
	l->view.boot_id = take_common(c, v->boot_id, last != NULL ? last->view.boot_id : NULL);
	if (l->view.name == NULL || l->view.node_name == NULL || l->view.cluster_name == NULL || l->view.boot_id == NULL)
		return -ENOMEM;
	if (copy_attributes(c, v, l) < 0)
		return -ENOMEM;
	*c->tail = l;
	c->tail = &l->next;
	return 0;
}

static void reset(struct copies *c)
{
	while (c->chunk != NULL && c->chunk->next != NULL) {
		struct chunk *next = c->chunk->next;

		free(c->chunk);
		c->chunk = next;
	}
	if (c->chunk != NULL)
		c->chunk->used = 0;
	c->first = NULL;
	c->tail = &c->first;
}

struct wanting {
	const struct fs *fs;
	const struct viewer *viewer;
};

static bool wanted(void *arg, const struct ipam_node_view *node)
{
	const struct wanting *w = arg;

	return viewer_sees(w->fs, w->viewer, &node->attr);
}

int copies_each(struct fs *fs, enum ipam_kind kind, uint64_t id, const struct viewer *viewer, atomic_bool *stop,
		int (*fn)(void *arg, const struct lease_copy *l), void *arg)
{
	struct wanting w = { fs, viewer };
	/* Who opens a node's own report has come by its directory. */
	ipam_wanted *filter = kind == IPAM_CLUSTER ? wanted : NULL;
	struct ipam_snapshot *snapshot = NULL;
	struct copies c = { 0 };
	int rc = ipam_snapshot_begin(fs->ipam, kind, id, filter, &w, &snapshot), more = 1;

	while (rc == 0 && more == 1) {
		reset(&c);
		more = ipam_snapshot_next(snapshot, PORTION, copy, &c);
		rc = more < 0 ? more : atomic_load_explicit(stop, memory_order_relaxed) ? -EINTR : 0;
		for (const struct lease_copy *l = c.first; rc == 0 && l != NULL; l = l->next)
			rc = fn(arg, l);
	}
	ipam_snapshot_end(snapshot);
	reset(&c);
	free(c.chunk);
	return rc;
}

const struct ipam_attribute *copy_attribute(const struct lease_copy *l, const char *name)
{
	for (size_t i = 0; i < l->attributes; i++)
		if (strcmp(l->attribute[i].name, name) == 0)
			return &l->attribute[i];
	return NULL;
}
