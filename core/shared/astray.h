/* astray — an etcd that isn't the one that this machine knew, or not as far as it was: put back from a snapshot, emptied, exchanged for
 * another, or two of them in one list of endpoints. What was delegated may be gone there, and be given to another.
 *
 * The client finds out by the cluster's id and the revision in each answer (etcd.h), and changes nothing from then on. Here nothing is
 * leased from own nodes, nothing is mirrored, and health says why, until what the engine has agrees with what is known here, or an
 * administrator takes it as it is (astray_accept). Both are noted in the state file, so that it holds after a start, too.
 */
#ifndef IPAM_SHARED_ASTRAY_H
#define IPAM_SHARED_ASTRAY_H

#include <stdbool.h>

struct remote;

/* When the state file is open, and the client made: tells it what to expect. */
int astray_open(struct remote *r);
/* By sync, before it begins: are the endpoints of one etcd? */
void astray_look(struct remote *r);
/* Whether it is so now; says it, and keeps leases from being made. */
bool astray_is(struct remote *r);
/* By sync, while it is so: true when it is over; all is to be read anew then. */
bool astray_settle(struct remote *r);
/* An administrator takes what the engine has for the truth. -EINVAL: it isn't astray. */
int astray_accept(struct remote *r);
/* What the state file is to have of it, for the next start; the caller's to free. NULL: no memory. */
char *astray_text(struct remote *r);

#endif
