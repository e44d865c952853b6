# An ephemeral lease that is being made has no holder yet. While the disk is slow that lasts: neither somebody who looks at it
# meanwhile, nor a worker that dies, nor what the next worker sweeps away may end it.
. "$(dirname "$0")/../lib.sh"

fake_disk
mount_fs sync=normal
make_cluster prod n
node=$M/prod/n
layout=$node/.ipam/host-local/net
mkdir "$layout"
makers=()
allocations() { sqlite3 "$DB" "SELECT count(*) FROM history WHERE line LIKE '%\"allocate\"%'"; }
gone() { [ ! -e "$1" ]; }

# making FILE: in the background, until the lease of its address is there, though not yet of its network
making() {
	"$HELPERS/mount/sys" hold "$1" >"$WORK/held.${1##*/}" 2>&1 &
	pids+=("$!")
	until_true 30 test -e "$node/${1##*/}" || fail "${1##*/} is being made"
}
# is_made FILE: its creator has it
is_made() { until_true 15 test -s "$WORK/held.${1##*/}" && [ -e "$1" ] && ! grep -q hold: "$WORK/held.${1##*/}"; }

slow 400
making "$layout/10.244.0.80"
same "somebody looks at a lease that is being made" 10.244.0.80/24 "$(cat "$node/10.244.0.80")"
ok "whose file is made all the same" is_made "$layout/10.244.0.80"

making "$layout/10.244.0.81"
kill_worker
ok "the worker dies in the middle of it" is_made "$layout/10.244.0.81"

# As many as can be, all the time, so that the sweep finds some in the middle of it.
slow 5
before=$(allocations)
for i in {1..8}; do
	while [ ! -e "$WORK/stop" ]; do claim "$layout/10.244.0.$((90 + i))" && echo "$i"; done >>"$WORK/made" 2>>"$WORK/refused" &
	makers+=("$!")
	pids+=("$!")
done
for i in {1..6}; do
	kill_worker
	sleep 1
done
touch "$WORK/stop"
wait "${makers[@]}"
# The daemon hears of a close later than it returns, and meanwhile the name is there still.
same "the next one sweeps away nothing that begins with it" "" "$(grep -v 'File exists' "$WORK/refused" | sort | uniq -c)"
same "so nothing had to be made twice" "$(wc -l <"$WORK/made")" "$(($(allocations) - before))"

# A reader that was there when the worker died is the last holder of what its creator has closed.
exec 5<>"$node/.ipam/ephemeral/read"
exec 6<"$node/read"
exec 5>&-
kill_worker
ok "a reader holds on through a death" test -e "$node/read"
exec 6<&-
ok "and the lease ends with it" until_true 30 gone "$node/read"
slow 0
umount -l "$M"
ended() { ! kill -0 "$daemon"; }
for it in "${pids[@]:1}"; do kill -9 "$it" && wait "$it"; done 2>/dev/null
ok "the daemon ends" until_true 60 ended
check_clean "after it"
