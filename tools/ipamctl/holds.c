#include "holds.h"

#include "cli/say.h"
#include "when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *text(json_t *event, const char *key)
{
	const char *s = json_string_value(json_object_get(event, key));

	return s != NULL ? s : "";
}

static int64_t time_of(json_t *event, const char *key)
{
	int64_t t;

	return when_parse(text(event, key), &t) ? t : 0;
}

static int put(char **at, const char *s)
{
	char *copy = strdup(s);

	if (copy == NULL)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

/* The one of the cluster that lasts still. */
static struct hold *open_hold(struct holds *h, const char *cluster)
{
	for (size_t i = h->n; i-- > 0;)
		if (h->hold[i].until == 0 && strcmp(h->hold[i].cluster, cluster) == 0)
			return &h->hold[i];
	return NULL;
}

static struct hold *new_hold(struct holds *h, json_t *event, int64_t since)
{
	struct hold *bigger = reallocarray(h->hold, h->n + 1, sizeof *bigger), *hold;

	if (bigger == NULL)
		return NULL;
	h->hold = bigger;
	hold = &h->hold[h->n++];
	*hold = (struct hold){ .since = since };
	return put(&hold->cluster, text(event, "cluster")) == 0 && put(&hold->node, text(event, "node")) == 0 &&
			       put(&hold->name, text(event, "name")) == 0 ?
		       hold :
		       NULL;
}

int holds_add(struct holds *h, json_t *event)
{
	const char *kind = text(event, "event");
	struct hold *hold = open_hold(h, text(event, "cluster"));
	json_t *attributes = json_object_get(event, "attributes");

	if (strcmp(kind, "allocate") == 0) {
		hold = new_hold(h, event, time_of(event, "time"));
	} else if (strcmp(kind, "present") == 0) {
		if (hold == NULL)
			hold = new_hold(h, event, json_integer_value(json_object_get(event, "btime")));
		else if (put(&hold->node, text(event, "node")) < 0)
			hold = NULL;
	} else if (hold == NULL) {
		/* What was before is past retention. */
		hold = new_hold(h, event, time_of(event, "since"));
	}
	if (hold == NULL)
		return -ENOMEM;
	if (strcmp(kind, "rename") == 0 && put(&hold->name, text(event, "name")) < 0)
		return -ENOMEM;
	if (strcmp(kind, "release") == 0)
		hold->until = time_of(event, "time");
	if (attributes != NULL) {
		json_decref(hold->attributes);
		hold->attributes = json_incref(attributes);
	}
	return 0;
}

void holds_free(struct holds *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->hold[i].cluster);
		free(h->hold[i].node);
		free(h->hold[i].name);
		json_decref(h->hold[i].attributes);
	}
	free(h->hold);
	*h = (struct holds){ 0 };
}

static void time_text(int64_t t, char out[32])
{
	time_t seconds = t / 1000000000;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void hold_print(const struct hold *h)
{
	char since[32] = "?", until[32] = "now";
	const char *key;
	json_t *value;

	if (h->since != 0)
		time_text(h->since, since);
	if (h->until != 0)
		time_text(h->until, until);
	cli_print(h->cluster);
	putchar('/');
	cli_print(h->node);
	putchar('/');
	cli_print(h->name);
	cli_say(stdout, "  from %s to %s", since, until);
	json_object_foreach(h->attributes, key, value) {
		printf("  ");
		cli_print(key);
		putchar('=');
		cli_print(json_is_string(value) ? json_string_value(value) : "");
	}
	putchar('\n');
}

json_t *hold_json(const struct hold *h)
{
	char since[32], until[32];

	time_text(h->since, since);
	time_text(h->until, until);
	return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o}", "cluster", h->cluster, "node", h->node, "name", h->name, "since",
			 h->since != 0 ? json_string(since) : json_null(), "until", h->until != 0 ? json_string(until) : json_null(),
			 "attributes", h->attributes != NULL ? json_incref(h->attributes) : json_object());
}
