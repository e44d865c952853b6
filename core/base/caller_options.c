#include "base/caller_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int caller_options(struct ipam_options *out, const struct ipam_options *options, struct ipam_error *error)
{
	const unsigned char *bytes = (const unsigned char *)options;
	size_t known = options->size < sizeof *out ? options->size : sizeof *out;

	if (options->size < sizeof options->size) {
		snprintf(error->text, sizeof error->text, "size of struct ipam_options isn't set: sizeof(struct ipam_options)");
		return -EINVAL;
	}
	for (size_t i = known; i < options->size; i++)
		if (bytes[i] != 0) {
			snprintf(error->text, sizeof error->text, "an option is set that libipam " IPAM_VERSION " doesn't know");
			return -EINVAL;
		}
	memset(out, 0, sizeof *out);
	memcpy(out, options, known);
	out->size = sizeof *out;
	return 0;
}
