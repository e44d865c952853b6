# Everything is read while everything changes: streams that come, go and stop reading, the past, reports, pictures, metrics.
. "$(dirname "$0")/../lib.sh"
sys=$HELPERS/mount/sys

mount_fs sync=normal
make_cluster prod n1 n2
"$sys" stream "$M/prod/.ipam/events" >"$WORK/told" &
pids+=("$!")
until_true 20 grep -q listening "$WORK/told"
"$sys" unread "$M/prod/n1/.ipam/events" 50 >"$WORK/unread" &
pids+=("$!")
(while :; do timeout 0.2 cat "$M/prod/n2/.ipam/events"; done >/dev/null 2>&1) &
pids+=("$!")
(while :; do
	tail -n 1 "$M/prod/.ipam/history"
	head -n 1 "$M/prod/n1/.ipam/history"
	cat "$M/.ipam/metrics/ipamfs.prom" "$M"/prod/.ipam/{map.svg,map.txt,leases,leases.json,blocks} "$M"/prod/n?/.ipam/map.svg
done >/dev/null 2>&1) &
pids+=("$!")
workers=()
for worker in 1 2 3 4; do
	(for i in {1..120}; do
		file=$M/prod/n$((RANDOM % 2 + 1))/x$((RANDOM % 30))
		case $((RANDOM % 6)) in
		0 | 1 | 2) touch "$file" ;;
		3) rm -f "$file" ;;
		4) mv -n "$file" "$file-$worker" ;;
		5) setfattr -n user.pod -v "$i" "$file" ;;
		esac
	done 2>/dev/null) &
	workers+=("$!")
done
wait "${workers[@]}"
touch "$M/prod/n2/the-last"
ok "told to the end" until_true 30 grep -q the-last "$WORK/told"
same "nothing was missed by who reads" 0 "$(grep -c '"dropped"' "$WORK/told")"
sed 1d "$WORK/told" >"$WORK/lines"
same "what was told is what is kept" "$(tail -n "$(wc -l <"$WORK/lines")" "$M/prod/.ipam/history" | md5sum)" "$(md5sum <"$WORK/lines")"
# From the events alone: what is held now.
same "and it tells what is leased" "$(cd "$M/prod" && cat n1/* n2/* | sed 's,/.*,,' | sort)" "$(jq -r '
	select(.addresses) | .event as $event | .addresses[] | "\($event) \(.)"' "$M/prod/.ipam/history" |
	awk '$1 == "allocate" { held[$2] = 1 } $1 == "release" { delete held[$2] } END { for (a in held) print a }' | sort)"
for pid in "${pids[@]:1}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
unused() { [ -z "$(find /proc/[0-9]*/fd -lname "$M/*" 2>/dev/null)" ]; }
until_true 20 unused # what the readers had started ends a moment after them
umount_fs
check_clean "after it all"
