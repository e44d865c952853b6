/* when — points in time, as people write them. */
#ifndef IPAMCTL_WHEN_H
#define IPAMCTL_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-11-23T17:25:13Z" (RFC 3339, with a fraction or an offset too), "2026-11-23 17:25[:13]" and "2026-11-23" in local
 * time, "now", or so long ago: "90s", "15m", "2h", "3d". Nanoseconds since the epoch. */
bool when_parse(const char *s, int64_t *out);
#define WHEN_HELP "TIME is like 2026-11-23T17:25:13Z, '2026-11-23 17:25' (local), or ago: 90s, 15m, 2h, 3d."

#endif
