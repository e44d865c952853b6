#include "engine/writeback.h"

#include "engine/change.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"
#include "shared/publish.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int behind_room(struct ipam *ipam)
{
	struct behind *b = &ipam->behind;
	size_t size = b->size == 0 ? 64 : b->size * 2;
	struct behind_mark *bigger;

	if (b->count < b->size)
		return 0;
	bigger = reallocarray(b->mark, size, sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	b->mark = bigger;
	b->size = size;
	return 0;
}

void behind_mark(struct ipam *ipam, struct lease *l, const struct ipam_by *by)
{
	struct behind *b = &ipam->behind;
	size_t i = b->count;

	/* Several in one go are rare, and then the newest marks are the ones that are met. */
	while (l->behind && by != NULL && i > 0 && b->mark[i - 1].lease != l->id)
		i--;
	if (!l->behind) {
		b->mark[b->count++] = (struct behind_mark){ .lease = l->id, .by = { .uid = IPAM_BY_NOBODY } };
		b->marks++;
		if (ipam->options.marked != NULL)
			ipam->options.marked(ipam->options.arg, l->id);
	}
	if (by != NULL)
		b->mark[l->behind ? i - 1 : i].by = *by;
	l->behind = true;
	l->described |= by != NULL;
	engine_changed(ipam, lease_node(&ipam->registry, l)->cluster, lease_node(&ipam->registry, l));
	publish_lease(ipam, lease_node(&ipam->registry, l), l->id);
}

int behind_take(struct ipam *ipam, struct behind_row **rows, size_t *n)
{
	struct behind *b = &ipam->behind;
	struct behind_row *row;

	*rows = NULL;
	*n = 0;
	if (b->count == 0)
		return 0;
	row = calloc(b->count, sizeof *row);
	if (row == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->count; i++) {
		uint32_t h = registry_find_lease(&ipam->registry, b->mark[i].lease);
		struct lease *l;

		if (h == 0)
			continue;
		l = registry_lease(&ipam->registry, h);
		row[*n] = (struct behind_row){
			.id = l->id,
			.handle = h,
			.described = l->described,
			.by = b->mark[i].by,
			.attr = { .atime = l->atime, .mtime = l->mtime, .ctime = l->ctime },
			.generation = l->generation,
			.xattr = xattr_copy_all(l->xattr),
		};
		if (row[*n].xattr == NULL && l->xattr != NULL) {
			behind_free(row, *n);
			*n = 0;
			return -ENOMEM;
		}
		(*n)++;
	}
	for (size_t i = 0; i < *n; i++) {
		struct lease *l = registry_lease(&ipam->registry, row[i].handle);

		l->behind = l->described = false;
	}
	b->count = 0;
	*rows = row;
	return 0;
}

/* The lease is there until a batch ends that removes it, and this is before. */
static int record(struct ipam *ipam, const struct behind_row *row)
{
	struct change c = { .lease = row->handle, .now = row->attr.ctime, .by = row->by };

	return history_add_lease(ipam, &c, &(struct history_event){ .event = "attributes" });
}

static int store_one(struct ipam *ipam, const struct behind_row *row)
{
	struct store *s = ipam->store;
	int rc = store_put_times(s, row->id, &row->attr, row->generation);

	if (rc == 0)
		rc = store_delete_xattrs(s, row->id);
	for (const struct xattr *x = row->xattr; rc == 0 && x != NULL; x = x->next)
		rc = store_add_xattr(s, row->id, x->data, xattr_value(x), x->value_size);
	if (rc == 0 && row->described)
		rc = record(ipam, row);
	return rc;
}

int behind_store(struct ipam *ipam, const struct behind_row *rows, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = store_one(ipam, &rows[i]);
	return rc;
}

void behind_again(struct ipam *ipam, const struct behind_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t h = registry_find_lease(&ipam->registry, rows[i].id);
		struct lease *l = h == 0 ? NULL : registry_lease(&ipam->registry, h);

		if (l == NULL)
			continue;
		l->failed = true;
		if (behind_room(ipam) == 0)
			behind_mark(ipam, l, rows[i].described ? &rows[i].by : NULL);
	}
}

void behind_stored(struct ipam *ipam, uint64_t marks)
{
	if (marks == ipam->behind.stored)
		return;
	ipam->behind.stored = marks;
	if (ipam->options.stored != NULL)
		ipam->options.stored(ipam->options.arg, marks);
}

void behind_lost(struct ipam *ipam)
{
	for (size_t i = 0; i < ipam->options.losts; i++) {
		uint32_t h = registry_find_lease(&ipam->registry, ipam->options.lost[i]);

		if (h != 0)
			registry_lease(&ipam->registry, h)->failed = true;
	}
}

void behind_free(struct behind_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		xattr_free_all(rows[i].xattr);
	free(rows);
}
