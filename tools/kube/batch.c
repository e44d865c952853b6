#include "batch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Of nodes in a write: fewer where the mount's engine takes no more. */
enum { LINES_MAX = 64 };

struct line {
	struct line *next;
	const char *node;
	char *text;
	struct blocks *made; /* NULL: nobody asks */
	int rc;
	bool done;
	pthread_cond_t turn; /* it is done, or its thread is to write */
};

struct batch {
	const struct site *site;
	bool (*may)(void *arg);
	void *arg;
	pthread_mutex_t lock; /* of what follows */
	struct line *first, **last;
	bool writing;
	unsigned max;
};

struct batch *batch_new(const struct site *s, bool (*may)(void *arg), void *arg)
{
	struct batch *b = calloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	*b = (struct batch){ .site = s, .may = may, .arg = arg, .last = &b->first, .max = LINES_MAX };
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* What the mount doesn't say, who needs it looks up. */
static void take_made(const char *said, struct line *const *lines, unsigned n)
{
	struct blocks made;

	for (unsigned i = 0; i < n; i++)
		if (site_made(&said, lines[i]->node, &made) == 0) {
			if (lines[i]->made != NULL)
				*lines[i]->made = made;
			else
				blocks_free(&made);
		}
}

static int write_text(struct batch *b, const char *text, struct line *const *lines, unsigned n)
{
	char *said = NULL;
	bool asks = false;
	int rc;

	for (unsigned i = 0; i < n; i++)
		asks = asks || lines[i]->made != NULL;
	rc = b->may(b->arg) ? site_write_lines(b->site, text, asks ? &said : NULL) : -ECANCELED;
	if (rc == 0)
		take_made(said, lines, n);
	free(said);
	return rc;
}

static char *join(struct line *const *lines, unsigned n)
{
	size_t size = 1;
	char *text, *at;

	for (unsigned i = 0; i < n; i++)
		size += strlen(lines[i]->text);
	text = at = malloc(size);
	for (unsigned i = 0; text != NULL && i < n; i++)
		at = stpcpy(at, lines[i]->text);
	return text;
}

/* One of the lines may be to blame. Else it is the mount, which isn't asked again for each. */
static bool is_of_one(int rc)
{
	return rc == -EEXIST || rc == -ENOSPC || rc == -EADDRINUSE || rc == -EADDRNOTAVAIL || rc == -EINVAL || rc == -EMSGSIZE;
}

static void write_lines(struct batch *b, struct line *const *lines, unsigned n)
{
	char *text = n > 1 ? join(lines, n) : NULL;
	int rc = text == NULL ? -ENOMEM : write_text(b, text, lines, n);

	free(text);
	for (unsigned i = 0; i < n; i++)
		lines[i]->rc = is_of_one(rc) || text == NULL ? write_text(b, lines[i]->text, &lines[i], 1) : rc;
	if (rc == -EMSGSIZE && n > 1) {
		pthread_mutex_lock(&b->lock);
		b->max = n / 2;
		pthread_mutex_unlock(&b->lock);
	}
}

/* With the lock held: writes what waits, as much as goes into one. */
static void write_next(struct batch *b)
{
	struct line *lines[LINES_MAX];
	unsigned n = 0;

	while (b->first != NULL && n < b->max) {
		lines[n++] = b->first;
		b->first = b->first->next;
	}
	if (b->first == NULL)
		b->last = &b->first;
	b->writing = true;
	pthread_mutex_unlock(&b->lock);
	write_lines(b, lines, n);
	pthread_mutex_lock(&b->lock);
	b->writing = false;
	for (unsigned i = 0; i < n; i++) {
		lines[i]->done = true;
		pthread_cond_signal(&lines[i]->turn);
	}
	if (b->first != NULL)
		pthread_cond_signal(&b->first->turn);
}

int batch_delegate(struct batch *b, const char *node, const char *labels, const struct pod_cidrs *cidrs, struct blocks *out)
{
	struct line line = { .node = node, .text = site_line(node, labels, cidrs), .made = out, .turn = PTHREAD_COND_INITIALIZER };

	if (out != NULL)
		*out = (struct blocks){ 0 };
	if (line.text == NULL)
		return -ENOMEM;
	pthread_mutex_lock(&b->lock);
	*b->last = &line; /* until it is done, which this function waits for */
	b->last = &line.next; /* cppcheck-suppress autoVariables */
	while (!line.done)
		if (b->writing || b->first != &line)
			pthread_cond_wait(&line.turn, &b->lock);
		else
			write_next(b);
	pthread_mutex_unlock(&b->lock);
	pthread_cond_destroy(&line.turn);
	free(line.text);
	return line.rc;
}
