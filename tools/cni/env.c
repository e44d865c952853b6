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

/* What Linux takes as an interface's name. */
static bool good_ifname(const char *s)
{
	if (strlen(s) > 15 || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s != 0; s++)
		if (*s == '/' || *s == ':' || isspace((unsigned char)*s) || !isprint((unsigned char)*s))
			return false;
	return true;
}

static int need(const char *name, bool needed, const char **out, struct cni_error *e)
{
	*out = getenv(name);
	if (*out == NULL)
		*out = "";
	if (needed && **out == 0)
		return cni_fail(e, CNI_BAD_ENVIRONMENT, "the environment variable %s is missing", name);
	return 0;
}

static int find_command(const char *name, enum cni_command *out, struct cni_error *e)
{
	for (int i = 0; i < CNI_COMMANDS; i++)
		if (strcmp(cni_command_name[i], name) == 0) {
			*out = (enum cni_command)i;
			return 0;
		}
	return cni_fail(e, CNI_BAD_ENVIRONMENT, "CNI_COMMAND is '%s'; ADD, DEL, CHECK, GC, STATUS or VERSION is wanted", name);
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
	if (commands[env->command].container && !cni_is_identifier(env->container))
		return cni_fail(e, CNI_BAD_ENVIRONMENT, "CNI_CONTAINERID '%s': letters and digits, then also '_', '.' and '-'",
				env->container);
	if (commands[env->command].ifname && !good_ifname(env->ifname))
		return cni_fail(e, CNI_BAD_ENVIRONMENT,
				"CNI_IFNAME '%s' is no name of an interface: at most 15 characters, no "
				"blank, '/' or ':'",
				env->ifname);
	return 0;
}

int cni_env_read(struct cni_env *env, struct cni_error *e)
{
	const char *command, *args = getenv("CNI_ARGS");
	struct cni_error too_long = { 0 };
	char name[NAME_MAX + 1];
	int rc;

	*env = (struct cni_env){ .command = CNI_COMMANDS };
	rc = need("CNI_COMMAND", true, &command, e);
	if (rc == 0)
		rc = find_command(command, &env->command, e);
	if (rc == 0)
		rc = need("CNI_CONTAINERID", commands[env->command].container, &env->container, e);
	if (rc == 0)
		rc = need("CNI_IFNAME", commands[env->command].ifname, &env->ifname, e);
	if (rc == 0)
		rc = need("CNI_NETNS", commands[env->command].netns, &env->netns, e);
	if (rc == 0 && env->command == CNI_DEL)
		env->nobody =
			!cni_is_identifier(env->container) || !good_ifname(env->ifname) || cni_lease_name(env, 0, name, &too_long) < 0;
	else if (rc == 0)
		rc = check_attachment(env, e);
	if (rc == 0 && args != NULL && env->command != CNI_DEL)
		rc = cni_args_parse(args, env, e);
	return rc;
}
