#include "work.h"

#include "cli/say.h"
#include "metrics.h"
#include "queue.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool work_may_write(const struct worker *w)
{
	return w->work->leader == NULL || leader_left(w->work->leader) > 0;
}

int work_call(struct worker *w, struct call *call, struct answer *out)
{
	int rc = conn_turn(w->conn);
	int64_t left;

	*out = (struct answer){ 0 };
	if (rc < 0)
		return rc;
	/* After the wait, which may have been long. */
	call->urgent = true;
	call->timeout_ms = w->work->options->timeout_ms;
	if (w->work->leader != NULL && (left = leader_left(w->work->leader)) < call->timeout_ms)
		call->timeout_ms = left;
	return conn_call(w->conn, call, out);
}

char *work_path(const char *node, const char *rest)
{
	char *escaped = client_escape(node), *path = NULL;

	if (escaped != NULL && asprintf(&path, "/api/v1/nodes/%s%s", escaped, rest) < 0)
		path = NULL;
	free(escaped);
	return path;
}

bool work_is_news(const struct task *task)
{
	return task->tries % 32 == 0;
}

struct result work_failed(struct worker *w, const struct task *task, const char *what, int rc)
{
	(void)w;
	if (rc == -ECANCELED) /* this one leads no more */
		return RETRY;
	metrics_add(METRIC_MOUNT_ERRORS, 1);
	if (work_is_news(task))
		cli_log(LOG_WARNING, "%s: %s: %s", task->name, what, rc == -EHOSTDOWN ? "no ipamfs is mounted there" : strerror(-rc));
	return RETRY;
}

struct result work_refuse(struct worker *w, const struct task *task, enum refusal refusal, const char *reason, const char *format, ...)
{
	char text[700];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (table_may_say(w->work->table, task, text)) {
		cli_log(LOG_WARNING, "%s: %s: %s", task->name, reason, text);
		if (task->uid[0] != 0)
			reporter_add(w->work->reporter, task->name, task->uid, reason, text);
	}
	return (struct result){ OUTCOME_REFUSED, refusal };
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct task task;

	while (table_take(w->work->table, &task)) {
		struct result r = w->work->look(w, &task);

		table_done(w->work->table, &task, r.outcome, r.reason);
	}
	return NULL;
}

int work_begin(struct work *work, unsigned workers)
{
	work->worker = calloc(workers, sizeof *work->worker);
	if (work->worker == NULL)
		return -ENOMEM;
	for (; work->workers < workers; work->workers++) {
		struct worker *w = &work->worker[work->workers];
		int rc;

		*w = (struct worker){ .work = work, .conn = conn_new(work->client, work->halt) };
		rc = w->conn == NULL ? ENOMEM : pthread_create(&w->thread, NULL, run, w);
		if (rc != 0) {
			conn_free(w->conn);
			return -rc;
		}
	}
	return 0;
}

void work_end(struct work *work)
{
	table_close(work->table);
	for (unsigned i = 0; i < work->workers; i++) {
		pthread_join(work->worker[i].thread, NULL);
		conn_free(work->worker[i].conn);
	}
	free(work->worker);
	work->worker = NULL;
	work->workers = 0;
}
