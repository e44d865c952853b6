# Reports and streams under attack: memory stays bounded, each descriptor is one snapshot, and nobody else waits.
. "$(dirname "$0")/../lib.sh"
sys=$HELPERS/mount/sys
bench=$BUILD/bin/ipamfs-bench
ulimit -n 4096

rss() { memory_of "$daemon"; }
# grew NAME KIB BEFORE: no more than that. Sanitizers keep what is freed: there it isn't judged.
grew() {
	local now
	now=$(rss)
	if grep -q "libasan\|libtsan\|__asan\|__tsan" "/proc/$daemon/maps" "$IPAMFS"; then
		pass "$1 (not judged under a sanitizer)"
	else
		ok "$1: $3 KiB before, $now now" test "$((now - $3))" -le "$2"
	fi
}

mkdir "$WORK/spool"
"$bench" generate --cluster big --nodes 600 --leases 100 "$DB" >/dev/null
mount_fs sync=normal,spool="$WORK/spool",history=1
leases=$M/big/.ipam/leases

# ---- events that nobody reads
before=$(rss)
"$sys" unread "$M/big/.ipam/events" 1000 >"$WORK/unread" &
pids+=("$!")
listening() { [ "$(find "/proc/${pids[-1]}/fd" -lname "$M/big/.ipam/events" 2>/dev/null | wc -l)" -eq 1000 ]; }
ok "a thousand readers of events" until_true 60 listening
for i in {1..10}; do
	touch "$M"/big/node-00001/x{1..100}
	rm "$M"/big/node-00001/x{1..100}
done
sync "$M/big/node-00001/lease-0000001"
grew "2,000 events later they cost no memory to speak of" 16384 "$before"
kill "${pids[-1]}" && wait "${pids[-1]}" 2>/dev/null

# ---- a long report, open many times
cat "$leases" >"$WORK/first"
same "every row is there" 60001 "$(wc -l <"$WORK/first")"
same "in columns of one width" 1 "$(awk '{ print index($0, $3) }' "$WORK/first" | sort -u | wc -l)"
before=$(rss)
fds=()
for i in {1..60}; do
	exec {fd}<"$leases"
	fds+=("$fd")
done
grew "60 open ones of 60,000 rows" 65536 "$before"
ok "they are in the spool" test "$(find "/proc/$daemon/fd" -lname "$WORK/spool/*deleted*" | wc -l)" -ge 60
rm "$M/big/node-00000/lease-0000000" "$M/big/node-00599/lease-0000099"
touch "$M/big/node-00300/new"
same "each is as it was when it was opened" 1 "$(for fd in "${fds[@]:0:20}"; do cat <&"$fd" | md5sum; done | sort -u | wc -l)"
cat "$leases" >"$WORK/second"
same "a new one is as it is now" "2 1" "$(diff <(awk '{print $3, $4}' "$WORK/first") <(awk '{print $3, $4}' "$WORK/second") |
	awk '/^</ { gone++ } /^>/ { come++ } END { print gone, come }')"
for fd in "${fds[@]}"; do exec {fd}<&-; done
spool_empty() { [ -z "$(find "/proc/$daemon/fd" -lname "$WORK/spool/*")" ]; }
ok "closed, they are out of the spool" until_true 20 spool_empty
same "a byte at a time" "$(head -c 2000 "$WORK/second")" "$(dd if="$leases" bs=1 count=2000 2>/dev/null)"
same "from anywhere" "$(tail -c +3000001 "$WORK/second" | head -c 100)" "$(dd if="$leases" bs=1000000 skip=3 count=1 2>/dev/null | head -c 100)"
ok "as JSON" jq -e 'length == 59999' "$M/big/.ipam/leases.json"

# ---- while it is made
(while :; do cat "$leases" "$M/big/.ipam/leases.json"; done >/dev/null 2>&1) &
pids+=("$!")
same "who allocates isn't held up" 60 "$(timeout 300 bash -c 'for i in {1..60}; do touch "$1/big/node-00002/y" && rm "$1/big/node-00002/y" && echo; done' bash "$M" | wc -l)"
kill "${pids[-1]}" && wait "${pids[-1]}" 2>/dev/null
for i in {1..40}; do
	cat "$leases" >"$WORK/many.$i" &
	waiting[i]=$!
done
for i in {1..20}; do kill "${waiting[i]}" 2>/dev/null; done
wait "${waiting[@]:20}"
same "of forty who ask at once, half of them killed, the others get it whole" "20 59999" \
	"$(cat "$WORK"/many.{21..40} | grep -c '^IPV4') $(($(cat "$WORK"/many.{21..40} | wc -l) / 20 - 1))"
rm -f "$WORK"/many.*

# ---- no room for it
unused() { [ -z "$(find /proc/[0-9]*/fd -lname "$M/*" 2>/dev/null)" ]; }
until_true 60 unused # what was killed ends a moment after
umount_fs
mount -t tmpfs -o size=2m tmpfs "$WORK/spool" || exit 1
mounts+=("$WORK/spool")
mount_fs sync=normal,spool="$WORK/spool"
refused "no room: it says so" "No space left" cat "$leases"
ok "a short one needs none" grep -q lease-0000001 "$M/big/node-00001/.ipam/leases"
ok "allocating neither" touch "$M/big/node-00003/z"
ok "nothing is left there" until_true 20 spool_empty
umount_fs
mount_fs sync=normal,spool="$WORK/nowhere"
refused "no spool" "Input/output error" cat "$leases"
ok "the log tells which" grep -q "spool=$WORK/nowhere: No such file" "$WORK/log"
umount_fs
check_clean "after it all"
