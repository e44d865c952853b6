/* workers — starting a worker, giving it the mount, and putting another in its place. */
#ifndef IPAMFS_WORKERS_H
#define IPAMFS_WORKERS_H

#include "fs/process/supervisor_part.h"

int workers_start(struct supervisor *s); /* -errno */
/* The database is open: here is the mount, and what was open on it. -errno: it could not be mounted. */
int workers_hand_over(struct supervisor *s);
/* Another process comes with the mount. */
void workers_hear_mounter(struct supervisor *s);

/* ---- one that follows another while that serves */
void workers_forget_ahead(struct supervisor *s);
/* The old one keeps account of what it changes: the next may read. */
void workers_begin_ahead(struct supervisor *s);
/* The next one has read, or can't. */
void workers_hear_ahead(struct supervisor *s);
/* The old one has ended: the next one goes on from there. */
void workers_follow(struct supervisor *s);

#endif
