/* sync — the thread that mirrors what the engine has. */
#ifndef IPAM_SYNC_H
#define IPAM_SYNC_H

void *remote_sync(void *arg);

#endif
