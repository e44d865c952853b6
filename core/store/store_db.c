#include "store/store_db.h"

#include "store/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>

int store_error(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_CONSTRAINT:
		return -EUCLEAN;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	default:
		return -EIO;
	}
}

/* Of the file that failed: the log, or else the database. sqlite3_system_errno doesn't know it of a COMMIT. */
static int system_error(struct store *s)
{
	sqlite3_file *log = NULL;
	int error = 0;

	if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK && log != NULL && log->pMethods != NULL)
		log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
	if (error == 0)
		sqlite3_file_control(s->db, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
	return error;
}

int store_failed(struct store *s, int code)
{
	s->system = (code & 0xff) == SQLITE_IOERR ? system_error(s) : 0;
	store_note(s, code);
	switch (s->system) {
	case EROFS:
		return -EROFS;
	case ENOSPC:
	case EDQUOT: /* of the disk; to a caller it means max-leases */
		return -ENOSPC;
	case EFBIG: /* the limit of this process, or of the filesystem */
		return -EFBIG;
	default:
		return store_error(code);
	}
}

int store_prepare(struct store *s, const char *sql, sqlite3_stmt **out)
{
	for (int i = 0; i < STORE_STATEMENTS; i++) {
		if (s->cache[i].sql == sql) {
			*out = s->cache[i].stmt;
			return 0;
		}
		if (s->cache[i].sql == NULL) {
			int code = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->cache[i].stmt, NULL);

			if (code == SQLITE_OK)
				s->cache[i].sql = sql;
			*out = s->cache[i].stmt;
			return store_error(code);
		}
	}
	assert(!"room for every statement");
	return -ENOMEM;
}

static int run(struct store *s, const char *sql, const char *format, va_list ap)
{
	sqlite3_stmt *stmt;
	int code = SQLITE_OK;
	int rc = store_prepare(s, sql, &stmt);

	if (rc < 0)
		return rc;
	for (int i = 1; code == SQLITE_OK && *format != 0; format++, i++) {
		if (*format == 'i') {
			code = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
		} else if (*format == 't') {
			code = sqlite3_bind_text(stmt, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
		} else if (*format == 'T') {
			const char *text = va_arg(ap, const char *);

			code = sqlite3_bind_text64(stmt, i, text, va_arg(ap, size_t), SQLITE_STATIC, SQLITE_UTF8);
		} else {
			const void *blob = va_arg(ap, const void *);

			code = sqlite3_bind_blob64(stmt, i, blob, va_arg(ap, size_t), SQLITE_STATIC);
		}
	}
	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (sqlite3_reset(stmt) != SQLITE_OK)
		code = sqlite3_extended_errcode(s->db);
	sqlite3_clear_bindings(stmt);
	return store_failed(s, code);
}

int store_run(struct store *s, const char *sql, const char *format, ...)
{
	va_list ap;
	int rc;

	va_start(ap, format);
	rc = run(s, sql, format, ap);
	va_end(ap);
	return rc;
}

int store_run_one(struct store *s, const char *sql, const char *format, ...)
{
	va_list ap;
	int rc;

	va_start(ap, format);
	rc = run(s, sql, format, ap);
	va_end(ap);
	return rc == 0 && sqlite3_changes(s->db) != 1 ? -EUCLEAN : rc;
}
