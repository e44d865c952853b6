/* sql_functions — what the statements of a repair call. */
#ifndef IPAMCTL_REPAIR_SQL_FUNCTIONS_H
#define IPAMCTL_REPAIR_SQL_FUNCTIONS_H

#include <sqlite3.h>

/* The functions that the statements use: is_name(KIND, x), address(FAMILY, x), prefix(x), prefix_length(x),
 * first_key(x), last_key(x), key_of(ADDRESS), prefix_of(FIRST KEY, LAST KEY), contains(PREFIX, ADDRESS), block_of(ADDRESS, LENGTH),
 * range(x): NULL for what is none; leasable(PREFIX, GATEWAY, ADDRESS), in_range(RANGE, ADDRESS), range_key(RANGE, LAST),
 * is_setting(KEY, x), is_label(KEY, x), is_selector(x). */
int repair_functions(sqlite3 *db);

#endif
