/* host_local — the layout that the CNI plugin host-local keeps under its dataDir, as a view of a node's leases:
 *
 *   host-local/NETWORK/              a directory a network
 *     lock                           what it takes its flock on
 *     last_reserved_ip.N             the address given last from the Nth range set
 *     10.244.0.7                     a file an address: the container's id, CRLF, the interface's name
 *
 * A file is a lease whose attribute 'network' is the directory's name, made this way or any other. One that is created
 * here is ephemeral until its content is written, so a creator that dies in between leaves nothing.
 */
#ifndef IPAMFS_HOST_LOCAL_H
#define IPAMFS_HOST_LOCAL_H

#include "fs/tree/subtree.h"

extern const struct subtree_ops host_local_ops;

#endif
