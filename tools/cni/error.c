#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int fail(struct cni_error *e, int code, const char *details, const char *format, va_list ap)
{
	if (e->code != 0)
		return CNI_FAILED;
	e->code = code;
	vsnprintf(e->msg, sizeof e->msg, format, ap);
	snprintf(e->details, sizeof e->details, "%s", details);
	return CNI_FAILED;
}

int cni_fail(struct cni_error *e, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fail(e, code, "", format, ap);
	va_end(ap);
	return CNI_FAILED;
}

int cni_fail_errno(struct cni_error *e, int code, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fail(e, code, strerror(error), format, ap);
	va_end(ap);
	return CNI_FAILED;
}

int cni_fail_more(struct cni_error *e, int code, const char *details, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fail(e, code, details, format, ap);
	va_end(ap);
	return CNI_FAILED;
}

int cni_code_of(int error)
{
	switch (error) {
	case ENOENT:
	case ESTALE:
	case ENOTCONN:
	case ESHUTDOWN:
	case ECONNABORTED:
		return CNI_TRY_AGAIN;
	default:
		return CNI_IO;
	}
}
