/* What can be stored, and the rules of each: kubernetes/pkg/apis/{core,coordination}/validation. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "apiserver.h"

const char *text_at(const json_t *object, const char *path)
{
	char key[64];
	size_t length;

	for (;;) {
		length = strcspn(path, ".");
		if (length >= sizeof key)
			return "";
		snprintf(key, sizeof key, "%.*s", (int)length, path);
		object = json_object_get(object, key);
		if (path[length] == 0)
			return json_is_string(object) ? json_string_value(object) : "";
		path += length + 1;
	}
}

bool is_namespace(const char *name)
{
	static const char *const all[] = { "default", "kube-system", "kube-public", "kube-node-lease" };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(all[i], name) == 0)
			return true;
	return false;
}

static void leave(json_t *object)
{
	(void)object;
}

/* An Event about something outside namespaces lies in 'default', else beside it. */
static void event_validate(const json_t *event, const json_t *old, json_t *causes)
{
	const char *about = text_at(event, "involvedObject.namespace"), *here = text_at(event, "metadata.namespace");

	(void)old;
	if (strcmp(*about ? about : "default", here) != 0)
		add_cause(causes, "involvedObject.namespace", "FieldValueInvalid", "Invalid value: \"%s\": does not match event.namespace",
			  about);
}

/* metav1.MicroTime: with exactly six digits after the point, or Go's parser refuses it. */
static bool is_micro_time(const json_t *time)
{
	struct tm tm;
	const char *end;

	if (!time || json_is_null(time))
		return true;
	if (!json_is_string(time))
		return false;
	end = strptime(json_string_value(time), "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end || *end != '.' || strspn(end + 1, "0123456789") != 6)
		return false;
	end += 7;
	return strcmp(end, "Z") == 0 || ((*end == '+' || *end == '-') && strlen(end) == 6 && end[3] == ':');
}

static void lease_validate(const json_t *lease, const json_t *old, json_t *causes)
{
	const json_t *spec = json_object_get(lease, "spec");
	const json_t *duration = json_object_get(spec, "leaseDurationSeconds");
	const json_t *transitions = json_object_get(spec, "leaseTransitions");
	const char *const times[] = { "acquireTime", "renewTime" };
	char field[32];

	(void)old;
	if (duration && !json_is_null(duration) && json_integer_value(duration) <= 0)
		add_cause(causes, "spec.leaseDurationSeconds", "FieldValueInvalid", "Invalid value: %lld: must be greater than 0",
			  (long long)json_integer_value(duration));
	if (json_integer_value(transitions) < 0)
		add_cause(causes, "spec.leaseTransitions", "FieldValueInvalid", "Invalid value: %lld: must be greater than or equal to 0",
			  (long long)json_integer_value(transitions));
	for (size_t i = 0; i < 2; i++) {
		snprintf(field, sizeof field, "spec.%s", times[i]);
		if (!is_micro_time(json_object_get(spec, times[i])))
			add_cause(causes, field, "FieldValueInvalid", "Invalid value: \"%s\": must be a time in microseconds",
				  text_at(lease, field));
	}
}

static const char *const no_fields[] = { NULL };
static const char *const node_fields[] = { "spec.unschedulable", NULL };
static const char *const event_fields[] = {
	"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "reason", "type", NULL
};

const struct kind kinds[] = {
	{ "", "v1", "nodes", "Node", false, true, false, node_fields, node_normalise, node_validate },
	{ "", "v1", "events", "Event", true, true, true, event_fields, leave, event_validate },
	{ "coordination.k8s.io", "v1", "leases", "Lease", true, false, true, no_fields, leave, lease_validate },
};
const size_t n_kinds = sizeof kinds / sizeof *kinds;
