#include "tell.h"

#include "fs.h"
#include "log.h"
#include "notify.h"

#include <jansson.h>
#include <syslog.h>

enum { MORE = 8192 }; /* events to tell of again, where the list of what is to be told was full */

/* What a change did to names: the kernel looks again, and that is all it costs where it knew. */
static int tell_event(void *arg, const struct ipam_history_event *e)
{
	struct fs *fs = arg;
	json_t *line = json_loadb(e->line, e->size, JSON_ALLOW_NUL, NULL);
	const char *name = json_string_value(json_object_get(line, "name"));

	if (e->node != 0) {
		notify_content(fs->notify, node_of_object(IPAM_NODE, e->node), NULL, NULL);
		if (name != NULL)
			notify_name(fs->notify, node_of_object(IPAM_NODE, e->node), name);
	}
	if (e->cluster != 0)
		notify_content(fs->notify, node_of_object(IPAM_CLUSTER, e->cluster), NULL, NULL);
	json_decref(line);
	return 0;
}

/* Jobs that it had and hadn't done; and those that it would have had of its last transaction, had it lived a moment longer. */
void tell_again(struct fs *fs)
{
	struct keep_memory *m = fs->keep->memory;
	uint64_t told = atomic_load(&m->told);
	struct ipam_history_query q = { .after = told, .last = fs->opened };

	notify_again(fs->notify);
	if (atomic_exchange(&m->jobs_lost, false))
		q.after = told > MORE ? told - MORE : 0;
	if (q.after < q.last && past_read(fs, &q, tell_event, fs) < 0)
		log_write(NULL, LOG_WARNING, "names that were released in the last moment may be seen for a while");
	if (fs->opened > told)
		atomic_store(&m->told, fs->opened);
}
