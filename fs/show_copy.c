#include "show_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 * 1024, ALIGN = 16 };

/* Memory that is freed all at once. */
struct chunk {
	struct chunk *next;
	size_t used;
	_Alignas(ALIGN) char data[CHUNK];
};

const char *const copy_attribute_name[COPY_ATTRIBUTES] = { "container-id", "ifname", "netns", "pod", "network" };

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
	for (unsigned i = 0; i < COPY_ATTRIBUTES; i++) {
		size_t size;
		const char *value = ipam_view_xattr(v, copy_attribute_name[i], &size);

		if (value == NULL)
			continue;
		l->attribute[i].size = size;
		l->attribute[i].value = take_text(c, value, size);
		if (l->attribute[i].value == NULL)
			return -ENOMEM;
	}
	*c->tail = l;
	c->tail = &l->next;
	return 0;
}

int copies_make(struct fs *fs, enum ipam_kind kind, uint64_t id, struct copies *out)
{
	int rc;

	*out = (struct copies){ .tail = &out->first };
	ipam_read_begin(fs->ipam);
	rc = ipam_each_lease(fs->ipam, kind, id, copy, out);
	ipam_read_end(fs->ipam);
	return rc;
}

void copies_free(struct copies *c)
{
	while (c->chunk != NULL) {
		struct chunk *next = c->chunk->next;

		free(c->chunk);
		c->chunk = next;
	}
}
