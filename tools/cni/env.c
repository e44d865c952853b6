#include "env.h"

#include "lease.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cni_command_name[CNI_COMMANDS] = {
	[CNI_ADD] = "ADD", [CNI_DEL] = "DEL", [CNI_CHECK] = "CHECK", [CNI_GC] = "GC", [CNI_STATUS] = "STATUS", [CNI_VERSION] = "VERSION",
};

/* What each needs. */
static const struct {
	bool container, ifname, netns;
} commands[CNI_COMMANDS] = {
	[CNI_ADD] = { true, true, true },
	[CNI_DEL] = { true, true, false },
	[CNI_CHECK] = { true, true, true },
};

bool cni_is_identifier(const char *s)
{
	if (!isalnum((unsigned char)*s))
		return false;
	for (; *s != 0; s++)
		if (!isalnum((unsigned char)*s) && strchr("_.-", *s) == NULL)
			return false;
	return true;
}

/* What Linux doesn't take as an interface's name, nor we as a part of a lease's; NULL: nothing. */
static const char *bad_ifname(const char *s)
{
	if (strlen(s) > 15)
		return "interface name is too long";
	if (strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return "interface name is . or ..";
	for (; *s != 0; s++) {
		if (*s == '/' || *s == ':' || isspace((unsigned char)*s))
			return "interface name contains / or : or whitespace characters";
		if (!isprint((unsigned char)*s))
			return "interface name contains bytes that can't be printed";
	}
	return NULL;
}

/* missing: the names of those that are needed and not there, separated by commas; it has room for all that there are. */
static const char *variable(const char *name, bool needed, char missing[64])
{
	const char *value = getenv(name);

	if (needed && (value == NULL || *value == 0))
		snprintf(missing + strlen(missing), 64 - strlen(missing), "%s%s", *missing != 0 ? "," : "", name);
	return value == NULL ? "" : value;
}

static int find_command(const char *name, enum cni_command *out, struct cni_error *e)
{
	for (int i = 0; i < CNI_COMMANDS; i++)
		if (strcmp(cni_command_name[i], name) == 0) {
			*out = (enum cni_command)i;
			return 0;
		}
	return cni_fail_more(e, CNI_BAD_ENVIRONMENT, "ADD, DEL, CHECK, GC, STATUS or VERSION is wanted", "unknown CNI_COMMAND: %s", name);
}

static void take(char *out, size_t room, const char *value, size_t size)
{
	snprintf(out, room, "%.*s", (int)(size < room ? size : room - 1), value);
}

int cni_args_parse(const char *args, struct cni_env *env, struct cni_error *e)
{
	char space[256] = "", name[256] = "";
	struct {
		const char *key;
		char *out;
		size_t room;
	} known[] = {
		{ "IP", env->ips, sizeof env->ips },
		{ "K8S_POD_NAMESPACE", space, sizeof space },
		{ "K8S_POD_NAME", name, sizeof name },
		{ "K8S_POD_UID", env->pod_uid, sizeof env->pod_uid },
	};

	while (*args != 0) {
		size_t size = strcspn(args, ";");
		const char *equals = memchr(args, '=', size);

		if (size > 0 && equals == NULL)
			return cni_fail(e, CNI_BAD_ENVIRONMENT, "CNI_ARGS: '%.*s' is no KEY=VALUE pair", (int)size, args);
		for (size_t i = 0; size > 0 && i < sizeof known / sizeof *known; i++)
			if (strlen(known[i].key) == (size_t)(equals - args) && memcmp(args, known[i].key, (size_t)(equals - args)) == 0)
				take(known[i].out, known[i].room, equals + 1, (size_t)(args + size - equals - 1));
		args += size;
		args += *args == ';';
	}
	if (space[0] != 0 && name[0] != 0)
		snprintf(env->pod, sizeof env->pod, "%s/%s", space, name);
	else
		snprintf(env->pod, sizeof env->pod, "%s", name);
	return 0;
}

static int check_attachment(const struct cni_env *env, struct cni_error *e)
{
	const char *bad = commands[env->command].ifname ? bad_ifname(env->ifname) : NULL;

	if (commands[env->command].container && !cni_is_identifier(env->container))
		return cni_fail_more(e, CNI_BAD_ENVIRONMENT, env->container, "invalid characters in containerID");
	return bad == NULL ? 0 : cni_fail_more(e, CNI_BAD_ENVIRONMENT, env->ifname, "%s", bad);
}

/* All that are needed and not there are told of at once. */
static int read_variables(struct cni_env *env, struct cni_error *e)
{
	char missing[64] = "";
	const char *command = variable("CNI_COMMAND", true, missing);

	if (*missing == 0 && find_command(command, &env->command, e) < 0)
		return CNI_FAILED;
	if (*missing == 0) {
		env->container = variable("CNI_CONTAINERID", commands[env->command].container, missing);
		env->netns = variable("CNI_NETNS", commands[env->command].netns, missing);
		env->ifname = variable("CNI_IFNAME", commands[env->command].ifname, missing);
	}
	return *missing == 0 ? 0 : cni_fail(e, CNI_BAD_ENVIRONMENT, "required env variables [%s] missing", missing);
}

int cni_env_read(struct cni_env *env, struct cni_error *e)
{
	struct cni_error too_long = { 0 };
	const char *args = getenv("CNI_ARGS");
	char name[NAME_MAX + 1];
	int rc;

	*env = (struct cni_env){ .command = CNI_COMMANDS };
	rc = read_variables(env, e);
	if (rc == 0 && env->command == CNI_DEL)
		env->nobody = !cni_is_identifier(env->container) || bad_ifname(env->ifname) != NULL ||
			      cni_lease_name(env, 0, name, &too_long) < 0;
	else if (rc == 0)
		rc = check_attachment(env, e);
	if (rc == 0 && args != NULL && env->command != CNI_DEL)
		rc = cni_args_parse(args, env, e);
	return rc;
}
