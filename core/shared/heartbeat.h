/* heartbeat — the thread that says that this machine is there, takes the nodes that are its, and publishes. */
#ifndef IPAM_SHARED_HEARTBEAT_H
#define IPAM_SHARED_HEARTBEAT_H

void *remote_pulse(void *arg);

#endif
