/* A mount that shares an engine with other machines, against what the engine has: the mount asks, since it is who may. */
#include "ipamctl/check/engine.h"

#include "cli/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_control(const char *mount, const char *name)
{
	char *path = NULL;
	FILE *f;

	if (asprintf(&path, "%s/.ipam/%s", mount, name) < 0)
		abort();
	f = fopen(path, "re");
	free(path);
	return f;
}

static bool begins(char *line, const char *word, char **rest)
{
	size_t n = strlen(word);

	line[strcspn(line, "\n")] = 0;
	*rest = line + n;
	return strncmp(line, word, n) == 0;
}

bool check_state_file(const char *mount, char out[4096])
{
	FILE *f = open_control(mount, "health");
	char *line = NULL, *rest;
	bool found = false;
	size_t room = 0;

	while (f != NULL && !found && getline(&line, &room, f) > 0)
		if (begins(line, "state ", &rest)) {
			snprintf(out, 4096, "%s", rest);
			found = true;
		}
	if (f != NULL)
		fclose(f);
	free(line);
	return found;
}

int check_engine(struct check *c, const char *mount, char **said)
{
	FILE *f = open_control(mount, "audit");
	char *line = NULL, *rest;
	int status = CLI_REFUSED;
	size_t room = 0;

	*said = NULL;
	while (f != NULL && getline(&line, &room, f) > 0) {
		if (begins(line, "finding ", &rest)) {
			check_finding(c, "%s", rest);
		} else if (begins(line, "audited ", &rest)) {
			*said = strdup(rest);
			status = CLI_DONE;
		} else if (begins(line, "unproved ", &rest)) {
			*said = strdup(rest);
		}
	}
	if (f == NULL)
		*said = strdup(strerror(errno));
	else
		fclose(f);
	free(line);
	return status;
}
