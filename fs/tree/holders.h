/* holders — who holds ephemeral leases open. Its lock is taken before the library's, and never while a commit is waited for. */
#ifndef IPAMFS_HOLDERS_H
#define IPAMFS_HOLDERS_H

#include "fs/fs.h"

struct holders;
int holders_new(struct holders **out);
void holders_free(struct holders *h);
/* An open file description more: 0, -ENOMEM, -ENOENT if the lease has ended. Any lease may be held; *held says whether it
 * needs holders_leave. made: whoever made it holds it now, so it ends with its last holder from here on. Before, others may have
 * seen it, and opened and closed it. */
int holders_take(struct fs *fs, uint64_t lease, bool made, bool *held);
/* One less. With the last one the lease ends, if it is ephemeral still. */
void holders_leave(struct fs *fs, uint64_t lease);
/* One that a worker before had open: until the sweep whoever made it may still be to be answered. -ENOMEM. */
int holders_again(struct fs *fs, uint64_t lease);
/* Once all is answered that a worker before had read: drop ephemeral leases of its time that nobody holds, those of files that
 * were closed while no worker ran. */
void holders_sweep(struct fs *fs);

#endif
