/* map_order — what was copied is brought into order, and counted. */
#ifndef IPAMFS_MAP_ORDER_H
#define IPAMFS_MAP_ORDER_H

#include "fs/map/map_model.h"

/* The part of map_make that sorts and counts. */
void map_order(struct map *m);

#endif
