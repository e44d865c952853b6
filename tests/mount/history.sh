# events and history: who did what, told at once and kept.
. "$(dirname "$0")/../lib.sh"
sys=$HELPERS/mount/sys

# listen FILE OUT: a reader of events in the background, which has its place in them when this returns; its pid in $!
listen() {
	"$sys" stream "$1" >"$2" &
	pids+=("$!")
	until_true 20 grep -q '^listening' "$2"
}
has() { [ "$(grep -c "$2" "$1")" -ge "${3:-1}" ]; }
last() { tail -n 1 "$1"; }

chmod 755 "$WORK"
mount_fs allow_other,sync=normal
make_cluster prod n1 n2
make_cluster test n1
cd "$M" || exit 1

# ---- events: from the mount, a cluster, a node
listen .ipam/events "$WORK/all"
listen prod/.ipam/events "$WORK/prod"
listen prod/n1/.ipam/events "$WORK/n1"
touch prod/n1/a prod/n2/b test/n1/c
setfattr -n user.pod -v default/web prod/n1/a
sync prod/n1/a
rm prod/n1/a prod/n2/b test/n1/c
ok "all of it from the mount" until_true 20 has "$WORK/all" '"release"' 3
ok "a cluster's from the cluster" until_true 20 has "$WORK/prod" '"release"' 2
ok "a node's from the node" until_true 20 has "$WORK/n1" '"release"' 1
same "nothing else in the cluster's" 0 "$(grep -c '"cluster":"test"' "$WORK/prod")"
same "nor in the node's" "allocate attributes release" "$(sed 1d "$WORK/n1" | jq -r .event | xargs)"
same "each is JSON with its time" 7 "$(sed 1d "$WORK/all" | jq -r 'select(.time | test("^20..-..-..T..:..:.*Z$")) | .event' | wc -l)"
same "with what its owner attached" "default/web" "$(sed 1d "$WORK/n1" | jq -r 'select(.event == "release").attributes.pod')"
same "with all of its addresses" "10.244.0.2 fd00:10:244::2" "$(sed 1d "$WORK/n1" | jq -r 'select(.event == "allocate").addresses | join(" ")')"
same "the same lines as the history" "$(sed 1d "$WORK/n1")" "$(tail -n 3 prod/n1/.ipam/history)"
ok "a reader dies, and the others go on" kill "${pids[-1]}"
touch prod/n1/d
ok "still told" until_true 20 has "$WORK/prod" '"name":"d"'
rm prod/n1/d

refused "O_NONBLOCK: nothing yet" "Resource temporarily unavailable" dd if=.ipam/events iflag=nonblock status=none
"$sys" poll prod/.ipam/events >"$WORK/poll" &
poller=$!
until_true 20 grep -q polling "$WORK/poll"
touch prod/n2/polled
wait "$poller"
same "poll wakes" 0 $?
same "and there is the line" polled "$(sed 1d "$WORK/poll" | jq -r .name)"
refused "not to be written" "Permission denied" put .ipam/events x
refused "nor history" "Permission denied" put .ipam/history x
same "a part of a line at a time" "$(tail -n 1 .ipam/history)" "$(dd if=.ipam/history bs=7 status=none | tail -n 1)"

# ---- a reader that is too slow
mkdir big && put big/.ipam/cidrs "10.0.0.0/8 16" && mkdir big/n1
exec 9<big/n1/.ipam/events
(cd big/n1 && seq 1 9000 | xargs touch && touch last)
read -r -u 9 first
same "is told how many it missed" dropped "$(jq -r .event <<<"$first")"
rest=$(timeout 120 sed '/"name":"last"/q' <&9)
exec 9<&-
same "and gets the rest, none twice, none lost" 9001 "$(($(jq .count <<<"$first") + $(wc -l <<<"$rest")))"
same "to the last" last "$(tail -n 1 <<<"$rest" | jq -r .name)"
"$sys" unread .ipam/events 1000 >"$WORK/unread" &
pids+=("$!")
until_true 20 grep -q open "$WORK/unread"
before=$(memory_of "$daemon")
(cd big/n1 && seq 1 9000 | xargs rm)
after=$(memory_of "$daemon")
if grep -q libasan "/proc/$daemon/maps"; then
	pass "a thousand that never read (the sanitizer keeps what was freed: nothing to be said of memory)"
else
	ok "a thousand that never read cost no more than the ring" test "$((after - before))" -lt 65536
fi
kill "${pids[-1]}"

