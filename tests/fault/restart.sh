# Workers are killed in full flow, again and again, under a mount that stays: nobody notices. KILLS=200 kills more often.
. "$(dirname "$0")/../lib.sh"
KILLS=${KILLS:-25} THREADS=${THREADS:-8}

worker() { pgrep -P "$daemon" -o; }
workers() { worker; }
# Until the next one serves.
replaced() { [ -n "$(worker)" ] && [ "$(worker)" != "$1" ]; }
kill_worker() {
	local old
	until_true 20 worker
	old=$(worker)
	kill "-${1:-9}" "$old"
	until_true 20 replaced "$old"
}

prepare() {
	local i
	mkdir "$M/prod"
	put "$M/prod/.ipam/cidrs" "10.0.0.0/8 16"
	put "$M/prod/.ipam/settings" "gateway none"
	mkdir "$M/prod/stay"
	(cd "$M/prod/stay" && seq -f s%g 0 299 | xargs touch)
	for i in $(seq 0 $((THREADS - 1))); do
		mkdir "$M/prod/n$i"
		put "$M/prod/n$i/.ipam/cidrs" "10.$((100 + i)).0.0/16"
	done
}

# Each event of each lease, once and in order, in a stream that was open all the while.
events_of() { jq -r 'select(.event == "allocate" or .event == "release") | [.event, .node, .name, .addresses[0]] | @tsv' "$1"; }

round() {
	local sync=$1 steady reader i from
	cat "$M/.ipam/events" >"$WORK/events" &
	reader=$!
	pids+=("$reader")
	from=$(sqlite3 "$DB" 'SELECT coalesce(max(id), 0) FROM history')
	until_true 10 reading
	rm -f "$WORK/stop"
	"$HELPERS/fault/steady" "$M/prod" "$THREADS" "$WORK/stop" >"$WORK/steady" &
	steady=$!
	pids+=("$steady")
	for i in $(seq "$KILLS"); do
		sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
		kill_worker
	done
	touch "$WORK/stop"
	wait "$steady"
	same "sync=$sync: nobody noticed $KILLS workers die" "" "$(grep ^wrong "$WORK/steady")"
	echo "$(grep ^ops "$WORK/steady") ms"
	ok "sync=$sync: and much was done" test "$(awk '/^ops/ { print $2 }' "$WORK/steady")" -gt 1000
	ok "sync=$sync: the mount and the database agree" "$IPAMCTL" check --quiet "$M"
	same "sync=$sync: what stayed is there" 300 "$(ls "$M/prod/stay" | wc -l)"
	same "sync=$sync: and nothing else" "" "$(ls -d "$M"/prod/n*/* "$M"/prod/extra* 2>/dev/null)"
	# What the stream told is what the past says.
	sqlite3 "$DB" "SELECT line FROM history WHERE id > $from ORDER BY id" >"$WORK/past"
	told() { [ "$(wc -l <"$WORK/events")" -ge "$(wc -l <"$WORK/past")" ]; }
	until_true 20 told
	kill "$reader"
	wait "$reader" 2>/dev/null
	same "sync=$sync: a reader of events heard each, once" "" "$(diff "$WORK/past" "$WORK/events" | head -5)"
}
reading() { grep -qE 'reader|ipamfs_event_readers [1-9]' "$M/.ipam/metrics/ipamfs.prom" && [ "$(awk '/^ipamfs_event_readers/ { print $2 }' "$M/.ipam/metrics/ipamfs.prom")" != 0 ]; }

mount_fs sync=normal
prepare
round normal
umount_fs
mount_fs sync=full
round full
umount_fs
check_clean "in the end"
same "no worker ended in another way" "" "$(grep -E 'error|critical' "$WORK/log")"
