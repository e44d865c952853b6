/* fieldSelector: metadata.name=X,reason!=Y. */
#include <stdio.h>
#include <string.h>

#include "apiserver.h"

static bool known(const struct kind *kind, const char *field)
{
	if (strcmp(field, "metadata.name") == 0 || strcmp(field, "metadata.namespace") == 0)
		return true;
	for (size_t i = 0; kind->fields[i]; i++)
		if (strcmp(kind->fields[i], field) == 0)
			return true;
	return false;
}

struct reply selector_parse(struct selector *selector, const struct kind *kind, const char *text)
{
	selector->n = 0;
	while (text && *text) {
		size_t length = strcspn(text, ","), field = strcspn(text, "=!,"), skip;

		if (field >= length || selector->n == 8)
			return fail(400, "BadRequest", "invalid selector: '%s'; can't understand '%s'", text, text);
		skip = text[field] == '!' || text[field + 1] == '=' ? 2 : 1;
		if (field + skip > length || field >= sizeof selector->terms[0].field ||
		    length - field - skip >= sizeof selector->terms[0].value)
			return fail(400, "BadRequest", "invalid selector: '%s'; can't understand '%s'", text, text);
		selector->terms[selector->n].differs = text[field] == '!';
		snprintf(selector->terms[selector->n].field, sizeof selector->terms[0].field, "%.*s", (int)field, text);
		snprintf(selector->terms[selector->n].value, sizeof selector->terms[0].value, "%.*s", (int)(length - field - skip),
			 text + field + skip);
		if (!known(kind, selector->terms[selector->n].field))
			return fail(400, "BadRequest", "field label not supported: %s", selector->terms[selector->n].field);
		selector->n++;
		text += length + (text[length] == ',');
	}
	return (struct reply){ 0 };
}

bool selector_fits(const struct selector *selector, const struct object *object)
{
	for (size_t i = 0; i < selector->n; i++)
		if ((strcmp(text_at(object->json, selector->terms[i].field), selector->terms[i].value) == 0) == selector->terms[i].differs)
			return false;
	return true;
}