# ---- who
mkdir prod/theirs && chown 1001:1001 prod/theirs
setpriv --reuid 1001 --regid 1001 --clear-groups touch prod/theirs/x
same "the uid that did it" 1001 "$(last prod/theirs/.ipam/history | jq .uid)"
touch prod/n1/mine &
wait $!
same "the pid that did it" "$!" "$(last prod/n1/.ipam/history | jq .pid)"
rm prod/n1/mine
put prod/n1/.ipam/settings "ttl 1"
touch prod/n1/short
until_true 30 test ! -e prod/n1/short
same "what expires says so, and names nobody" "release expired null" "$(last prod/n1/.ipam/history | jq -r '"\(.event) \(.reason) \(.uid)"')"
put prod/n1/.ipam/settings "ttl 0"
exec 8>prod/n1/.ipam/ephemeral/held
exec 8>&-
until_true 30 has prod/n1/.ipam/history '"reason":"closed"'
same "so does what was held open" "held" "$(last prod/n1/.ipam/history | jq -r .name)"

# ---- history
same "who held it, by grep" "allocate release" "$(grep '"10.244.0.2"' prod/.ipam/history | jq -r 'select(.name == "a" and .event != "attributes").event' | xargs)"
exec 7<prod/.ipam/history
touch prod/n2/later
same "one picture, however late it is read" 0 "$(grep -c later <&7)"
exec 7<&-
same "head, and then the rest" "$(cat .ipam/history)" "$( (head -n 2; cat) <.ipam/history)"
same "the next has it" 1 "$(grep -c later prod/.ipam/history)"
rmdir test/n1
same "of what is gone, from its cluster" "node-remove" "$(last test/.ipam/history | jq -r .event)"
same "a name that is no UTF-8" 1 "$(touch prod/n2/$'\xff'; last prod/n2/.ipam/history | jq -r 'select(.name == "\ufffd").event' | wc -l)"
cp .ipam/history "$WORK/before"
kill_fs
mount_fs allow_other,sync=normal
same "it survives a crash" "" "$(diff "$WORK/before" "$M/.ipam/history" | grep '^<')"

# ---- ipamctl history
export IPAMFS_MOUNT=$M
touch "$M/prod/n1/10.244.0.200"
setfattr -n user.pod -v default/db "$M/prod/n1/10.244.0.200"
sync "$M/prod/n1/10.244.0.200"
then=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
rm "$M/prod/n1/10.244.0.200"
after=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
touch "$M/prod/n1/10.244.0.200"
same "the events of an address" "allocate attributes release allocate" "$("$IPAMCTL" history 10.244.0.200 --json | jq -r '.[].event' | xargs)"
same "who held it then" "prod n1 10.244.0.200 default/db" "$("$IPAMCTL" history 10.244.0.200 --at "$then" --json | jq -r '.[] | "\(.cluster) \(.node) \(.name) \(.attributes.pod)"')"
refused "nobody" "nobody" "$IPAMCTL" history 10.244.0.200 --at "$after"
ok "who holds it now" "$IPAMCTL" history 10.244.0.200 --at now
same "as events of a mount that can't be read but by its files" \
	"$("$IPAMCTL" history 10.244.0.200 --json)" "$(setpriv --reuid 1001 --clear-groups --regid 1001 "$IPAMCTL" history 10.244.0.200 --json)"
same "a block" "delegate" "$("$IPAMCTL" history 10.244.0.0/24 --json --cluster prod | jq -r '.[].event')"
refused "not an address" "neither an address" "$IPAMCTL" history web-0
refused "a slip" "did you mean '--cluster'" "$IPAMCTL" history --clutser prod
"$IPAMCTL" history 10.9.9.9 >/dev/null 2>&1
same "nothing found is 1" 1 $?
umount_fs

# ---- what retention took, the lease itself still tells
sqlite3 "$DB" "DELETE FROM history"
same "held for longer than the history goes back" "n1" "$("$IPAMCTL" history --database "$DB" 10.244.0.200 --at now --json | jq -r '.[].node')"
sqlite3 "$DB" "INSERT INTO history VALUES (1, 1, NULL, NULL, NULL, NULL, '{\"event\":\"old\"}')"
mount_fs history=0
same "kept for ever" old "$(jq -r .event "$M/.ipam/history")"
umount_fs
mount_fs history=1
same "where the last event is long ago the clock may be wrong: it stays" old "$(jq -r .event "$M/.ipam/history")"
umount_fs
sqlite3 "$DB" "INSERT INTO history VALUES (2, $(date +%s%N), NULL, NULL, NULL, NULL, '{\"event\":\"new\"}')"
mount_fs history=1
new_alone() { [ "$(jq -r .event "$M/.ipam/history")" == new ]; }
ok "or for a day" until_true 30 new_alone
umount_fs
check_clean "after all this"
