#include "by_hand.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

enum { SLICE_NS = 2000000 };
#define SECOND INT64_C(1000000000)

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __real_nanosleep(const struct timespec *wanted, struct timespec *left);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
time_t __wrap_time(time_t *out);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);

/* Since `real` of the machine's clock on they have gone on from `ahead` before it, so many times as fast. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t real, gained, wall;
static int speed = 1;

static int64_t ns_of(clockid_t clock)
{
	struct timespec t;

	__real_clock_gettime(clock, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){ ns / SECOND, ns % SECOND };
}

/* How far they are before the machine's. With the lock. */
static int64_t ahead(void)
{
	return gained + (speed - 1) * (ns_of(CLOCK_MONOTONIC) - real);
}

static void rebase(int64_t more, int times)
{
	pthread_mutex_lock(&lock);
	gained = ahead() + more;
	real = ns_of(CLOCK_MONOTONIC);
	speed = times == 0 ? speed : times;
	pthread_mutex_unlock(&lock);
}

void clock_speed(int times)
{
	rebase(0, times);
}

void clock_pass(long seconds)
{
	rebase(seconds * SECOND, 0);
}

void clock_set(long seconds)
{
	pthread_mutex_lock(&lock);
	wall += seconds * SECOND;
	pthread_mutex_unlock(&lock);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
		return __real_clock_gettime(clock, t);
	pthread_mutex_lock(&lock);
	*t = timespec_of(ns_of(clock) + ahead() + (clock == CLOCK_REALTIME ? wall : 0));
	pthread_mutex_unlock(&lock);
	return 0;
}

time_t __wrap_time(time_t *out)
{
	struct timespec t;

	__wrap_clock_gettime(CLOCK_REALTIME, &t);
	if (out != NULL)
		*out = t.tv_sec;
	return t.tv_sec;
}

static int64_t now(void)
{
	struct timespec t;

	__wrap_clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
	int64_t until = now() + wanted->tv_sec * SECOND + wanted->tv_nsec;

	(void)left;
	while (now() < until) {
		const struct timespec slice = { .tv_nsec = SLICE_NS / 4 };

		__real_nanosleep(&slice, NULL);
	}
	return 0;
}

/* By the monotonic clock, as all of them do. In slices, since the time may be put on meanwhile: who waits looks again, as ever. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	struct timespec slice = timespec_of(ns_of(CLOCK_MONOTONIC) + SLICE_NS);
	int rc;

	if (now() >= until->tv_sec * SECOND + until->tv_nsec)
		return ETIMEDOUT;
	rc = __real_pthread_cond_timedwait(cond, mutex, &slice);
	return rc == ETIMEDOUT ? 0 : rc;
}

bool clock_rest_until(bool (*is)(void *arg), void *arg, int times, int seconds)
{
	const struct timespec slice = { .tv_nsec = SLICE_NS / 4 };
	int64_t until = ns_of(CLOCK_MONOTONIC) + seconds * SECOND;
	int before = speed;
	bool good;

	clock_speed(times > before ? times : before);
	while (!(good = is(arg)) && ns_of(CLOCK_MONOTONIC) < until)
		__real_nanosleep(&slice, NULL);
	clock_speed(before);
	return good;
}
