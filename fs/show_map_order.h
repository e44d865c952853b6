/* show_map_order — what was copied is brought into order, and counted. */
#ifndef IPAMFS_SHOW_MAP_ORDER_H
#define IPAMFS_SHOW_MAP_ORDER_H

#include "show_map_model.h"

/* The part of map_make that sorts and counts. */
void map_order(struct map *m);

#endif
