/* past — the history against the rows: an address is held from its allocation to its release, a node is there until it is
 * removed. Rows that are gone without a line are lost, though nothing else contradicts that. */
#ifndef IPAMCTL_CHECK_PAST_H
#define IPAMCTL_CHECK_PAST_H

#include "ipamctl/check/findings.h"

/* What its last line says is held, and no lease has: cluster, node, ip, name. */
#define PAST_HELD(family)                                                                                                                  \
	"SELECT h.cluster AS cluster, h.node AS node, h." #family " AS ip, iif(json_valid(h.line), json_extract(h.line, '$.name'), NULL)"  \
	" AS name FROM (SELECT cluster, node, " #family ", line, max(id) FROM history WHERE " #family                                      \
	" IS NOT NULL AND cluster IS NOT NULL"                                                                                             \
	" GROUP BY " #family ", cluster) h WHERE instr(h." #family ", '/') = 0 AND NOT EXISTS (SELECT 1 FROM lease l WHERE"                \
	" l.cluster = h.cluster AND l." #family " = h." #family ") AND iif(json_valid(h.line), json_extract(h.line, '$.event') IN"         \
	" ('allocate', 'rename', 'attributes', 'permissions'), 1)"
/* Nodes, clusters that were never removed, and have no row: id, cluster, name. */
#define PAST_THERE(kind)                                                                                                                   \
	"SELECT h.own AS id, h.cluster AS cluster, iif(json_valid(h.line), json_extract(h.line, '$." #kind "'), NULL) AS name FROM"        \
	" (SELECT " #kind " AS own, cluster, line, max(id) FROM history WHERE " #kind " IS NOT NULL AND " #kind                            \
	" NOT IN (SELECT id FROM " #kind ") GROUP BY " #kind                                                                               \
	") h WHERE iif(json_valid(h.line), json_extract(h.line, '$.event') != '" #kind "-remove', 1)"

void check_past(struct check *c);

#endif
