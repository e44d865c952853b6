/* keys — the names of a configuration's members.
 *
 * Other plugins are Go programs, whose JSON decoder takes a name in any case. So a configuration that works with them may have
 * "Subnet", and must mean the same here. What they don't know they pass over without a word; here a remark tells of it.
 */
#ifndef IPAMFS_CNI_KEYS_H
#define IPAMFS_CNI_KEYS_H

#include <jansson.h>

/* Rename the members of o (nothing happens if it is no object) that differ from a name in known, which ends with NULL, by their case
 * alone. Where both are there, the exact one counts. Each that isn't known is remarked upon, unless remarks is NULL; where: what o is. */
void cni_keys_settle(json_t *o, const char *const known[], const char *where, json_t *remarks);
/* Add a line for a person to an array. */
void cni_remark(json_t *remarks, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
