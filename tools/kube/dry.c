#include "dry.h"

#include "base/printable.h"
#include "cli/say.h"
#include "cover.h"
#include "queue.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dry *dry_of(const struct worker *w)
{
	return w->work->arg;
}

/* Each line once, however often it is looked at. */
static bool tell(struct worker *w, const struct task *task, const char *format, va_list ap)
{
	char text[1024], line[1400];

	vsnprintf(text, sizeof text, format, ap);
	if (!table_may_say(w->work->table, task, text))
		return false;
	snprintf(line, sizeof line, "%s: %s", task->name, text);
	printable(line, line, strlen(line));
	puts(line);
	return true;
}

static struct result would(struct worker *w, const struct task *task, const char *format, ...) __attribute__((format(printf, 3, 4)));
static struct result would(struct worker *w, const struct task *task, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	dry_of(w)->changed += tell(w, task, format, ap);
	va_end(ap);
	return SETTLED;
}

static struct result would_not(struct worker *w, const struct task *task, enum refusal why, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static struct result would_not(struct worker *w, const struct task *task, enum refusal why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	dry_of(w)->refused += tell(w, task, format, ap);
	va_end(ap);
	return (struct result){ OUTCOME_REFUSED, why };
}

static const char *blocks_text(const struct blocks *b, char out[NODE_CIDRS_TEXT])
{
	struct pod_cidrs cidrs;

	pod_cidrs_of_blocks(b, &cidrs);
	return pod_cidrs_text(&cidrs, out);
}

/* 1: there are leases in the mount's node. -errno. */
static int has_leases(const struct site *s, const char *node)
{
	const struct dirent *entry = NULL;
	char *path = NULL;
	int rc = asprintf(&path, "%s/%s", s->path, node) < 0 ? -ENOMEM : 0;
	DIR *d = rc == 0 ? opendir(path) : NULL;

	if (rc == 0 && d == NULL)
		rc = -errno;
	while (d != NULL && (errno = 0, entry = readdir(d)) != NULL)
		if (entry->d_type == DT_REG)
			rc = 1;
	if (d != NULL)
		closedir(d);
	free(path);
	return rc;
}

/* ---- podCIDRs that the mount hasn't ------------------------------------------------------------------------------------------ */

static bool is_covered(const char *cidrs, const struct pod_cidrs *wanted)
{
	bool all = true;

	for (unsigned i = 0; i < wanted->n; i++)
		all = all && cover_has(cidrs, &wanted->cidr[i]);
	return all;
}

struct holder {
	const char *name;
	char who[256];
};

static void take_holder(void *arg, const char *name)
{
	struct holder *h = arg;

	if (strcmp(name, h->name) != 0)
		snprintf(h->who, sizeof h->who, "%s", name);
}

static struct result adopt(struct worker *w, const struct task *task, const struct blocks *instead)
{
	struct holder holder = { .name = task->name };
	char text[NODE_CIDRS_TEXT], other[NODE_CIDRS_TEXT], who[256], *cidrs = NULL;
	int rc = site_read(w->work->site, NULL, "cidrs", &cidrs);
	bool covered = rc == 0 && is_covered(cidrs, &task->cidrs);

	free(cidrs);
	pod_cidrs_text(&task->cidrs, text);
	if (rc == 0)
		rc = site_holders(w->work->site, &task->cidrs, take_holder, &holder);
	if (rc == 0 && instead != NULL)
		rc = has_leases(w->work->site, task->name);
	if (rc < 0)
		return work_failed(w, task, "reading the mount", rc);
	if (!covered)
		return would_not(w, task, REFUSED_FOREIGN, "left alone: its podCIDRs %s are no blocks of cluster %s", text,
				 w->work->site->cluster);
	if (table_overlaps(w->work->table, task->name, &task->cidrs, who))
		return would_not(w, task, REFUSED_OVERLAP, "left alone, or the other: its podCIDRs %s overlap those of Node %s", text, who);
	if (rc > 0)
		return would(w, task, "gets its podCIDRs %s for blocks instead of %s, if all of its leases lie in them", text,
			     blocks_text(instead, other));
	if (holder.who[0] != 0)
		return would(w, task, "adopted with its podCIDRs %s, once the mount's node %s has given them back", text, holder.who);
	if (instead != NULL)
		return would(w, task, "gets its podCIDRs %s for blocks instead of %s", text, blocks_text(instead, other));
	return would(w, task, "adopted with its podCIDRs %s", text);
}

static struct result remove_node(struct worker *w, const struct task *task, const struct blocks *mount)
{
	char text[NODE_CIDRS_TEXT];
	int rc = has_leases(w->work->site, task->name);

	if (rc < 0)
		return work_failed(w, task, "reading the mount", rc);
	if (rc > 0)
		return would_not(w, task, REFUSED_LEASES, "left alone: its Node is gone, but the mount's node has leases still");
	return would(w, task, "removed from the mount, since its Node is gone: its blocks %s are free", blocks_text(mount, text));
}

/* ---- a Node ------------------------------------------------------------------------------------------------------------------ */

static struct result look(struct worker *w, struct task *task, bool mounted, const struct blocks *mount)
{
	char text[NODE_CIDRS_TEXT];

	switch (plan_for(task->present, task->deleting, &task->cidrs, mounted, mount)) {
	case PLAN_NOTHING:
	case PLAN_WAIT:
		return SETTLED;
	case PLAN_DELEGATE:
		return would(w, task, "given the next free blocks");
	case PLAN_PATCH:
		return would(w, task, "given the blocks that the mount has for it, %s", blocks_text(mount, text));
	case PLAN_ADOPT:
		return adopt(w, task, NULL);
	case PLAN_EXCHANGE:
		return adopt(w, task, mount);
	case PLAN_REMOVE:
		return remove_node(w, task, mount);
	case PLAN_REFUSE:
		break;
	}
	return would_not(w, task, REFUSED_FOREIGN, "left alone: %s",
			 node_name_is_made_up(task->name) ? "its name is none that a directory can have, or it has no uid" :
							    "its podCIDRs are no CIDRs, or more than one of each family");
}

struct result dry_look(struct worker *w, struct task *task)
{
	struct blocks mount = { 0 };
	int rc = site_blocks(w->work->site, task->name, &mount);
	struct result result;

	if (rc < 0 && rc != -ENOENT)
		return work_failed(w, task, w->work->site->path, rc);
	result = look(w, task, rc == 0, &mount);
	blocks_free(&mount);
	return result;
}

int dry_end(const struct dry *d)
{
	printf("%zu would be changed, %zu left alone; nothing was written\n", d->changed, d->refused);
	return d->refused > 0 ? CLI_REFUSED : CLI_DONE;
}
