# Workers are killed in full flow, or followed by others, again and again, under a mount that stays: nobody notices. KILLS=200 does
# it more often.
. "$(dirname "$0")/../lib.sh"
KILLS=${KILLS:-8} THREADS=${THREADS:-8}

slowest=0
follow_worker() {
	local ms
	ms=$("$IPAMCTL" upgrade --json --mount "$M" | jq '.longest_call_ms | ceil')
	if [ -z "$ms" ]; then fail "a worker follows another"; elif [ "$ms" -gt "$slowest" ]; then slowest=$ms; fi
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
		rest $((RANDOM % 300))
		if [ $((i % 4)) -eq 0 ]; then follow_worker; else kill_worker; fi
		[ -e "$M/.ipam/version" ] # its successor serves: one request that is there at several deaths in a row would be refused
	done
	touch "$WORK/stop"
	wait "$steady"
	same "sync=$sync: nobody noticed $KILLS workers die" "" "$(grep ^wrong "$WORK/steady")"
	echo "$(grep ^ops "$WORK/steady") ms; followed in $slowest ms at most"
	ok "sync=$sync: and much was done" test "$(awk '/^ops/ { print $2 }' "$WORK/steady")" -gt 300
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
slowest=0
same "no worker ended in another way" "" "$(grep -E 'error|critical|hangs' "$WORK/log")"

# ---- many leases (LEASES): how long a client waits where one worker follows another. Printed, not judged: the machine may be busy.
LEASES=${LEASES:-50000}
"$BUILD/bin/ipamfs-bench" generate --cluster prod --cidr 10.0.0.0/8 --mask 16 --nodes 20 --leases $((LEASES / 20)) "$WORK/big.db" >/dev/null
mount_fs sync=normal "$WORK/big.db"
node=$(find "$M/prod" -maxdepth 1 -name 'node-*' | sort | head -1)
from=$(find "$node" -type f | head -1)
touch "$node/before" "$node/gone"
for i in 1 2 3; do
	# What changes meanwhile, of each kind.
	(rm "$node/gone" && mv "$node/before" "$node/after" && touch "$node/new" && setfattr -n user.pod -v "x$i" "$from" && touch -d 2001-01-01 "$from") &
	change=$!
	follow_worker
	wait "$change"
	same "what changed while the next one read is known: $i" "after new x$i 978307200" \
		"$(cd "$node" && ls before after gone new 2>/dev/null | xargs) $(getfattr --absolute-names --only-values -n user.pod "$from") $(stat -c %Y "$from")"
	rm "$node/new" && mv "$node/after" "$node/before" && touch "$node/gone"
done
echo "$LEASES leases: a client waited $slowest ms at most where a worker followed another"
ok "the mount and the database agree" "$IPAMCTL" check --quiet "$M"
umount_fs
