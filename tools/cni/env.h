/* env — what was asked by the environment. */
#ifndef IPAMFS_CNI_ENV_H
#define IPAMFS_CNI_ENV_H

#include "error.h"

#include <stdbool.h>

enum cni_command { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_GC, CNI_STATUS, CNI_VERSION, CNI_COMMANDS };

struct cni_env {
	enum cni_command command;
	const char *container, *ifname, *netns; /* netns may be empty */
	bool nobody;                            /* DEL of what no ADD can have made: no lease has such a name */
	char pod[512], pod_uid[128];            /* "namespace/name"; empty: not told */
	char ips[1024];                         /* of CNI_ARGS IP=, a comma list */
};
int cni_env_read(struct cni_env *env, struct cni_error *e);
/* What the specification lets containers and networks be called: a letter or digit, then also '_', '.' and '-'. */
bool cni_is_identifier(const char *s);
extern const char *const cni_command_name[CNI_COMMANDS];
/* CNI_ARGS: KEY=VALUE pairs between semicolons; keys that mean nothing to us are passed over. */
int cni_args_parse(const char *args, struct cni_env *env, struct cni_error *e);

#endif
