/* pulse — the thread that says that this machine is there, takes the nodes that are its, and publishes. */
#ifndef IPAM_PULSE_H
#define IPAM_PULSE_H

void *remote_pulse(void *arg);

#endif
