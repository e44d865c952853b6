/* supervisor_part — what the files of the supervisor share. */
#ifndef IPAMFS_SUPERVISOR_PART_H
#define IPAMFS_SUPERVISOR_PART_H

#include "fs/process/exec_upgrade.h"
#include "fs/process/mount.h"
#include "fs/resume/state.h"

#include <signal.h>
#include <time.h>

struct supervisor {
	const struct options *options;
	char **argv;
	void (*started)(void *arg);
	void *arg;
	struct keep keep;
	struct holds holds;
	int lock, signals;
	int mounter; /* where another process hands over what it mounts, -1: nobody is waited for */
	bool waits;  /* the worker, for the mount */
	struct device device;
	sigset_t blocked;
	pid_t worker;        /* 0: none */
	int socket;          /* to it, -1 none */
	pid_t ahead;         /* one that is to follow it; */
	int ahead_socket;    /* -1 none */
	int touched;         /* what the old one changed meanwhile, -1 not told */
	bool ready;          /* it serves */
	bool ending, failed; /* failed: it could not go on */
	bool fell, quit;     /* this worker ended, or died, by a failure; quit: it ended by itself */
	int64_t killed;      /* when this worker was killed here, since it hung; 0: it was not */
	bool handing;        /* it was told to end, so that another may take over */
	unsigned hopeless; /* workers in a row that could not serve */
	int64_t force, leave; /* at the end: when clients are answered whatever happens, 0 they were; when the worker is killed */
	int64_t began, next;  /* milliseconds: since when this worker serves; when the next one is started, 0: there is one */
	int backoff;
	uint64_t beat; /* as last seen, and when */
	int64_t beat_seen;
};

static inline int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
