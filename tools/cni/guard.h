/* guard — a daemon that hangs makes no call of ours hang. */
#ifndef IPAMFS_CNI_GUARD_H
#define IPAMFS_CNI_GUARD_H

#include "call.h"

/* Do the work in a process of its own and print what it answers: the exit status. Without a sign of life for so many
 * seconds, an error is printed; the work then undoes itself when it comes to its end. */
int cni_guard(void (*work)(struct cni_call *c), int seconds);
/* For the work, before it touches the mount: let go of what the runtime waits for, which reads our output to its end and
 * kills by groups. Nothing can be printed from then on. */
void cni_guard_leave(void);

#endif
