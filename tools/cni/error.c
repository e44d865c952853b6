#include "cni.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int cni_fail(struct cni_error *e, int code, const char *format, ...)
{
	va_list ap;

	if (e->code != 0)
		return CNI_FAILED;
	e->code = code;
	va_start(ap, format);
	vsnprintf(e->msg, sizeof e->msg, format, ap);
	va_end(ap);
	return CNI_FAILED;
}

int cni_fail_errno(struct cni_error *e, int code, int error, const char *format, ...)
{
	va_list ap;

	if (e->code != 0)
		return CNI_FAILED;
	e->code = code;
	va_start(ap, format);
	vsnprintf(e->msg, sizeof e->msg, format, ap);
	va_end(ap);
	snprintf(e->details, sizeof e->details, "%s", strerror(error));
	return CNI_FAILED;
}
