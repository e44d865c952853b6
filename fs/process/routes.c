#include "fs/process/routes.h"

#include "fs/control/delegate.h"
#include "fs/control/history.h"
#include "fs/control/import.h"
#include "fs/control/release.h"
#include "fs/control/report.h"
#include "fs/control/show_json.h"
#include "fs/control/show_leases.h"
#include "fs/control/show_metrics.h"
#include "fs/control/show_text.h"
#include "fs/control/stream.h"
#include "fs/map/map_text.h"
#include "fs/map/svg.h"
#include "fs/tree/dir.h"
#include "fs/tree/file.h"
#include "fs/tree/removed.h"

/* Node ids carry the row's number, so rows are only ever added at the end. */
const struct control routes_control[] = {
	{ IPAM_ROOT, "version", .show = show_version },
	{ IPAM_ROOT, "stats", .show = show_stats, .ages = true },
	{ IPAM_ROOT, "health", .show = show_health, .ages = true },

	{ IPAM_CLUSTER, "cidrs", .show = show_cidrs, .writable = true, .text = IPAM_CLUSTER_CIDRS },
	{ IPAM_CLUSTER, "reserved", .show = show_reserved, .writable = true, .reaches = true, .text = IPAM_CLUSTER_RESERVED },
	{ IPAM_CLUSTER, "settings", .show = show_settings, .writable = true, .reaches = true, .text = IPAM_CLUSTER_SETTINGS },
	{ IPAM_CLUSTER, "blocks", .show = show_blocks, .grows = CONTROL_BY_NODES },
	{ IPAM_CLUSTER, "by-ip", .directory = CONTROL_BY_IP },
	{ IPAM_CLUSTER, "leases", .report = show_leases, .grows = CONTROL_BY_LEASES },
	{ IPAM_CLUSTER, "leases.json", .report = show_json, .grows = CONTROL_BY_LEASES },
	{ IPAM_CLUSTER, "stats", .show = show_stats },
	{ IPAM_CLUSTER, "map.txt", .show = show_map, .grows = CONTROL_PICTURE },

	{ IPAM_NODE, "cidrs", .show = show_cidrs, .writable = true, .text = IPAM_NODE_CIDRS },
	{ IPAM_NODE, "settings", .show = show_settings, .writable = true, .text = IPAM_NODE_SETTINGS },
	{ IPAM_NODE, "gateway", .show = show_gateway },
	{ IPAM_NODE, "by-ip", .directory = CONTROL_BY_IP, .tells = true },
	{ IPAM_NODE, "leases", .report = show_leases, .grows = CONTROL_BY_LEASES, .tells = true },
	{ IPAM_NODE, "leases.json", .report = show_json, .grows = CONTROL_BY_LEASES, .tells = true },
	{ IPAM_NODE, "stats", .show = show_stats },
	{ IPAM_NODE, "map.txt", .show = show_map, .grows = CONTROL_PICTURE, .tells = true },

	{ IPAM_CLUSTER, "import", .writable = true, .open = import_open },
	{ IPAM_NODE, "release", .writable = true, .names = true, .store = release_store },
	{ IPAM_NODE, "ephemeral", .directory = CONTROL_EPHEMERAL },
	{ IPAM_NODE, "host-local", .directory = CONTROL_HOST_LOCAL, .tells = true },

	{ IPAM_ROOT, "events", .open = events_open },
	{ IPAM_CLUSTER, "events", .open = events_open },
	{ IPAM_NODE, "events", .open = events_open, .tells = true },
	{ IPAM_ROOT, "history", .open = history_open },
	{ IPAM_CLUSTER, "history", .open = history_open },
	{ IPAM_NODE, "history", .open = history_open, .tells = true },
	{ IPAM_ROOT, "metrics", .directory = CONTROL_METRICS },
	{ IPAM_ROOT, "ipamfs.prom", .in = CONTROL_METRICS, .show = show_metrics, .grows = CONTROL_BY_NODES, .ages = true },
	{ IPAM_CLUSTER, "map.svg", .show = show_map_svg, .grows = CONTROL_PICTURE },
	{ IPAM_NODE, "map.svg", .show = show_map_svg, .grows = CONTROL_PICTURE, .tells = true },
	{ IPAM_NODE, "remove", .writable = true, .store = remove_store },
	{ IPAM_CLUSTER, "delegate", .writable = true, .makes = true, .open = delegate_open },
	{ IPAM_NODE, "labels", .show = show_labels, .writable = true, .text = IPAM_NODE_LABELS },
	{ IPAM_ROOT, "audit", .show = show_audit, .grows = CONTROL_ASKS, .ages = true },
	{ IPAM_ROOT, "accept", .writable = true, .store = accept_store },
};

const unsigned routes_control_rows = sizeof routes_control / sizeof *routes_control;
_Static_assert(sizeof routes_control / sizeof *routes_control <= 64, "node ids have 6 bits for the row (tree/rendition.c)");

handle_reopen *const routes_reopen[KEEP_KINDS] = {
	[KEEP_FILE] = file_reopen,     [KEEP_DIRECTORY] = listing_reopen, [KEEP_EVENTS] = events_reopen, [KEEP_HISTORY] = history_reopen,
	[KEEP_IMPORT] = import_reopen, [KEEP_DELEGATE] = delegate_reopen, [KEEP_REPORT] = report_reopen, [KEEP_REMOVED] = removed_reopen,
};
