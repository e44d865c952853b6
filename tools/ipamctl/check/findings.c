#include "ipamctl/check/findings.h"

#include "cli/say.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void check_finding(struct check *c, const char *format, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (c->silent) {
		c->findings++;
		return;
	}
	if (c->json) {
		json_t *s = json_string(text);
		char *dump = s == NULL ? NULL : json_dumps(s, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

		printf("%s%s", c->findings == 0 ? "" : ",\n  ", dump != NULL ? dump : "\"(not UTF-8)\"");
		free(dump);
		json_decref(s);
	} else {
		cli_say(stdout, "%s\n", text);
	}
	c->findings++;
}

const char *check_text(sqlite3_stmt *row, int column)
{
	const char *s = (const char *)sqlite3_column_text(row, column);

	return s != NULL ? s : "";
}

void check_rows(struct check *c, const char *sql, void (*fn)(struct check *c, sqlite3_stmt *row, void *arg), void *arg)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);

	while ((code == SQLITE_OK || code == SQLITE_ROW) && c->failed == 0) {
		code = sqlite3_step(stmt);
		if (code == SQLITE_ROW)
			fn(c, stmt, arg);
	}
	if (code != SQLITE_DONE && c->failed == 0)
		check_finding(c, "the database can't be read: %s", sqlite3_errmsg(c->db));
	sqlite3_finalize(stmt);
}

static void take_count(struct check *c, sqlite3_stmt *row, void *arg)
{
	(void)c;
	*(uint64_t *)arg = (uint64_t)sqlite3_column_int64(row, 0);
}

uint64_t check_count(struct check *c, const char *sql)
{
	uint64_t count = 0;

	check_rows(c, sql, take_count, &count);
	return count;
}
