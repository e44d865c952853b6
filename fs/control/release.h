/* release — what is written to 'release', 'remove' and 'accept'. */
#ifndef IPAMFS_RELEASE_H
#define IPAMFS_RELEASE_H

#include "fs/fs.h"

file_store release_store, remove_store, accept_store;

#endif
