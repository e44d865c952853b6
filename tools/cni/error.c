#include "error.h"

#include <errno.h>
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
