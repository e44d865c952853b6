/* The functions that the statements of a repair use. */
#include "repair.h"

#include "ipam.h"
#include "settings.h"

#include <string.h>

static const char *text(sqlite3_value *v)
{
	return sqlite3_value_type(v) == SQLITE_TEXT ? (const char *)sqlite3_value_text(v) : "";
}

static void is_name(sqlite3_context *out, int n, sqlite3_value **v)
{
	(void)n;
	sqlite3_result_int(out, ipam_check_name((enum ipam_kind)sqlite3_value_int(v[0]), text(v[1])) == 0);
}

/* As it would be written. */
static void address(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *s = text(v[1]);
	char canonical[CIDR_ADDR_TEXT];
	uint8_t family;
	u128 addr;

	(void)n;
	if (cidr_parse_addr(s, strlen(s), &family, &addr) < 0 || family != sqlite3_value_int(v[0]))
		return;
	cidr_print_addr(family, addr, canonical);
	if (strcmp(canonical, s) == 0)
		sqlite3_result_text(out, canonical, -1, SQLITE_TRANSIENT);
}

static bool parse(sqlite3_value *v, struct cidr *cidr)
{
	char canonical[CIDR_TEXT];
	const char *s = text(v);

	if (cidr_parse(s, strlen(s), cidr) < 0)
		return false;
	cidr_print(cidr, canonical);
	return strcmp(canonical, s) == 0;
}

static void prefix(sqlite3_context *out, int n, sqlite3_value **v)
{
	struct cidr cidr;

	(void)n;
	if (parse(v[0], &cidr))
		sqlite3_result_value(out, v[0]);
}

static void prefix_length(sqlite3_context *out, int n, sqlite3_value **v)
{
	struct cidr cidr;

	(void)n;
	if (parse(v[0], &cidr))
		sqlite3_result_int(out, cidr.len);
}

static void key(sqlite3_context *out, sqlite3_value *v, bool last)
{
	struct cidr cidr;
	char s[33];

	if (!parse(v, &cidr))
		return;
	cidr_print_key(cidr.family, last ? cidr_last(&cidr) : cidr.base, s);
	sqlite3_result_text(out, s, -1, SQLITE_TRANSIENT);
}

static void first_key(sqlite3_context *out, int n, sqlite3_value **v)
{
	(void)n;
	key(out, v[0], false);
}

static void last_key(sqlite3_context *out, int n, sqlite3_value **v)
{
	(void)n;
	key(out, v[0], true);
}

static void contains(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *s = text(v[1]);
	struct cidr cidr;
	uint8_t family;
	u128 addr;

	(void)n;
	sqlite3_result_int(out, parse(v[0], &cidr) && cidr_parse_addr(s, strlen(s), &family, &addr) == 0 && cidr_has(&cidr, family, addr));
}

static void block_of(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *s = text(v[0]);
	int len = sqlite3_value_int(v[1]);
	char block[CIDR_TEXT];
	struct cidr cidr;

	(void)n;
	if (cidr_parse_addr(s, strlen(s), &cidr.family, &cidr.base) < 0 || len < 0 || len > (int)cidr_bits(cidr.family))
		return;
	cidr.len = (uint8_t)len;
	cidr.base &= len == 0 ? 0 : ~(((u128)1 << (cidr_bits(cidr.family) - (unsigned)len)) - 1);
	cidr_print(&cidr, block);
	sqlite3_result_text(out, block, -1, SQLITE_TRANSIENT);
}

static void is_range(sqlite3_context *out, int n, sqlite3_value **v)
{
	struct cidr_range range;
	const char *s = text(v[0]);

	(void)n;
	sqlite3_result_int(out, cidr_parse_range(s, strlen(s), &range) == 0);
}

static void is_setting(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *key_text = text(v[0]), *value = text(v[1]);
	enum ipam_setting setting;
	uint64_t number;

	(void)n;
	sqlite3_result_int(out, settings_parse(key_text, strlen(key_text), value, strlen(value), &setting, &number) == 0);
}

int repair_functions(sqlite3 *db)
{
	static const struct {
		const char *name;
		int arguments;
		void (*fn)(sqlite3_context *, int, sqlite3_value **);
	} list[] = {
		{ "is_name", 2, is_name },     { "address", 2, address },
		{ "prefix", 1, prefix },       { "prefix_length", 1, prefix_length },
		{ "first_key", 1, first_key }, { "last_key", 1, last_key },
		{ "contains", 2, contains },   { "block_of", 2, block_of },
		{ "is_range", 1, is_range },   { "is_setting", 2, is_setting },
	};
	int code = SQLITE_OK;

	for (size_t i = 0; code == SQLITE_OK && i < sizeof list / sizeof *list; i++)
		code = sqlite3_create_function(db, list[i].name, list[i].arguments, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, list[i].fn,
					       NULL, NULL);
	return code;
}
