/* show_leases — every lease of a cluster or node, as a table for people and grep. */
#ifndef IPAMFS_SHOW_LEASES_H
#define IPAMFS_SHOW_LEASES_H

#include "fs/control/report.h"

report_make show_leases;

#endif
