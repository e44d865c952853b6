/* show_json — every lease of a cluster or node, as JSON for programs. */
#ifndef IPAMFS_SHOW_JSON_H
#define IPAMFS_SHOW_JSON_H

#include "fs/control/report.h"

report_make show_json;

#endif
