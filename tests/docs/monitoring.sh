# docs/monitoring: the alerts and the dashboard name only metrics that there are, and do what they are for, with the real
# node_exporter and Prometheus.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../engine/lib.sh"
DIR=$ROOT/docs/monitoring
ALERTS=$DIR/alerts.yml
BOARD=$DIR/grafana.json
PROM=$M/.ipam/metrics/ipamfs.prom
alerts() { sed -n 's/^ *- alert: //p' "$ALERTS"; }

# ---- the files by themselves
ok "promtool check rules" promtool check rules "$ALERTS"
ok "promtool test rules" promtool test rules "$DIR/alerts_test.yml"
same "no alert without a severity, a summary and a description" "$(alerts | wc -l) $(alerts | wc -l) $(alerts | wc -l)" \
	"$(grep -cE '^ +severity: (critical|warning)$' "$ALERTS") $(grep -c '^ *summary: .' "$ALERTS") $(grep -c '^ *description: .' "$ALERTS")"
same "nor untested" "" "$(for it in $(alerts); do grep -q "$it\\b" "$DIR/alerts_test.yml" || echo "$it"; done)"
same "nor two of a name" "" "$(alerts | sort | uniq -d)"

# Panels of all rows, collapsed ones too.
panels='[.panels[], (.panels[].panels // [])[]]'
# holds NAME EXPRESSION: of the dashboard
holds() { ok "dashboard: $1" jq -e "$panels as \$panels | $2" "$BOARD"; }
holds "what Grafana 9 reads" '.schemaVersion == 36 and .id == null and (.uid | length) > 0 and (.title | length) > 0 and ($panels | length) > 20'
holds "each panel has an id of its own" '$panels | map(.id) | length == (unique | length)'
holds "each asks the data source that is chosen" '[$panels[] | select(.type != "row") | .datasource, .targets[].datasource] + [.templating.list[] | select(.type == "query").datasource] | all(. == {type: "prometheus", uid: "${datasource}"})'
holds "which is a variable" 'any(.templating.list[]; .type == "datasource" and .name == "datasource" and .query == "prometheus")'
holds "no variable that there isn't" '([.templating.list[].name] + ["__rate_interval", "__interval", "__range"]) as $known
	| [.. | strings | scan("\\$\\{?([a-z_]+)") | .[0]] - $known - ["__all"] == []'
holds "each has a title, a description, a query" '$panels | all(.type == "row" or ((.title | length) > 0 and (.description | length) > 0 and (.targets | length) > 0 and all(.targets[]; .expr != "" and .refId != null)))'
holds "queries of a panel have names of their own" '$panels | all((.targets // []) | map(.refId) | length == (unique | length))'
holds "it lies in 24 columns" '$panels | all(.gridPos | .x >= 0 and .w > 0 and .h > 0 and .x + .w <= 24)'
holds "nothing covers another" '[$panels[] | .gridPos] as $at | [range($at | length) as $i | range($i) as $j | [$at[$i], $at[$j]]
	| select(.[0].x < .[1].x + .[1].w and .[1].x < .[0].x + .[0].w and .[0].y < .[1].y + .[1].h and .[1].y < .[0].y + .[0].h)] == []'

# Its queries, a line each, as Prometheus would get them; and what its variables ask for.
jq -r "($panels | .[].targets[]?.expr), (.annotations.list[].expr // empty)" "$BOARD" | sed 's/\$__rate_interval\|\$__interval/15s/g; s/\$__range/1m/g; s/\$instance\|\$cluster/.*/g' >"$WORK/queries"
jq -r '.templating.list[].definition // empty' "$BOARD" >"$WORK/variables"
{
	printf 'groups:\n  - name: dashboard\n    rules:\n'
	n=0
	while IFS= read -r query; do printf '      - record: query%d\n        expr: |-\n          %s\n' $((n += 1)) "$query"; done <"$WORK/queries"
} >"$WORK/queries.yml"
ok "its queries are well-formed" promtool check rules "$WORK/queries.yml"

# ---- beside what the mount has
chmod 755 "$WORK"
mount_fs allow_other,metrics=nodes
make_cluster prod n1 n2
mkdir "$M/tiny" && put "$M/tiny/.ipam/cidrs" "192.168.0.0/30 30" && mkdir "$M/tiny/n1" && touch "$M/tiny/n1/only"
# A mount of etcd:// has some more.
main=$daemon
etcd_cluster 1
machine shared
daemon=$main
ready shared
SHARED=$WORK/shared/.ipam/metrics/ipamfs.prom
ok "metrics of etcd:// are well-formed" promtool check metrics <"$SHARED"
same "it is reached" "ipamfs_etcd_up 1" "$(grep '^ipamfs_etcd_up' "$SHARED")"
{ cat "$PROM" "$SHARED" | sed -n 's/^# TYPE \([^ ]*\) .*/\1/p'; sed -n 's/^\(ipamfs_[a-z_]*\).*/\1/p' "$PROM"; } | sort -u >"$WORK/known"
named() { grep -ohE '\bipamfs_[a-z_]+' "$@" | sort -u; }
ok "some metrics are named" test "$(named "$ALERTS" "$BOARD" | wc -l)" -ge 25
same "alerts: no metric that there isn't" "" "$(named "$ALERTS" | comm -23 - "$WORK/known")"
same "dashboard: no metric that there isn't" "" "$(named "$BOARD" | comm -23 - "$WORK/known")"
same "tests of alerts: none either" "" "$(named "$DIR/alerts_test.yml" | comm -23 - "$WORK/known")"
same "how-to: none either" "" "$(named "$ROOT/docs/howto/monitoring.md" | comm -23 - "$WORK/known")"
# Of what is matched: reason=~"a|b", family="c"
values() { grep -ohE '(reason|family|operation)=~?\\?"[a-z_|0-9]+' "$@" | sed 's/.*"//' | tr '|' '\n' | sort -u; }
ok "some values of labels are named" test "$(values "$ALERTS" "$BOARD" | wc -l)" -gt 5
same "none that there isn't" "" "$(values "$ALERTS" "$BOARD" "$DIR/alerts_test.yml" | while read -r it; do grep -q "=\"$it\"" "$PROM" || echo "$it"; done)"

