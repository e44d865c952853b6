#include "version.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

const char *const cni_version_name[CNI_VERSIONS] = {
	"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
};

int cni_version_parse(const char *s, enum cni_version *out, struct cni_error *e)
{
	char details[160];

	*out = CNI_0_1_0;
	if (s == NULL || *s == 0)
		return 0;
	for (int i = 0; i < CNI_VERSIONS; i++)
		if (strcmp(s, cni_version_name[i]) == 0) {
			*out = (enum cni_version)i;
			return 0;
		}
	*out = CNI_VERSIONS - 1;
	if (s[strspn(s, "0123456789.")] != 0)
		return cni_fail(e, CNI_UNDECODABLE, "cniVersion '%s' is no version", s);
	snprintf(details, sizeof details,
		 "the configuration is of %.*s; this plugin speaks 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0", 32, s);
	return cni_fail_more(e, CNI_VERSION_UNKNOWN, details, "incompatible CNI versions");
}

enum cni_version cni_version_asked(const char *text, size_t size)
{
	json_t *json = json_loadb(text, size, 0, NULL);
	const char *asked = json_string_value(json_object_get(json, "cniVersion"));
	struct cni_error ignored = { 0 };
	enum cni_version version = CNI_VERSIONS - 1;

	if (asked != NULL)
		cni_version_parse(asked, &version, &ignored);
	json_decref(json);
	return version;
}
