#include "fs/control/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ring_line {
	uint64_t number;             /* the event's */
	uint64_t scope[RING_LEVELS]; /* ids: the root's, the cluster's, the node's; 0 none */
	uint64_t nth[RING_LEVELS];   /* which one it is of each, while somebody reads that */
	size_t size;
	char text[];
};

/* What readers have in common who read the events of one thing. */
struct ring_scope {
	struct ring_scope *next; /* in the bucket */
	uint64_t id, count;      /* events since the first reader came */
	unsigned readers;
};

/* ---- scopes ----------------------------------------------------------------------------------------------- */

static struct ring_scope **bucket(struct ring *ring, uint64_t id)
{
	return &ring->scope[id % RING_SCOPES];
}

static struct ring_scope *scope_find(struct ring *ring, uint64_t id)
{
	struct ring_scope *scope = *bucket(ring, id);

	while (scope != NULL && scope->id != id)
		scope = scope->next;
	return scope;
}

static struct ring_scope *scope_enter(struct ring *ring, uint64_t id)
{
	struct ring_scope *scope = scope_find(ring, id);

	if (scope == NULL && (scope = calloc(1, sizeof *scope)) != NULL) {
		scope->id = id;
		scope->next = *bucket(ring, id);
		*bucket(ring, id) = scope;
	}
	if (scope != NULL)
		scope->readers++;
	return scope;
}

static void scope_leave(struct ring *ring, struct ring_scope *scope)
{
	struct ring_scope **at = bucket(ring, scope->id);

	if (--scope->readers > 0)
		return;
	while (*at != scope)
		at = &(*at)->next;
	*at = scope->next;
	free(scope);
}

/* ---- the ring --------------------------------------------------------------------------------------------- */

static void drop_oldest(struct ring *ring)
{
	struct ring_line *line = ring->line[ring->oldest++ % RING_LINES];

	ring->bytes -= line->size;
	free(line);
}

void ring_add(struct ring *ring, const struct ipam_event *event)
{
	struct ring_line *line = malloc(sizeof *line + event->size);
	const uint64_t scope[RING_LEVELS] = { IPAM_ROOT_ID, event->cluster, event->node };

	for (int i = 0; i < RING_LEVELS; i++) {
		struct ring_scope *of = scope[i] == 0 ? NULL : scope_find(ring, scope[i]);

		if (of != NULL)
			of->count++;
		if (line != NULL) {
			line->scope[i] = scope[i];
			line->nth[i] = of != NULL ? of->count : 0;
		}
	}
	if (line != NULL) { /* else it counts as dropped */
		while (ring->next - ring->oldest == RING_LINES || (ring->bytes + event->size > RING_BYTES && ring->next > ring->oldest))
			drop_oldest(ring);
		line->number = event->number;
		line->size = event->size;
		memcpy(line->text, event->line, event->size);
		ring->line[ring->next++ % RING_LINES] = line;
		ring->bytes += line->size;
	}
}

void ring_clear(struct ring *ring)
{
	while (ring->oldest < ring->next)
		drop_oldest(ring);
}

void ring_free(struct ring *ring)
{
	ring_clear(ring);
	for (int i = 0; i < RING_SCOPES; i++)
		while (ring->scope[i] != NULL) {
			struct ring_scope *scope = ring->scope[i];

			ring->scope[i] = scope->next;
			free(scope);
		}
}

/* ---- readers ---------------------------------------------------------------------------------------------- */

int ring_enter(struct ring *ring, enum ipam_kind level, uint64_t id, struct ring_reader *r)
{
	struct ring_scope *scope = scope_enter(ring, id);

	if (scope == NULL)
		return -ENOMEM;
	*r = (struct ring_reader){ .ring = ring, .scope = scope, .level = level, .at = ring->next, .seen = scope->count };
	return 0;
}

void ring_leave(struct ring_reader *r)
{
	scope_leave(r->ring, r->scope);
	free(r->rest);
}

