#include "fs/process/watchdog.h"

#include "fs/base/log.h"
#include "fs/tree/holders.h"
#include "fs/tree/rendition.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { BEAT_MS = 200, CALM_BEATS = 3 /* after which what was read again has long been handled */ };

struct pulse {
	struct fs *fs;
	pthread_t thread;
	pthread_mutex_t lock; /* stop */
	pthread_cond_t wake;
	bool stop;
};

static bool pause_or_stop(struct pulse *p)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += BEAT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&p->lock);
	if (!p->stop)
		pthread_cond_timedwait(&p->wake, &p->lock, &until);
	stop = p->stop;
	pthread_mutex_unlock(&p->lock);
	return stop;
}

static void tracks(void *arg, int error, const struct ipam_object *object)
{
	struct fs *fs = arg;

	(void)object;
	(void)error; /* without an account the next one reads all again */
	keep_send(fs->keep->socket, &(struct keep_message){ .word = KEEP_TRACKS }, -1);
}

/* What the supervisor wants. */
static void hear(struct fs *fs)
{
	struct pollfd p = { .fd = fs->keep->socket, .events = POLLIN };
	struct keep_message m;
	int fd, rc;

	if (poll(&p, 1, 0) <= 0)
		return;
	rc = keep_receive(p.fd, &m, &fd);
	if (rc == 0)
		_exit(1); /* its supervisor is gone: so is the mount */
	if (rc < 0)
		return;
	if (fd >= 0)
		close(fd);
	if (m.word == KEEP_TRACK)
		ipam_track(fs->ipam, tracks, fs);
}

/* A disk that hangs keeps who changes something waiting, as it does on any filesystem: it is logged, once, and no more can be done. */
static void watch_disk(struct fs *fs, bool *hangs)
{
	bool now = ipam_stalled(fs->ipam) >= IPAM_STALLED;

	if (now && !*hangs)
		log_write(NULL, LOG_WARNING, "the disk has not answered for some seconds; what changes something waits for it");
	else if (!now && *hangs)
		log_write(NULL, LOG_INFO, "the disk answers again");
	*hangs = now;
}

/* It is well while the library's lock can be had and no request waits that nobody takes. A disk that is slow is no reason: another
 * worker would have the same. */
static void *run(void *arg)
{
	struct pulse *p = arg;
	struct fs *fs = p->fs;
	uint64_t calm = 0, taken = 0;
	bool hangs = false;

	while (!pause_or_stop(p)) {
		struct wire_load load;

		hear(fs);
		watch_disk(fs, &hangs);
		ipam_read_begin(fs->ipam);
		ipam_read_end(fs->ipam);
		wire_load(fs->wire, &load);
		if (!load.waiting || load.taken != taken)
			atomic_fetch_add(&fs->keep->memory->beat, 1);
		taken = load.taken;
		calm += load.caught_up && calm <= CALM_BEATS;
		renditions_tend(fs->renditions);
		if (calm == CALM_BEATS)
			holders_sweep(fs);
	}
	return NULL;
}

int pulse_start(struct fs *fs, struct pulse **out)
{
	struct pulse *p = calloc(1, sizeof *p);
	pthread_condattr_t attr;
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->fs = fs;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	rc = -pthread_create(&p->thread, NULL, run, p);
	if (rc < 0)
		free(p);
	else
		*out = p;
	return rc;
}

void pulse_stop(struct pulse *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
