#include "keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cni_remark(json_t *remarks, const char *format, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	json_array_append_new(remarks, json_string(text));
	free(text);
}

static const char *find(const char *const known[], const char *name, int (*compare)(const char *a, const char *b))
{
	while (*known != NULL && compare(*known, name) != 0)
		known++;
	return *known;
}

void cni_keys_settle(json_t *o, const char *const known[], const char *where, json_t *remarks)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(o, next, name, value) {
		const char *meant = find(known, name, strcmp) != NULL ? name : find(known, name, strcasecmp);

		if (meant == name)
			continue;
		if (meant != NULL && json_object_get(o, meant) == NULL) {
			json_object_set(o, meant, value);
			json_object_del(o, name);
		} else if (remarks != NULL) {
			cni_remark(remarks, "'%s' of %s is not known here and means nothing", name, where);
		}
	}
}
