/* after_boot — when the database is opened and nothing else runs: release what can't be alive any more. */
#ifndef IPAM_CHANGE_AFTER_BOOT_H
#define IPAM_CHANGE_AFTER_BOOT_H

struct ipam;

void engine_after_boot(struct ipam *ipam);

#endif
