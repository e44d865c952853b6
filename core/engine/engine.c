#include "engine/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

int64_t engine_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void engine_changed(struct ipam *ipam, struct cluster *c, struct node *n)
{
	int64_t now = engine_now();

	ipam->changed = now > ipam->changed ? now : ipam->changed + 1;
	c->changed = ipam->changed;
	if (n != NULL)
		n->changed = ipam->changed;
	else
		c->widely = ipam->changed;
}

int64_t engine_after(int64_t time, uint64_t seconds)
{
	int64_t after;

	if (__builtin_mul_overflow(seconds, NANOSECONDS, &after) || __builtin_add_overflow(time, after, &after))
		return INT64_MAX;
	return after;
}

/* Which counts while the machine sleeps, too. */
static int64_t passed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * NANOSECONDS + t.tv_nsec;
}

void engine_clocks_begin(struct ipam *ipam, int64_t known)
{
	static const int64_t hour = (int64_t)3600 * NANOSECONDS;
	int64_t wall = engine_now(), now = passed();

	pthread_mutex_lock(&ipam->clocks.lock);
	steady_begin(&ipam->clocks.due, hour, known, wall, now);
	steady_begin(&ipam->clocks.kept, 24 * hour, known, wall, now);
	pthread_mutex_unlock(&ipam->clocks.lock);
}

static int64_t look(struct ipam *ipam, struct steady *s)
{
	int64_t now;

	pthread_mutex_lock(&ipam->clocks.lock);
	now = steady_now(s, engine_now(), passed());
	pthread_mutex_unlock(&ipam->clocks.lock);
	return now;
}

int64_t engine_due(struct ipam *ipam)
{
	return look(ipam, &ipam->clocks.due);
}

int64_t engine_kept(struct ipam *ipam)
{
	return look(ipam, &ipam->clocks.kept);
}

uint64_t engine_id(struct ipam *ipam)
{
	return atomic_fetch_add(&ipam->next_id, 1);
}

void engine_log(struct ipam *ipam, int priority, const char *format, ...)
{
	char message[1280];
	va_list ap;

	if (ipam->options.log == NULL)
		return;
	va_start(ap, format);
	vsnprintf(message, sizeof message, format, ap);
	va_end(ap);
	ipam->options.log(ipam->options.arg, priority, message);
}

void engine_problem(struct ipam *ipam, const char *what)
{
	bool changed;

	pthread_mutex_lock(&ipam->problem_lock);
	changed = what == NULL ? ipam->problem[0] != 0 : strncmp(ipam->problem, what, strlen(what)) != 0;
	if (changed && what == NULL) {
		ipam->problem[0] = 0;
	} else if (changed) {
		time_t now = time(NULL);
		struct tm tm;
		char since[32];

		gmtime_r(&now, &tm);
		strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &tm);
		snprintf(ipam->problem, sizeof ipam->problem, "%s, since %s", what, since);
	}
	pthread_mutex_unlock(&ipam->problem_lock);
	if (changed && what != NULL)
		engine_log(ipam, LOG_ERR, "changes fail: %s", what);
	else if (changed)
		engine_log(ipam, LOG_NOTICE, "changes succeed again");
}

void engine_must(struct ipam *ipam, int rc, const char *what)
{
	if (rc >= 0)
		return;
	engine_log(ipam, LOG_CRIT, "%s: %s; going down, the database is complete", what, strerror(-rc));
	abort();
}

bool gate_shared(const struct ipam *ipam, struct gate *g)
{
	if (g->exclusive || g->wanted == ipam->round)
		return false;
	g->shared++;
	return true;
}

bool gate_exclusive(const struct ipam *ipam, struct gate *g)
{
	if (g->exclusive || g->shared > 0) {
		g->wanted = ipam->round;
		return false;
	}
	g->exclusive = true;
	return true;
}

void gate_leave_shared(struct gate *g)
{
	g->shared--;
}

void gate_leave_exclusive(struct gate *g)
{
	g->exclusive = false;
}
