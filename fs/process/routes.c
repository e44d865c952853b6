#include "fs/process/routes.h"

#include "fs/control/delegate.h"
#include "fs/control/history.h"
#include "fs/control/import.h"
#include "fs/control/report.h"
#include "fs/control/stream.h"
#include "fs/tree/dir.h"
#include "fs/tree/file.h"
#include "fs/tree/removed.h"

handle_reopen *const routes_reopen[KEEP_KINDS] = {
	[KEEP_FILE] = file_reopen,     [KEEP_DIRECTORY] = listing_reopen, [KEEP_EVENTS] = events_reopen, [KEEP_HISTORY] = history_reopen,
	[KEEP_IMPORT] = import_reopen, [KEEP_DELEGATE] = delegate_reopen, [KEEP_REPORT] = report_reopen, [KEEP_REMOVED] = removed_reopen,
};
