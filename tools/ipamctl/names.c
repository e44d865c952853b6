#include "names.h"

#include "cli/say.h"
#include "cli/suggest.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int names_read(const char *path, bool directories, struct names *out)
{
	DIR *d = opendir(path);
	const struct dirent *entry;
	int status = CLI_DONE;

	if (d == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	while (errno = 0, status == CLI_DONE && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.' || (entry->d_type == DT_DIR) != directories)
			continue;
		if (out->n == out->room) {
			size_t room = out->room == 0 ? 256 : out->room * 2;
			char **bigger = reallocarray(out->name, room, sizeof *bigger);

			if (bigger == NULL) {
				status = cli_fail(CLI_REFUSED, "out of memory");
				break;
			}
			out->name = bigger;
			out->room = room;
		}
		out->name[out->n] = strdup(entry->d_name);
		if (out->name[out->n] == NULL)
			status = cli_fail(CLI_REFUSED, "out of memory");
		else
			out->n++;
	}
	if (status == CLI_DONE && errno != 0) /* not the end, though it looks like one */
		status = cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	closedir(d);
	return status;
}

void names_free(struct names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->name[i]);
	free(n->name);
}

int names_missing(const struct names *names, const char *name, const char *message, const char *otherwise)
{
	const char **words = calloc(names->n + 1, sizeof *words), *near = NULL;

	for (size_t i = 0; words != NULL && i < names->n; i++)
		words[i] = names->name[i];
	if (words != NULL)
		near = cli_suggest(name, words);
	if (near != NULL)
		cli_fail(CLI_REFUSED, "%s; did you mean '%s'?", message, near);
	else
		cli_fail(CLI_REFUSED, "%s%s", message, otherwise);
	free(words);
	return CLI_REFUSED;
}