# ---- with the real ones: Prometheus asks node_exporter every two seconds; alerts need not last before they fire
free_port exporter server
exporter=127.0.0.1:$exporter server=127.0.0.1:$server
mkdir "$WORK/tsdb"
sed 's/^\( *for\): .*/\1: 1s/' "$ALERTS" >"$WORK/alerts.yml"
cat >"$WORK/prometheus.yml" <<X
global: { scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s }
rule_files: [alerts.yml]
scrape_configs: [{ job_name: node, static_configs: [{ targets: ['$exporter'] }] }]
X
ok "the configuration" promtool check config "$WORK/prometheus.yml"
setpriv --reuid 65534 --regid 65534 --clear-groups prometheus-node-exporter --web.listen-address="$exporter" \
	--collector.disable-defaults --collector.textfile --collector.textfile.directory="$M/.ipam/metrics" 2>"$WORK/exporter.log" &
pids+=("$!")
prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --web.listen-address="$server" 2>"$WORK/prometheus.log" &
pids+=("$!")
query() { promtool query instant "http://$server" -- "$1"; }
has() { [ -n "$(query "$1")" ]; }
firing() { has "ALERTS{alertstate=\"firing\",alertname=\"$1\"}"; }
ok "Prometheus has the metrics" until_true 60 has ipamfs_build_info
# But for how fast the disk is.
has 'ALERTS{alertstate="firing",alertname!~"IpamfsN.*|IpamfsFewAddressesLeft|IpamfsSlow"}' && fail "all is well, and alerts fire" "$(query ALERTS)" || pass "no alert, but of the cluster that is full"

refused "no room" "No space left" touch "$M/tiny/n1/more"
for it in IpamfsNoAddressLeft IpamfsNoBlockLeft IpamfsNodeFull; do ok "$it fires" until_true 30 firing "$it"; done
exec 7<>"/dev/tcp/${server%:*}/${server#*:}"
printf 'GET /api/v1/alerts HTTP/1.0\r\nHost: localhost\r\n\r\n' >&7
sed '1,/^\r*$/d' <&7 >"$WORK/firing.json"
exec 7>&-
same "they say what is meant" "Cluster tiny has no ipv4 block left
No address was left for a lease on $exporter
Node tiny/n1 is full" "$(jq -r '.data.alerts[] | select(.labels.alertname | test("^IpamfsN(oA|oB|odeFull)")).annotations.summary' "$WORK/firing.json" | sort)"
same "none has a template that fails" "" "$(jq -r '.data.alerts[].annotations[] | select(test("<error|no value|%!"))' "$WORK/firing.json")"

# A query that asks for what happens gets it while it happens.
cp "$WORK/queries" "$WORK/unanswered"
while sleep 0.5; do
	touch "$M/prod/n1/x" "$M/prod/n2/x" && rm "$M/prod/n1/x" "$M/prod/n2/x"
	touch "$M/tiny/n1/more"
done 2>/dev/null &
busy=$!
pids+=("$busy")
answered() {
	local it
	while IFS= read -r it; do has "$it" || printf '%s\n' "$it"; done <"$WORK/unanswered" >"$WORK/rest"
	mv "$WORK/rest" "$WORK/unanswered"
	[ ! -s "$WORK/unanswered" ]
}
# When it was mounted changes with the next mount alone.
sed -i '/^changes(ipamfs_mount_time_seconds/d' "$WORK/unanswered"
until_true 60 answered
kill "$busy"
wait "$busy" 2>/dev/null
same "each query of the dashboard is answered" "" "$(cat "$WORK/unanswered")"
while IFS= read -r it; do
	inner=${it#label_values(}
	label=${inner##*, }
	has "count by (${label%)}) ($(sed 's/, [a-z]*)$//; s/\$instance/.*/' <<<"$inner"))" || echo "$it"
done <"$WORK/variables" >"$WORK/rest"
same "and its variables have values" "" "$(cat "$WORK/rest")"

machine_end shared
etcd_end
kill_fs
ok "IpamfsGone fires when the daemon is killed" until_true 30 firing IpamfsGone
same "of this machine" "$exporter" "$(query 'ALERTS{alertstate="firing",alertname="IpamfsGone"}' | sed 's/.*instance="\([^"]*\)".*/\1/')"
mount_fs allow_other,metrics=nodes
gone() { ! firing IpamfsGone; }
ok "and ends when it is mounted again" until_true 30 gone
umount_fs
