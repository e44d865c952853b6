/* What /standin/rules makes go wrong with requests. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apiserver.h"

void rules_init(struct rules *rules)
{
	pthread_condattr_t monotonic;

	memset(rules, 0, sizeof *rules);
	pthread_mutex_init(&rules->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&rules->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void rules_free(struct rules *rules)
{
	struct rule *next;

	for (struct rule *rule = rules->first; rule; rule = next) {
		next = rule->next;
		free(rule->text);
		free(rule);
	}
	pthread_cond_destroy(&rules->changed);
	pthread_mutex_destroy(&rules->lock);
}

static bool take_text(const json_t *wanted, const char *key, char *out, size_t size, const char *instead)
{
	const json_t *value = json_object_get(wanted, key);

	if (value && !json_is_string(value))
		return false;
	return (size_t)snprintf(out, size, "%s", value ? json_string_value(value) : instead) < size;
}

static long number(const json_t *wanted, const char *key, long instead)
{
	const json_t *value = json_object_get(wanted, key);

	return json_is_integer(value) ? (long)json_integer_value(value) : instead;
}

/* A key that isn't known would make a test that tests nothing. */
static const char *unknown_key(json_t *wanted)
{
	static const char known[] = " method path query user skip times code retryAfter text delay delayAnswer hold lose cut ";
	char padded[80];
	const char *key;
	json_t *value;

	json_object_foreach(wanted, key, value) {
		(void)value;
		snprintf(padded, sizeof padded, " %s ", key);
		if (!strstr(known, padded))
			return key;
	}
	return NULL;
}

struct reply rules_add(struct rules *rules, const json_t *wanted)
{
	struct rule *rule, **end;
	const char *unknown, *hold = text_at(wanted, "hold"), *lose = text_at(wanted, "lose");

	if (!json_is_object(wanted))
		return fail(400, "BadRequest", "a rule is an object");
	unknown = unknown_key((json_t *)wanted);
	if (unknown)
		return fail(400, "BadRequest", "a rule has no '%s'", unknown);
	rule = calloc(1, sizeof *rule);
	rule->skip = number(wanted, "skip", 0);
	rule->times = number(wanted, "times", 1);
	rule->code = (unsigned)number(wanted, "code", 0);
	rule->retry_after = (unsigned)number(wanted, "retryAfter", 0);
	rule->delay = (unsigned)number(wanted, "delay", 0);
	rule->delay_answer = (unsigned)number(wanted, "delayAnswer", 0);
	rule->cut = (size_t)number(wanted, "cut", 0);
	rule->hold_before = strcmp(hold, "before") == 0;
	rule->hold_after = strcmp(hold, "after") == 0;
	rule->lost = strcmp(lose, "request") == 0 ? LOST_REQUEST : strcmp(lose, "answer") == 0 ? LOST_ANSWER : LOST_NOTHING;
	if ((*hold && !rule->hold_before && !rule->hold_after) || (*lose && !rule->lost) ||
	    !take_text(wanted, "method", rule->method, sizeof rule->method, "*") ||
	    !take_text(wanted, "path", rule->path, sizeof rule->path, "*") ||
	    !take_text(wanted, "query", rule->query, sizeof rule->query, "*") ||
	    !take_text(wanted, "user", rule->user, sizeof rule->user, "*")) {
		free(rule);
		return fail(400, "BadRequest", "not a rule");
	}
	if (*text_at(wanted, "text"))
		rule->text = strdup(text_at(wanted, "text"));
	pthread_mutex_lock(&rules->lock);
	rule->id = ++rules->last_id;
	for (end = &rules->first; *end; end = &(*end)->next)
		;
	*end = rule;
	pthread_mutex_unlock(&rules->lock);
	return reply_json(201, json_pack("{s:i}", "id", (int)rule->id));
}

struct rule *rules_match(struct rules *rules, const struct request *request)
{
	struct rule *rule;

	pthread_mutex_lock(&rules->lock);
	for (rule = rules->first; rule; rule = rule->next) {
		if (rule->times == 0 || fnmatch(rule->method, request->method, 0) != 0 || fnmatch(rule->path, request->path, 0) != 0 ||
		    fnmatch(rule->query, request->query, 0) != 0 || fnmatch(rule->user, request->user, 0) != 0)
			continue;
		if (rule->skip > 0) {
			rule->skip--;
			continue;
		}
		rule->hits++;
		if (rule->times > 0)
			rule->times--;
		break;
	}
	pthread_mutex_unlock(&rules->lock);
	return rule;
}

static void wait_ms(struct rules *rules, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (!rules->stopping && pthread_cond_timedwait(&rules->changed, &rules->lock, &until) != ETIMEDOUT)
		;
}

static void hold(struct rules *rules, struct rule *rule)
{
	rule->held++;
	while (!rules->stopping && !rule->released)
		pthread_cond_wait(&rules->changed, &rules->lock);
	rule->held--;
}

void rules_before(struct rules *rules, struct rule *rule)
{
	pthread_mutex_lock(&rules->lock);
	if (rule->delay)
		wait_ms(rules, rule->delay);
	if (rule->hold_before)
		hold(rules, rule);
	pthread_mutex_unlock(&rules->lock);
}

void rules_after(struct rules *rules, struct rule *rule)
{
	pthread_mutex_lock(&rules->lock);
	if (rule->delay_answer)
		wait_ms(rules, rule->delay_answer);
	if (rule->hold_after)
		hold(rules, rule);
	pthread_mutex_unlock(&rules->lock);
}

void rules_release(struct rules *rules)
{
	pthread_mutex_lock(&rules->lock);
	for (struct rule *rule = rules->first; rule; rule = rule->next)
		rule->released = true;
	pthread_cond_broadcast(&rules->changed);
	pthread_mutex_unlock(&rules->lock);
}

void rules_clear(struct rules *rules)
{
	pthread_mutex_lock(&rules->lock);
	for (struct rule *rule = rules->first; rule; rule = rule->next) {
		rule->times = 0;
		rule->released = true;
	}
	pthread_cond_broadcast(&rules->changed);
	pthread_mutex_unlock(&rules->lock);
}

struct reply rules_show(struct rules *rules)
{
	json_t *out = json_array();

	pthread_mutex_lock(&rules->lock);
	for (const struct rule *rule = rules->first; rule; rule = rule->next)
		json_array_append_new(out, json_pack("{s:i, s:s, s:s, s:I, s:I, s:I}", "id", (int)rule->id, "method", rule->method, "path",
						     rule->path, "left", (json_int_t)rule->times, "hits", (json_int_t)rule->hits, "held",
						     (json_int_t)rule->held));
	pthread_mutex_unlock(&rules->lock);
	return reply_json(200, out);
}
