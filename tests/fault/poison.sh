# A request by which worker after worker falls is refused, and it alone: of many clients that are at work meanwhile none hears of it.
. "$(dirname "$0")/../lib.sh"
FALLS=expected
ROUNDS=${ROUNDS:-3} CLIENTS=${CLIENTS:-24}

fake_disk
mount_fs sync=normal
make_cluster prod n0 n1 n2 n3 n4 n5

# innocent NUMBER ROUND: makes leases one after the other, and notes the slowest, in microseconds
innocent() {
	local i=0 begun took slowest=0
	while [ ! -e "$WORK/stop" ]; do
		begun=${EPOCHREALTIME/[.,]/}
		claim "$M/prod/n$(($1 % 6))/c$1-$2-$i" 2>>"$WORK/refused"
		took=$((${EPOCHREALTIME/[.,]/} - begun))
		[ "$took" -le "$slowest" ] || slowest=$took
		i=$((i + 1))
	done
	echo "$slowest $i" >>"$WORK/slowest"
}

echo "crash pill-of-poison" >"$FAULTS"
: >"$WORK/refused"
for round in $(seq "$ROUNDS"); do
	rm -f "$WORK/stop"
	clients=()
	before=$(awk '$1 == "workers_started" { print $2 }' "$M/.ipam/stats")
	for i in $(seq "$CLIENTS"); do
		innocent "$i" "$round" &
		clients+=("$!")
		pids+=("$!")
	done
	until_true 30 test -e "$M/prod/n1/c1-$round-1"
	refused "round $round: the request is refused" "Input/output error" claim "$M/prod/n0/pill-of-poison"
	touch "$WORK/stop"
	wait "${clients[@]}"
	same "round $round: after the fourth death" 4 $(($(awk '$1 == "workers_started" { print $2 }' "$M/.ipam/stats") - before))
done
same "nobody else was refused anything" "" "$(sort "$WORK/refused" | uniq -c)"
echo "slowest of $(awk '{ n += $2 } END { print n }' "$WORK/slowest") calls: $(sort -n "$WORK/slowest" | tail -1 | cut -d' ' -f1) us"
ok "nothing of it is there" test ! -e "$M/prod/n0/pill-of-poison"
ok "the log says it" grep -q "fell by one request" "$WORK/log"
ok "the mount and the database agree" "$IPAMCTL" check --quiet "$M"
umount_fs
check_clean "after it"
