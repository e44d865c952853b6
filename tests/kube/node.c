/* Nodes: podCIDR and podCIDRs, which are one field for the API server; what it allows of them. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver.h"

/* podCIDR rules where the two differ; podCIDRs fills a podCIDR that isn't there (core/v1/conversion.go). */
void node_normalise(json_t *node)
{
	json_t *spec = json_object_get(node, "spec"), *all;
	const char *one;

	if (!json_is_object(spec)) {
		json_object_set_new(node, "spec", json_object());
		return;
	}
	one = text_at(spec, "podCIDR");
	all = json_object_get(spec, "podCIDRs");
	if (json_is_null(all) || (json_is_array(all) && json_array_size(all) == 0)) {
		json_object_del(spec, "podCIDRs");
		all = NULL;
	}
	if (*one) {
		const char *first = all ? json_string_value(json_array_get(all, 0)) : NULL;

		if (!first || strcmp(first, one) != 0)
			json_object_set_new(spec, "podCIDRs", json_pack("[s]", one));
	} else if (json_is_string(json_array_get(all, 0))) {
		json_object_set(spec, "podCIDR", json_array_get(all, 0));
	} else {
		json_object_del(spec, "podCIDR");
	}
}

/* The family of a CIDR as Go's net.ParseCIDR takes it, host bits and all; 0: it is none. */
static int family_of(const char *cidr)
{
	const char *slash = strchr(cidr, '/');
	char address[64], *end;
	struct in6_addr any;
	long length;
	int family;

	if (!slash || (size_t)(slash - cidr) >= sizeof address || slash[1] < '0' || slash[1] > '9')
		return 0;
	snprintf(address, sizeof address, "%.*s", (int)(slash - cidr), cidr);
	family = strchr(address, ':') ? AF_INET6 : AF_INET;
	length = strtol(slash + 1, &end, 10);
	if (*end || length > (family == AF_INET ? 32 : 128) || inet_pton(family, address, &any) != 1)
		return 0;
	return family;
}

void node_validate(const json_t *node, const json_t *old, json_t *causes)
{
	const json_t *all = json_object_get(json_object_get(node, "spec"), "podCIDRs");
	const json_t *before = json_object_get(json_object_get(old, "spec"), "podCIDRs");
	size_t n = json_array_size(all);
	int families[2] = { 0, 0 };
	char field[64];

	for (size_t i = 0; i < n; i++) {
		const char *cidr = json_string_value(json_array_get(all, i));
		int family = cidr ? family_of(cidr) : 0;

		if (i < 2)
			families[i] = family;
		snprintf(field, sizeof field, "spec.podCIDRs[%zu]", i);
		if (!family)
			add_cause(causes, field, "FieldValueInvalid", "Invalid value: \"%s\": must be a valid CIDR value",
				  cidr ? cidr : "");
	}
	if ((all && !json_is_array(all)) || n > 2 || (n == 2 && families[0] == families[1]))
		add_cause(causes, "spec.podCIDRs", "FieldValueInvalid",
			  "Invalid value: may specify no more than one CIDR for each IP family");
	if (json_array_size(before) > 0 && !json_equal(before, all))
		add_cause(causes, "spec.podCIDRs", "FieldValueForbidden",
			  "Forbidden: node updates may not change podCIDR except from \"\" to valid");
}
