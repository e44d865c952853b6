# metrics/ipamfs.prom: what promtool says of it, what the real node_exporter makes of it, and that the numbers are true.
. "$(dirname "$0")/../lib.sh"
PROM=$M/.ipam/metrics/ipamfs.prom

# metric NAME[{LABELS}] [FILE]: its value
metric() { NAME=$1 awk 'index($0, ENVIRON["NAME"] " ") == 1 { print $NF }' "${2:-$PROM}"; }

chmod 755 "$WORK"
mount_fs allow_other,metrics=nodes
make_cluster prod n1 n2
make_cluster 'odd "name\' n1
mkdir "$M/"$'\xff'
put "$M/prod/.ipam/settings" "max-leases 3"
put "$M/prod/n2/.ipam/settings" "reuse-delay 3600"
touch "$M"/prod/n1/{a,b,c} "$M/prod/n2/x" "$M/prod/n2/y"
rm "$M/prod/n2/y"
refused "a fourth" "Disk quota" touch "$M/prod/n1/d"
refused "one that is held" "Address already in use" touch "$M/prod/n2/10.244.1.2"
mkdir "$M/tiny" && put "$M/tiny/.ipam/cidrs" "192.168.0.0/30 30" && mkdir "$M/tiny/n1" && touch "$M/tiny/n1/only"
refused "one more" "No space left" touch "$M/tiny/n1/more"
exec 9<"$M/.ipam/events"

ok "promtool check metrics" promtool check metrics <"$PROM"
same "and it says nothing" "" "$(promtool check metrics <"$PROM" 2>&1)"
same "listed" ipamfs.prom "$(ls "$M/.ipam/metrics")"
refused "not to be written" "Permission denied" put "$PROM" x
same "nodes" 2 "$(metric 'ipamfs_nodes{cluster="prod"}')"
same "leases" 4 "$(metric 'ipamfs_leases{cluster="prod"}')"
same "leases of a node" 3 "$(metric 'ipamfs_node_leases{cluster="prod",node="n1"}')"
same "blocks" "256 2" "$(metric 'ipamfs_blocks{cluster="prod",family="ipv4"}') $(metric 'ipamfs_blocks_delegated{cluster="prod",family="ipv4"}')"
same "addresses" "506 4 1" "$(metric 'ipamfs_addresses{cluster="prod",family="ipv4"}') $(metric 'ipamfs_addresses_leased{cluster="prod",family="ipv4"}') $(metric 'ipamfs_addresses_resting{cluster="prod",family="ipv4"}')"
same "what is free, as in stats" "$(awk '$1 == "leases_free" { print $2 }' "$M/prod/.ipam/stats")" "$(metric 'ipamfs_leases_free{cluster="prod"}')"
same "no more than the quota lets be" "0 2" "$(metric 'ipamfs_node_leases_free{cluster="prod",node="n1"}') $(metric 'ipamfs_node_leases_free{cluster="prod",node="n2"}')"
same "quotes and backslashes" 1 "$(metric 'ipamfs_nodes{cluster="odd \"name\\"}')"
same "allocations" 6 "$(metric ipamfs_allocations_total)"
same "releases" "1 0" "$(metric 'ipamfs_releases_total{reason="request"}') $(metric 'ipamfs_releases_total{reason="expired"}')"
same "failures by reason" "1 1 1 0" "$(for r in quota in_use no_address disk_full; do metric "ipamfs_allocation_failures_total{reason=\"$r\"}"; done | xargs)"
same "each allocation is timed" 6 "$(metric ipamfs_allocation_duration_seconds_count)"
same "each commit too, and the buckets add up" "$(metric ipamfs_commit_duration_seconds_count)" "$(metric 'ipamfs_commit_duration_seconds_bucket{le="+Inf"}')"
same "as are the changes in them" "$(metric ipamfs_commit_changes_count)" "$(metric 'ipamfs_commit_changes_bucket{le="+Inf"}')"
same "the engine is well" 1 "$(metric ipamfs_engine_healthy)"
same "history" "$(wc -l <"$M/.ipam/history")" "$(metric ipamfs_history_rows_total)"
same "readers of events" 1 "$(metric ipamfs_event_readers)"
exec 9<&-
nobody_reads() { [ "$(metric ipamfs_event_readers)" == 0 ]; }
until_true 10 nobody_reads
same "the version" 1 "$(metric "ipamfs_build_info{version=\"$(cat "$M/.ipam/version")\"}")"
ok "requests" test "$(metric 'ipamfs_requests_total{operation="create"}')" -ge 5
ok "fresh" test "$(($(date +%s) - $(stat -c %Y "$PROM")))" -lt 60

# ---- node_exporter, as a user who isn't root
free_port port
setpriv --reuid 65534 --regid 65534 --clear-groups prometheus-node-exporter --web.listen-address="127.0.0.1:$port" \
	--collector.disable-defaults --collector.textfile --collector.textfile.directory="$M/.ipam/metrics" 2>"$WORK/exporter.log" &
pids+=("$!")
scrape() {
	exec 8<>"/dev/tcp/127.0.0.1/$port" || return 1
	printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&8
	cat <&8 >"$WORK/scraped"
	exec 8>&-
}
ok "node_exporter answers" until_true 30 scrape
same "and has read it" 0 "$(metric node_textfile_scrape_error "$WORK/scraped")"
same "leases, as node_exporter tells them" 4 "$(metric 'ipamfs_leases{cluster="prod"}' "$WORK/scraped")"
same "every series of ours" "$(grep -c '^ipamfs_' "$PROM")" "$(grep -c '^ipamfs_' "$WORK/scraped")"
touch "$M/prod/n2/z"
scrape
same "the next scrape sees what is new" 5 "$(metric 'ipamfs_leases{cluster="prod"}' "$WORK/scraped")"
umount_fs

mount_fs
same "nodes only where they are wanted" 0 "$(grep -c ipamfs_node_ "$PROM")"
umount_fs
