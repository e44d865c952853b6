#include "past.h"

#include "base/json_text.h"
#include "cli/say.h"
#include "mountpoint.h"
#include "target.h"
#include "when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int past_open(struct past *p, const char *mount, const char *database)
{
	char source[4096];
	struct ipam_error error;

	*p = (struct past){ 0 };
	if (database == NULL) {
		mount = target_mount(mount);
		if (!mountpoint_source(mount, source))
			return cli_fail(CLI_REFUSED, "%s: not where an ipamfs is mounted; say where with --mount or IPAMFS_MOUNT", mount);
		if (access(source, R_OK) < 0) {
			if (asprintf(&p->file, "%s/.ipam/history", mount) < 0)
				return cli_fail(CLI_REFUSED, "out of memory");
			return CLI_DONE;
		}
		database = source;
	}
	if (ipam_history_open(database, &p->history, &error) < 0)
		return cli_fail(CLI_REFUSED, "%s", error.text);
	return CLI_DONE;
}

void past_close(struct past *p)
{
	ipam_history_close(p->history);
	free(p->file);
}

struct each {
	int (*fn)(void *arg, json_t *event);
	void *arg;
	int status;
};

static int give(struct each *e, const char *line, size_t size)
{
	json_error_t error;
	json_t *event = json_loadb(line, size, JSON_ALLOW_NUL, &error);

	e->status = event == NULL ? cli_fail(CLI_REFUSED, "a line of the history is no JSON: %s", error.text) : e->fn(e->arg, event);
	json_decref(event);
	return e->status;
}

static int give_row(void *arg, const struct ipam_history_event *event)
{
	return give(arg, event->line, event->size);
}

/* ---- from the mount's file -------------------------------------------------------------------------------- */

static bool about(const char *line, size_t size, const char *address)
{
	json_t *event = json_loadb(line, size, JSON_ALLOW_NUL, NULL), *list = json_object_get(event, "addresses"), *a;
	const char *block = json_string_value(json_object_get(event, "block"));
	bool found = block != NULL && strcmp(block, address) == 0;
	size_t i;

	json_array_foreach(list, i, a)
		found |= json_is_string(a) && strcmp(json_string_value(a), address) == 0;
	json_decref(event);
	return found;
}

static int each_of_file(const struct past *p, const char *address, int64_t before, struct each *e)
{
	FILE *f = fopen(p->file, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (f == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", p->file, strerror(errno));
	while (e->status == CLI_DONE && (errno = 0, n = getline(&line, &room, f)) > 0) {
		char time[40] = "";
		int64_t t;

		sscanf(line, "{\"time\":\"%39[^\"]", time);
		/* A look at the text first: to parse each line of a long past takes its time. */
		if ((before == 0 || (when_parse(time, &t) && t < before)) &&
		    (address == NULL || (strstr(line, address) != NULL && about(line, (size_t)n, address))))
			give(e, line, (size_t)n);
	}
	if (e->status == CLI_DONE && ferror(f))
		e->status = cli_fail(CLI_REFUSED, "%s: %s", p->file, strerror(errno));
	free(line);
	fclose(f);
	return e->status;
}

int past_each(struct past *p, const char *address, int64_t before, int (*fn)(void *arg, json_t *event), void *arg)
{
	struct ipam_history_query q = { .address = address, .before = before };
	struct each e = { fn, arg, CLI_DONE };
	int rc;

	if (p->history == NULL)
		return each_of_file(p, address, before, &e);
	rc = ipam_history_read(p->history, &q, give_row, &e);
	return rc < 0 ? cli_fail(CLI_REFUSED, "the history can't be read: %s", strerror(-rc)) : e.status;
}

/* ---- now -------------------------------------------------------------------------------------------------- */

static int give_holder(void *arg, const struct ipam_history_holder *h)
{
	struct each *e = arg;
	json_t *event =
		json_pack("{s:s,s:o,s:o,s:o,s:I}", "event", "present", "cluster", json_text(h->cluster, strlen(h->cluster)), "node",
			  json_text(h->node, strlen(h->node)), "name", json_text(h->name, strlen(h->name)), "btime", (json_int_t)h->since);

	e->status = event == NULL ? cli_fail(CLI_REFUSED, "out of memory") : e->fn(e->arg, event);
	json_decref(event);
	return e->status;
}

int past_present(struct past *p, const char *address, int (*fn)(void *arg, json_t *event), void *arg)
{
	struct each e = { fn, arg, CLI_DONE };
	int rc = p->history == NULL ? 0 : ipam_history_present(p->history, address, give_holder, &e);

	return rc < 0 ? cli_fail(CLI_REFUSED, "the leases can't be read: %s", strerror(-rc)) : e.status;
}
