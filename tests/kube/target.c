/* Paths: /api/v1/nodes/NAME, /apis/GROUP/v1/namespaces/NAMESPACE/leases/NAME. */
#include <stdio.h>
#include <string.h>

#include "apiserver.h"

/* The next part of *PATH, up to a slash; false: none, or too long. */
static bool next_part(const char **path, char out[254])
{
	const char *start = *path;
	size_t length;

	if (*start != '/')
		return false;
	start++;
	length = strcspn(start, "/");
	if (length == 0 || length > 253)
		return false;
	snprintf(out, 254, "%.*s", (int)length, start);
	*path = start + length;
	return true;
}

bool target_parse(struct target *target, const char *path)
{
	char part[254], group[254] = "", version[254];

	memset(target, 0, sizeof *target);
	if (!next_part(&path, part))
		return false;
	if (strcmp(part, "apis") == 0) {
		if (!next_part(&path, group))
			return false;
	} else if (strcmp(part, "api") != 0) {
		return false;
	}
	if (!next_part(&path, version) || !next_part(&path, part))
		return false;
	if (strcmp(part, "namespaces") == 0 && (!next_part(&path, target->namespace_) || !next_part(&path, part)))
		return false;
	for (size_t i = 0; i < n_kinds; i++)
		if (strcmp(kinds[i].plural, part) == 0 && strcmp(kinds[i].group, group) == 0 && strcmp(kinds[i].version, version) == 0)
			target->kind = &kinds[i];
	if (!target->kind || (*target->namespace_ && !target->kind->namespaced))
		return false;
	if (*path && !next_part(&path, target->name))
		return false;
	if (*target->name && target->kind->namespaced && !*target->namespace_)
		return false;
	return *path == 0;
}
