/* Refusals, as metav1.Status: apimachinery/pkg/api/errors has these words. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver.h"

const char *reason_of(unsigned code)
{
	switch (code) {
	case 400:
		return "BadRequest";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "NotFound";
	case 405:
		return "MethodNotAllowed";
	case 406:
		return "NotAcceptable";
	case 409:
		return "Conflict";
	case 410:
		return "Expired";
	case 413:
		return "RequestEntityTooLarge";
	case 415:
		return "UnsupportedMediaType";
	case 422:
		return "Invalid";
	case 429:
		return "TooManyRequests";
	case 500:
		return "InternalError";
	case 503:
		return "ServiceUnavailable";
	case 504:
		return "Timeout";
	default:
		return "";
	}
}

json_t *status_json(unsigned code, const char *reason, const char *message)
{
	return json_pack("{s:s, s:s, s:{}, s:s, s:s, s:s, s:i}", "kind", "Status", "apiVersion", "v1", "metadata", "status", "Failure",
			 "message", message, "reason", reason, "code", (int)code);
}

struct reply fail(unsigned code, const char *reason, const char *format, ...)
{
	char *message = NULL;
	struct reply reply;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&message, format, ap) < 0)
		abort();
	va_end(ap);
	reply = reply_json(code, status_json(code, reason, message));
	free(message);
	return reply;
}

static json_t *details(const struct target *target, const char *kind)
{
	json_t *out = json_pack("{s:s, s:s}", "name", target->name, "kind", kind);

	if (*target->kind->group)
		json_object_set_new(out, "group", json_string(target->kind->group));
	return out;
}

struct reply fail_named(unsigned code, const char *reason, const struct target *target, const char *format, ...)
{
	char *message = NULL;
	struct reply reply;
	json_t *status;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&message, format, ap) < 0)
		abort();
	va_end(ap);
	status = status_json(code, reason, message);
	json_object_set_new(status, "details", details(target, target->kind->plural));
	reply = reply_json(code, status);
	free(message);
	return reply;
}

void add_cause(json_t *causes, const char *field, const char *reason, const char *format, ...)
{
	char *message = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&message, format, ap) < 0)
		abort();
	va_end(ap);
	json_array_append_new(causes, json_pack("{s:s, s:s, s:s}", "reason", reason, "message", message, "field", field));
	free(message);
}

struct reply fail_invalid(const struct target *target, json_t *causes)
{
	const struct kind *kind = target->kind;
	struct reply reply = { 0 };
	char *message = NULL;
	size_t size, i, n = json_array_size(causes);
	json_t *cause, *status, *about;
	FILE *out;

	if (n == 0) {
		json_decref(causes);
		return reply;
	}
	out = open_memstream(&message, &size);
	fprintf(out, "%s%s%s \"%s\" is invalid: %s", kind->name, *kind->group ? "." : "", kind->group, target->name, n > 1 ? "[" : "");
	json_array_foreach(causes, i, cause)
		fprintf(out, "%s%s: %s", i ? ", " : "", text_at(cause, "field"), text_at(cause, "message"));
	fputs(n > 1 ? "]" : "", out);
	fclose(out);
	status = status_json(422, "Invalid", message);
	about = details(target, kind->name);
	json_object_set_new(about, "causes", causes);
	json_object_set_new(status, "details", about);
	reply = reply_json(422, status);
	free(message);
	return reply;
}
