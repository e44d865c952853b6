#include "options.h"

#include "kube.h"
#include "node.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS_MAX = 256 };

enum option_code {
	MOUNT = 1000,
	KUBECONFIG,
	CONTEXT,
	CLUSTER,
	METRICS_FILE,
	ONCE,
	QPS,
	BURST,
	TIMEOUT,
	WORKERS,
	LEADER_ELECT,
	LEASE_NAMESPACE,
	LEASE_NAME,
	IDENTITY,
	LEASE_DURATION,
	RENEW_DEADLINE,
	RETRY_PERIOD,
	RELEASE_DELAY,
	MASS_RELEASE_DELAY,
	DRY_RUN,
	NODE,
	CLUSTER_CIDR,
};

#define BOTH                                                                                                                               \
	{ "mount", required_argument, NULL, MOUNT }, { "kubeconfig", required_argument, NULL, KUBECONFIG },                                \
		{ "context", required_argument, NULL, CONTEXT }, { "cluster", required_argument, NULL, CLUSTER },                          \
		{ "metrics", required_argument, NULL, METRICS_FILE }, { "once", no_argument, NULL, ONCE },                                 \
		{ "qps", required_argument, NULL, QPS }, { "burst", required_argument, NULL, BURST },                                      \
	{                                                                                                                                  \
		"timeout", required_argument, NULL, TIMEOUT                                                                                \
	}

static const struct option of_controller[] = {
	BOTH,
	{ "dry-run", no_argument, NULL, DRY_RUN },
	{ "workers", required_argument, NULL, WORKERS },
	{ "leader-elect", optional_argument, NULL, LEADER_ELECT },
	{ "lease-namespace", required_argument, NULL, LEASE_NAMESPACE },
	{ "lease-name", required_argument, NULL, LEASE_NAME },
	{ "identity", required_argument, NULL, IDENTITY },
	{ "lease-duration", required_argument, NULL, LEASE_DURATION },
	{ "renew-deadline", required_argument, NULL, RENEW_DEADLINE },
	{ "retry-period", required_argument, NULL, RETRY_PERIOD },
	{ "release-delay", required_argument, NULL, RELEASE_DELAY },
	{ "mass-release-delay", required_argument, NULL, MASS_RELEASE_DELAY },
	{ 0 },
};

static const struct option of_agent[] = {
	BOTH,
	{ "node", required_argument, NULL, NODE },
	{ "cluster-cidr", required_argument, NULL, CLUSTER_CIDR },
	{ 0 },
};

static bool number(const char *s, double max, double *out)
{
	char *end;

	*out = strtod(s, &end);
	return *s >= '0' && *s <= '9' && *end == 0 && *out >= 0 && *out <= max;
}

static bool boolean(const char *s, bool *out)
{
	*out = s == NULL || strcmp(s, "true") == 0 || strcmp(s, "1") == 0;
	return *out || strcmp(s, "false") == 0 || strcmp(s, "0") == 0;
}

static bool duration(const char *s, int64_t *out)
{
	return parse_duration(s, out) == 0 && *out > 0 && *out < INT32_MAX;
}

/* A part of a URL, which isn't to be another one. */
static bool object_name(const char *s, const char **out)
{
	*out = s;
	return node_name_is_good(s) && strpbrk(s, "?#%&\\") == NULL;
}

static bool text(const char *s, const char **out)
{
	*out = s;
	return *s != 0;
}

static bool take(struct options *o, int option, const char *value, bool *elect_said)
{
	double n;

	switch ((enum option_code)option) {
	case MOUNT:
		return text(value, &o->mount);
	case KUBECONFIG:
		return text(value, &o->kubeconfig);
	case CONTEXT:
		return text(value, &o->context);
	case CLUSTER:
		return text(value, &o->cluster);
	case METRICS_FILE:
		return text(value, &o->metrics);
	case ONCE:
		o->once = true;
		return true;
	case DRY_RUN:
		o->dry_run = true;
		return true;
	case QPS:
		return number(value, 1e6, &o->qps);
	case BURST:
		return number(value, 1e6, &o->burst);
	case TIMEOUT:
		return duration(value, &o->timeout_ms);
	case WORKERS:
		if (!number(value, WORKERS_MAX, &n) || n < 1)
			return false;
		o->workers = (unsigned)n;
		return true;
	case LEADER_ELECT:
		*elect_said = true;
		return boolean(value, &o->leader_elect);
	case LEASE_NAMESPACE:
		return object_name(value, &o->lease_namespace);
	case LEASE_NAME:
		return object_name(value, &o->lease_name);
	case IDENTITY:
		return *value != 0 && snprintf(o->identity, sizeof o->identity, "%s", value) < (int)sizeof o->identity;
	case LEASE_DURATION:
		return duration(value, &o->lease_ms);
	case RENEW_DEADLINE:
		return duration(value, &o->renew_ms);
	case RETRY_PERIOD:
		return duration(value, &o->retry_ms);
	case RELEASE_DELAY:
		return duration(value, &o->release_ms);
	case MASS_RELEASE_DELAY:
		return duration(value, &o->mass_release_ms);
	case NODE:
		o->node = value;
		return node_name_is_good(value);
	case CLUSTER_CIDR:
		return text(value, &o->cluster_cidr);
	}
	return false;
}

static int finish(struct options *o, enum options_of command, bool elect_said)
{
	const char *node = getenv("NODE_NAME");
	char host[256] = "";

	gethostname(host, sizeof host - 1);
	if (o->dry_run && (o->metrics != NULL || (elect_said && o->leader_elect)))
		return fail(KUBE_USAGE, "--dry-run writes nothing: neither %s",
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
		return fail(KUBE_USAGE, "--lease-duration must be a second at least and longer than --renew-deadline, and that longer "
					"than --retry-period");
	if (command == OPTIONS_AGENT && o->node == NULL) {
		/* The kubelet calls its Node as the host, in lower case. */
		for (char *p = host; *p != 0; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p += 'a' - 'A';
		snprintf(o->node_name, sizeof o->node_name, "%s", node != NULL && *node != 0 ? node : host);
		o->node = o->node_name;
		if (!node_name_is_good(o->node))
			return fail(KUBE_USAGE, "'%s' is no name of a Node; say which with --node", o->node);
	}
	return KUBE_DONE;
}

int options_parse(struct options *o, enum options_of command, int argc, char **argv)
{
	const struct option *longs = command == OPTIONS_CONTROLLER ? of_controller : of_agent;
	bool elect_said = false;
	int option, index;

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
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", longs, &index)) != -1) {
		if (option == ':')
			return fail(KUBE_USAGE, "'%s' wants a value; 'ipamkube help %s' tells more", argv[optind - 1], argv[0]);
		if (option == '?')
			return fail(KUBE_USAGE, "no option '%s' here; 'ipamkube help %s' lists them", argv[optind - 1], argv[0]);
		if (!take(o, option, optarg, &elect_said))
			return fail(KUBE_USAGE, "--%s can't be '%s'; 'ipamkube help %s' tells more", longs[index].name,
				    optarg == NULL ? "" : optarg, argv[0]);
	}
	if (optind < argc)
		return fail(KUBE_USAGE, "what is '%s'? 'ipamkube help %s' tells more", argv[optind], argv[0]);
	return finish(o, command, elect_said);
}
