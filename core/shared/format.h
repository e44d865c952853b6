/* format — the version of what lies under the prefix. */
#ifndef IPAM_SHARED_FORMAT_H
#define IPAM_SHARED_FORMAT_H

struct ipam_error;
struct remote;

/* Is what lies under the prefix ours? The first machine says so for all. -ENOTSUP with a message: it isn't, or
 * is a newer version's. */
int remote_check_schema(struct remote *r, struct ipam_error *error);
/* From now on it has what only programs from this version on know: older ones are refused when they look. As above. */
int remote_raise_schema(struct remote *r, int version, int timeout_ms, struct ipam_error *error);

#endif
