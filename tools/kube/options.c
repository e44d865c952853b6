#include "options.h"

#include "cli/options.h"
#include "cli/say.h"
#include "clock.h"
#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS_MAX = 256 };

static bool number(const char *s, double max, double *out)
{
	char *end;

	*out = strtod(s, &end);
	return *s >= '0' && *s <= '9' && *end == 0 && *out >= 0 && *out <= max;
}

static bool take_rate(const char *value, void *to)
{
	return number(value, 1e6, to);
}

static bool take_workers(const char *value, void *to)
{
	double n;

	if (!number(value, WORKERS_MAX, &n) || n < 1)
		return false;
	*(unsigned *)to = (unsigned)n;
	return true;
}

static bool take_boolean(const char *value, void *to)
{
	bool *out = to;

	*out = value == NULL || strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
	return *out || strcmp(value, "false") == 0 || strcmp(value, "0") == 0;
}

static bool take_duration(const char *value, void *to)
{
	int64_t *ms = to;

	return parse_duration(value, ms) == 0 && *ms > 0 && *ms < INT32_MAX;
}

static bool take_text(const char *value, void *to)
{
	*(const char **)to = value;
	return *value != 0;
}

static bool take_node(const char *value, void *to)
{
	return take_text(value, to) && node_name_is_good(value);
}

/* A part of a URL, which isn't to be another one. */
static bool take_object_name(const char *value, void *to)
{
	return take_node(value, to) && strpbrk(value, "?#%&\\") == NULL;
}

static bool take_identity(const char *value, void *to)
{
	struct options *o = to;

	return *value != 0 && snprintf(o->identity, sizeof o->identity, "%s", value) < (int)sizeof o->identity;
}

static int finish(struct options *o, enum options_of command, bool elect_said)
{
	const char *node = getenv("NODE_NAME");
	char host[256] = "";

	gethostname(host, sizeof host - 1);
	if (o->dry_run && (o->metrics != NULL || (elect_said && o->leader_elect)))
		return cli_fail(CLI_USAGE, "--dry-run writes nothing: neither %s",
				o->metrics != NULL ? "the file of --metrics" : "the Lease of --leader-elect");
	if (o->dry_run) {
		o->once = true;
		o->workers = 1; /* one line after the other */
	}
	if (!elect_said)
		o->leader_elect = !o->once;
	if (o->identity[0] == 0) { /* another one with each start: what an earlier one did isn't this one's */
		uint32_t r = (uint32_t)now_ms();

		if (getentropy(&r, sizeof r) < 0)
			r ^= (uint32_t)getpid();
		snprintf(o->identity, sizeof o->identity, "%s_%d_%08x", host, (int)getpid(), r);
	}
	if (command == OPTIONS_CONTROLLER && (o->renew_ms >= o->lease_ms || o->retry_ms >= o->renew_ms || o->lease_ms < 1000))
		return cli_fail(CLI_USAGE, "--lease-duration must be a second at least and longer than --renew-deadline, and that longer "
					   "than --retry-period");
	if (command == OPTIONS_AGENT && o->node == NULL) {
		/* The kubelet calls its Node as the host, in lower case. */
		for (char *p = host; *p != 0; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p += 'a' - 'A';
		snprintf(o->node_name, sizeof o->node_name, "%s", node != NULL && *node != 0 ? node : host);
		o->node = o->node_name;
		if (!node_name_is_good(o->node))
			return cli_fail(CLI_USAGE, "'%s' is no name of a Node; say which with --node", o->node);
	}
	return CLI_DONE;
}

/* Of both commands. */
#define BOTH(o)                                                                                                                            \
	{ "mount", .take = take_text, .to = &(o)->mount }, { "kubeconfig", .take = take_text, .to = &(o)->kubeconfig },                    \
		{ "context", .take = take_text, .to = &(o)->context }, { "cluster", .take = take_text, .to = &(o)->cluster },              \
		{ "metrics", .take = take_text, .to = &(o)->metrics }, { "once", .flag = &(o)->once },                                     \
		{ "qps", .take = take_rate, .to = &(o)->qps }, { "burst", .take = take_rate, .to = &(o)->burst },                          \
	{                                                                                                                                  \
		"timeout", .take = take_duration, .to = &(o)->timeout_ms                                                                   \
	}

int options_parse(struct options *o, enum options_of command, int argc, char **argv)
{
	bool elect_said = false;
	const struct cli_option of_controller[] = {
		BOTH(o),
		{ "dry-run", .flag = &o->dry_run },
		{ "workers", .take = take_workers, .to = &o->workers },
		{ "leader-elect", .optional = true, .flag = &elect_said, .take = take_boolean, .to = &o->leader_elect },
		{ "lease-namespace", .take = take_object_name, .to = &o->lease_namespace },
		{ "lease-name", .take = take_object_name, .to = &o->lease_name },
		{ "identity", .take = take_identity, .to = o },
		{ "lease-duration", .take = take_duration, .to = &o->lease_ms },
		{ "renew-deadline", .take = take_duration, .to = &o->renew_ms },
		{ "retry-period", .take = take_duration, .to = &o->retry_ms },
		{ "release-delay", .take = take_duration, .to = &o->release_ms },
		{ "mass-release-delay", .take = take_duration, .to = &o->mass_release_ms },
		{ 0 },
	};
	const struct cli_option of_agent[] = {
		BOTH(o),
		{ "node", .take = take_node, .to = &o->node },
		{ "cluster-cidr", .take = take_text, .to = &o->cluster_cidr },
		{ 0 },
	};
	int status;

	*o = (struct options){ .qps = 20,
			       .burst = 30,
			       .timeout_ms = 15000,
			       .workers = 24,
			       .leader_elect = true,
			       .lease_namespace = "kube-system",
			       .lease_name = "ipamkube",
			       .lease_ms = 15000,
			       .renew_ms = 10000,
			       .retry_ms = 2000,
			       .release_ms = 10000,
			       .mass_release_ms = 15 * 60000 };
	status = cli_options(&argc, argv, command == OPTIONS_CONTROLLER ? of_controller : of_agent);
	if (status == CLI_DONE && argc > 1)
		return cli_fail(CLI_USAGE, "what is '%s'? 'ipamkube help %s' tells more", argv[1], argv[0]);
	return status == CLI_DONE ? finish(o, command, elect_said) : status;
}
