#include "measure.h"

#include "bench.h"
#include "target_tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 24 };

/* One thread's part of a run. */
struct part {
	struct worker *worker;
	int (*fn)(struct worker *w, const char *name);
	pthread_barrier_t *gate;
	pthread_t thread;
	uint64_t limit_ns, begin, end;
	char (*names)[NAME]; /* written beforehand, so that printing them isn't measured */
	unsigned name_count; /* more operations than that begin again */
	unsigned quota, done;
	uint32_t *ns;
	int rc;
};

static void file_name(const struct pass *pass, unsigned worker, unsigned i, char out[NAME])
{
	snprintf(out, NAME, "p%04u-t%03u-%07u", pass->number % 10000, worker % 1000, i % 10000000);
}

static void *run_part(void *arg)
{
	struct part *p = arg;
	uint64_t last, now, deadline;
	unsigned name = 0;

	pthread_barrier_wait(p->gate);
	p->begin = last = bench_now();
	deadline = last + p->limit_ns;
	while (p->done < p->quota) {
		p->rc = p->fn(p->worker, p->names[name]);
		if (p->rc < 0)
			break;
		now = bench_now();
		p->ns[p->done++] = now - last < UINT32_MAX ? (uint32_t)(now - last) : UINT32_MAX;
		last = now;
		if (now >= deadline)
			break;
		if (++name == p->name_count)
			name = 0;
	}
	p->end = last;
	return NULL;
}

static int part_init(struct part *p, struct target *t, enum op op, unsigned i, unsigned share, const struct pass *pass)
{
	p->worker = &t->worker[i];
	p->fn = t->kind->op[op];
	p->quota = p->name_count = share;
	if (op == OP_CAT || op == OP_UNLINK || op == OP_STAT)
		p->name_count = pass->made[i];
	/* Files can be looked at again and again, but unlinked once; read a second time, they come from the cache. */
	if (op != OP_STAT || p->name_count == 0)
		p->quota = p->quota < p->name_count ? p->quota : p->name_count;
	p->names = calloc(p->name_count + 1, sizeof *p->names);
	p->ns = calloc(p->quota + 1, sizeof *p->ns);
	if (p->names == NULL || p->ns == NULL)
		return -ENOMEM;
	for (unsigned k = 0; k < p->name_count; k++)
		file_name(pass, i, k, p->names[k]);
	return 0;
}

static int start(struct part *part, unsigned threads, pthread_barrier_t *gate)
{
	for (unsigned i = 0; i < threads; i++) {
		int error;

		part[i].gate = gate;
		error = pthread_create(&part[i].thread, NULL, run_part, &part[i]);
		if (error != 0) {
			bench_fail(-error, "starting thread %u", i);
			exit(1); /* those before wait at the gate for good */
		}
	}
	for (unsigned i = 0; i < threads; i++)
		pthread_join(part[i].thread, NULL);
	for (unsigned i = 0; i < threads; i++)
		if (part[i].rc < 0)
			return part[i].rc;
	return 0;
}

static int add(struct result *r, const struct part *part, unsigned threads)
{
	uint64_t begin = UINT64_MAX, end = 0;
	size_t n = r->n;

	for (unsigned i = 0; i < threads; i++)
		n += part[i].done;
	if (n > r->capacity) {
		uint32_t *bigger = reallocarray(r->ns, n * 2, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		r->ns = bigger;
		r->capacity = n * 2;
	}
	for (unsigned i = 0; i < threads; i++) {
		if (part[i].done == 0)
			continue;
		begin = part[i].begin < begin ? part[i].begin : begin;
		end = part[i].end > end ? part[i].end : end;
		memcpy(r->ns + r->n, part[i].ns, part[i].done * sizeof *r->ns);
		r->n += part[i].done;
	}
	if (end > 0)
		r->wall_ns += end - begin;
	return 0;
}

int measure(struct target *t, enum op op, unsigned threads, const struct limits *limits, struct pass *pass, struct result *result)
{
	struct part *part;
	pthread_barrier_t gate;
	int rc = 0;

	if (t->kind->op[op] == NULL)
		return 0;
	threads = threads < t->workers ? threads : t->workers;
	part = calloc(threads, sizeof *part);
	if (part == NULL)
		return -ENOMEM;
	pthread_barrier_init(&gate, NULL, threads);
	for (unsigned i = 0; rc == 0 && i < threads; i++) {
		part[i].limit_ns = limits->ns;
		rc = part_init(&part[i], t, op, i, (unsigned)((limits->count + threads - 1) / threads), pass);
	}
	if (rc == 0)
		rc = start(part, threads, &gate);
	if (rc == 0)
		rc = add(result, part, threads);
	if (rc < 0)
		bench_fail(rc, "%s on %s=%s", op_name[op], t->kind->name, t->path);
	for (unsigned i = 0; i < threads; i++) {
		if (op == OP_CREATE)
			pass->made[i] = part[i].done;
		if (op == OP_UNLINK)
			pass->gone[i] = part[i].done;
		free(part[i].names);
		free(part[i].ns);
	}
	free(part);
	pthread_barrier_destroy(&gate);
	return rc;
}

int measure_fill(struct target *t, const struct pass *pass)
{
	char name[NAME];
	int rc = 0;

	for (unsigned i = 0; t->kind->fills && i < t->workers; i++) {
		for (unsigned k = 0; rc == 0 && k < pass->made[i]; k++) {
			file_name(pass, i, k, name);
			rc = tree_fill(&t->worker[i], name);
		}
	}
	return rc < 0 ? (bench_fail(rc, "writing to %s", t->path), rc) : 0;
}

void measure_clear(struct target *t, struct pass *pass)
{
	char name[NAME];

	for (unsigned i = 0; i < t->workers; i++) {
		for (unsigned k = pass->gone[i]; k < pass->made[i]; k++) {
			file_name(pass, i, k, name);
			t->kind->op[OP_UNLINK](&t->worker[i], name);
		}
		pass->made[i] = pass->gone[i] = 0;
	}
}

void result_close(struct result *r)
{
	free(r->ns);
	*r = (struct result){ 0 };
}
