/* watch — the thread that mirrors what the engine has. */
#ifndef IPAM_SHARED_WATCH_H
#define IPAM_SHARED_WATCH_H

void *remote_sync(void *arg);

#endif
