/* options — the command line of both commands. */
#ifndef IPAMKUBE_OPTIONS_H
#define IPAMKUBE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum options_of { OPTIONS_CONTROLLER = 1, OPTIONS_AGENT = 2 };

struct options {
	const char *mount, *kubeconfig, *context, *cluster, *metrics;
	bool once;
	bool dry_run; /* `once` is set, too */
	double qps, burst;
	int64_t timeout_ms;
	/* controller */
	unsigned workers;
	bool leader_elect;
	const char *lease_namespace, *lease_name;
	char identity[300];
	int64_t lease_ms, renew_ms, retry_ms;
	int64_t release_ms, mass_release_ms;
	/* agent */
	const char *node, *cluster_cidr;
	char node_name[256];
};

/* A status; what is wrong has been said. */
int options_parse(struct options *o, enum options_of command, int argc, char **argv);

#endif
