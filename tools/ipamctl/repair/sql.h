/* sql — pieces of the statements of a repair. */
#ifndef IPAMCTL_REPAIR_SQL_H
#define IPAMCTL_REPAIR_SQL_H

/* Of values that were found: those of the type, or another. */
#define INT(x, otherwise) "iif(typeof(" x ") = 'integer', " x ", " otherwise ")"
#define OWNER(s, mode) INT(s ".uid", "0") ", " INT(s ".gid", "0") ", " INT(s ".mode", mode)
#define NOW "CAST(strftime('%s') AS INTEGER) * 1000000000"
#define TIMES(s) INT(s ".atime", NOW) ", " INT(s ".mtime", NOW) ", " INT(s ".ctime", NOW) ", " INT(s ".btime", NOW)
/* Of a row's candidates for a value, the one that has most votes: id, the values, votes. */
#define BEST(table, columns, where, source)                                                                                                \
	"CREATE TEMP TABLE " table " AS SELECT " columns ", max(votes) AS votes FROM (SELECT " columns                                     \
	", sum(weight) AS votes FROM (" source ") WHERE " where " GROUP BY " columns ") GROUP BY id;"                                      \
	"CREATE INDEX temp." table "_id ON " table " (id);"
/* Of a table's rows with an id, the first of those that are otherwise than said in the fewest ways. */
#define ROW_OF(table, of, otherwise)                                                                                                       \
	"(SELECT min((" otherwise ") * (1 << 40) + x.rowid) & ((1 << 40) - 1) FROM " table " x WHERE x.id = " of ")"
/* An id that was given; and a new one. */
#define GIVEN(x) "(typeof(" x ") = 'integer' AND " x " BETWEEN 2 AND (SELECT next_id FROM sequence) - 1)"
#define NEW_ID "(SELECT next_id FROM sequence)"
/* The block of a cluster in which an address lies: its row's column, or NULL. */
#define BLOCK_AT(column, cluster, ip)                                                                                                      \
	"(SELECT iif(bb.last_key >= key_of(" ip "), bb." column ", NULL) FROM block bb WHERE bb.cluster = " cluster                        \
	" AND bb.first_key <= key_of(" ip ") AND length(bb.first_key) = length(key_of(" ip ")) ORDER BY bb.first_key DESC LIMIT 1)"

#endif