/* ---- a reader's next lines -------------------------------------------------------------------------------- */

bool ring_has_news(const struct ring_reader *r)
{
	const struct ring *ring = r->ring;

	if (r->rest != NULL || !r->resumes)
		return r->rest != NULL || r->scope->count > r->seen;
	for (uint64_t i = r->at > ring->oldest ? r->at : ring->oldest; i < ring->next; i++)
		if (ring->line[i % RING_LINES]->scope[r->level] == r->scope->id && ring->line[i % RING_LINES]->number > r->number)
			return true;
	return false;
}

static void tell_dropped(struct ring_reader *r, uint64_t n, struct buffer *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	buffer_print(out, "{\"time\":\"");
	buffer_time(out, (int64_t)now.tv_sec * 1000000000);
	buffer_print(out, "\",\"event\":\"dropped\",\"count\":%llu}\n", (unsigned long long)n);
	r->ring->dropped += n;
}

/* Whole lines, until there are `size` bytes or more. */
static void gather(struct ring_reader *r, size_t size, struct buffer *out)
{
	struct ring *ring = r->ring;

	if (r->at < ring->oldest)
		r->at = ring->oldest;
	while (r->at < ring->next && out->size < size) {
		const struct ring_line *line = ring->line[r->at % RING_LINES];
		uint64_t nth = line->nth[r->level];

		/* A line from before the reader came has a lower number, or one of an earlier life of the scope. */
		if (line->scope[r->level] == r->scope->id && (r->resumes ? line->number > r->number : nth > r->seen)) {
			if (!r->resumes && nth > r->seen + 1)
				tell_dropped(r, nth - r->seen - 1, out);
			if (r->sees == NULL || line->scope[IPAM_NODE] == 0 || r->sees(r->arg, line->scope[IPAM_NODE]))
				buffer_add(out, line->text, line->size);
			r->seen = nth;
			r->number = line->number;
			r->resumes = false;
		}
		r->at++;
	}
	if (r->at == ring->next && (r->resumes || r->seen < r->scope->count)) { /* all that there were have gone */
		if (!r->resumes)
			tell_dropped(r, r->scope->count - r->seen, out);
		r->seen = r->scope->count;
		r->resumes = false;
	}
}

void ring_resume(struct ring_reader *r, uint64_t number, size_t rest)
{
	struct ring *ring = r->ring;

	free(r->rest);
	r->rest = NULL;
	r->number = number;
	r->resumes = true;
	r->at = ring->oldest;
	r->seen = 0;
	for (uint64_t i = ring->oldest; rest > 0 && i < ring->next; i++) {
		const struct ring_line *line = ring->line[i % RING_LINES];

		if (line->number != number || line->size < rest || (r->rest = malloc(rest)) == NULL)
			continue;
		memcpy(r->rest, line->text + line->size - rest, rest);
		r->rest_size = rest;
		r->rest_given = 0;
		return;
	}
}

bool ring_take(struct ring_reader *r, size_t size, struct buffer *out)
{
	size_t n;

	if (!ring_has_news(r))
		return false;
	if (r->rest == NULL) {
		gather(r, size, out);
		if (out->size <= size || out->failed)
			return out->size > 0 || out->failed;
		/* What is over the reader's size waits for his next read. */
		r->rest = malloc(out->size - size);
		if (r->rest == NULL) {
			out->failed = true;
			return true;
		}
		r->rest_size = out->size - size;
		r->rest_given = 0;
		memcpy(r->rest, out->data + size, r->rest_size);
		out->size = size;
		return true;
	}
	n = r->rest_size - r->rest_given < size ? r->rest_size - r->rest_given : size;
	buffer_add(out, r->rest + r->rest_given, n);
	r->rest_given += n;
	if (r->rest_given == r->rest_size) {
		free(r->rest);
		r->rest = NULL;
	}
	return true;
}
