#include "mountpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* mountinfo writes blanks and the like as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s != 0; s++)
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] != 0 && s[3] != 0) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	*to = 0;
}

bool mountpoint_ended(int error)
{
	return error == -ENOTCONN || error == -ECONNABORTED;
}

bool mountpoint_source(const char *directory, char out[4096])
{
	char *path = realpath(directory, NULL), *line = NULL;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	size_t room = 0;

	while (f != NULL && path != NULL && getline(&line, &room, f) > 0) {
		char point[4096], source[4096], type[64];
		const char *rest = strstr(line, " - ");

		if (rest == NULL || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 || sscanf(rest, " - %63s %4095s", type, source) != 2)
			continue;
		unescape(point);
		if (strcmp(type, "fuse.ipamfs") != 0 || strcmp(point, path) != 0)
			continue;
		unescape(source);
		strcpy(out, source); /* the last one lies on top */
		found = true;
	}
	if (f != NULL)
		fclose(f);
	free(line);
	free(path);
	return found;
}
