/* watchdog — a thread that shows the supervisor that this worker is well, as long as it is, and hears what it wants. */
#ifndef IPAMFS_WATCHDOG_H
#define IPAMFS_WATCHDOG_H

struct fs;
struct pulse;

int pulse_start(struct fs *fs, struct pulse **out); /* -ENOMEM, -EAGAIN */
void pulse_stop(struct pulse *p);                   /* NULL is fine */

#endif
